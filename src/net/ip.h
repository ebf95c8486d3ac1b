/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of the Internet protocols, both versions in one type, and subnets of them. Plain values. */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/macro.h"

typedef struct Ip {
        int family; /* AF_INET, AF_INET6; AF_UNSPEC = no address */
        uint8_t bytes[16];
} Ip;

/* An address with the length of its subnet's prefix; as a subnet, the bits after the prefix are zero. */
typedef struct IpPrefix {
        Ip ip;
        unsigned length;
} IpPrefix;

#define IP_TEXT_MAX        INET6_ADDRSTRLEN
#define IP_PREFIX_TEXT_MAX (INET6_ADDRSTRLEN + 4)

/** ip_bits() - 32 or 128 */
unsigned ip_bits(int family);
/** ip_parse() - "192.0.2.1", "2001:db8::1"; no scope. Return: 0 or -EINVAL. */
int ip_parse(const char *s, Ip *ret);
/** ip_format() - Return: @text. */
const char *ip_format(const Ip *ip, char text[static IP_TEXT_MAX]);
/** ip_equal() - whether two addresses are the same; no address equals no address */
bool ip_equal(const Ip *a, const Ip *b);
/** ip_is_host() - whether an interface can have it: neither zero, loopback, multicast, nor one family's
 * address written in the other */
bool ip_is_host(const Ip *ip);
/** ip_is_link_local() - 169.254.0.0/16, fe80::/10 */
bool ip_is_link_local(const Ip *ip);

/** ip_prefix_parse() - "ADDRESS/LENGTH". Return: 0; -EINVAL; -ERANGE the length is none of that family. */
int ip_prefix_parse(const char *s, IpPrefix *ret);
/** ip_prefix_format() - Return: @text. */
const char *ip_prefix_format(const IpPrefix *p, char text[static IP_PREFIX_TEXT_MAX]);
/** ip_prefix_subnet() - the same without the bits after the prefix */
IpPrefix ip_prefix_subnet(const IpPrefix *p);
/** ip_prefix_has() - whether an address lies in a subnet */
bool ip_prefix_has(const IpPrefix *p, const Ip *ip);
/** ip_prefix_overlaps() - whether two subnets have an address in common */
bool ip_prefix_overlaps(const IpPrefix *a, const IpPrefix *b);
/** ip_prefix_nth() - the @n-th address of a subnet, counted from its zeroth
 * Return: no address if it has not so many. */
Ip ip_prefix_nth(const IpPrefix *p, uint64_t n);
/** ip_prefix_is_usable() - whether the address of @p can be a host's in that subnet: neither its first nor,
 * of IPv4, its last, where the prefix leaves more than one bit */
bool ip_prefix_is_usable(const IpPrefix *p);
