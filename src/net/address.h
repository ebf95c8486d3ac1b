/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine is to be called on the network: the values of --network-address= as data.
 *
 *   WHAT[,WORD...]
 *   WHAT   auto, auto4, auto6      an address that is picked, of both families or of one
 *          ADDRESS/LENGTH          this one
 *   WORD   ADDRESS                 the first is the gateway, those that follow are name servers
 *          (nothing)               leaves out the gateway that would stand here
 *          gateway=ADDRESS|none    none: no default route, and no address of ours for the host
 *          dns=ADDRESS|host|none   may be given several times; host: those that the host uses
 *          link=NAME               inside; default: host0, else the only link that the machine has
 *          nat=BOOL                whether it goes out under an address of the host */
#pragma once

#include <net/if.h>

#include "base/error.h"
#include "base/text.h"
#include "net/ip.h"

#define ADDRESS_DNS_MAX 3 /* what resolvers read of a resolv.conf */

typedef enum AddressKind {
        ADDRESS_FIXED,
        ADDRESS_AUTO,
        ADDRESS_AUTO4,
        ADDRESS_AUTO6,
        _ADDRESS_KIND_MAX,
        _ADDRESS_KIND_INVALID = -EINVAL,
} AddressKind;

typedef enum AddressGateway {
        ADDRESS_GATEWAY_DEFAULT, /* the host, where the other end is ours */
        ADDRESS_GATEWAY_NONE,
        ADDRESS_GATEWAY_FIXED,
        _ADDRESS_GATEWAY_MAX,
        _ADDRESS_GATEWAY_INVALID = -EINVAL,
} AddressGateway;

typedef enum AddressDns {
        ADDRESS_DNS_HOST, /* the default */
        ADDRESS_DNS_NONE,
        ADDRESS_DNS_FIXED,
        _ADDRESS_DNS_MODE_MAX,
        _ADDRESS_DNS_MODE_INVALID = -EINVAL,
} AddressDns;

/* One value. */
typedef struct Address {
        AddressKind kind;
        IpPrefix prefix; /* of ADDRESS_FIXED */
        AddressGateway gateway_mode;
        Ip gateway;
        AddressDns dns_mode;
        Ip dns[ADDRESS_DNS_MAX];
        size_t n_dns;
        char link[IFNAMSIZ]; /* "" = default */
        int nat;             /* 1, 0; -1 = as the link has it */
} Address;

typedef struct AddressList {
        Address *v;
        size_t n;
} AddressList;

/** address_parse() - read one value. Return: 0; -EINVAL with @e saying what is wrong with which word. */
int address_parse(const char *text, Address *ret, Error *e);
/** address_format() - write it so that address_parse() reads the same. Return: 0 or -ENOMEM. */
int address_format(const Address *a, Buf *out);
/** address_has_family() - whether a value asks for an address of that family */
bool address_has_family(const Address *a, int family);

/** address_list_add() - Return: 0 or -ENOMEM. */
int address_list_add(AddressList *l, const Address *a);
void address_list_done(AddressList *l);
/** address_list_check() - whether all the values can hold at once
 * Return: 0; -EINVAL: an address twice, two gateways of a family, two picks for one link. */
int address_list_check(const AddressList *l, Error *e);
/** address_list_picks() - whether @a is to be picked for @family: not where one of that link is given */
bool address_list_picks(const AddressList *l, const Address *a, int family);
