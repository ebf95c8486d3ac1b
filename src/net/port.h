/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports of the host that lead into a machine: the values of --port= as data, and their text.
 *
 *   [tcp:|udp:|sctp:][ADDRESS:]PORTS[:PORTS][/PROTOCOL]
 *
 * ADDRESS is one of the host's, one of IPv6 in brackets; without it all of them are meant, and with
 * 0.0.0.0 or [::] all of that family. PORTS is a number, or the first and last of several: "80",
 * "8000-8010". The second ones are the machine's, and the same as the host's where they are left out. */
#pragma once

#include "base/text.h"
#include "net/ip.h"

typedef struct Port {
        int protocol; /* IPPROTO_TCP, _UDP, _SCTP */
        int family;   /* AF_UNSPEC = both */
        Ip address;   /* of the host, of that family; AF_UNSPEC = any */
        uint16_t host, inside;
        uint16_t n; /* so many, from there on */
} Port;

typedef struct PortList {
        Port *v;
        size_t n;
} PortList;

#define PORTS_MAX 65535 /* of all values of a machine together */

/** port_parse() - read one value. Return: 0; -EINVAL with @e saying what is wrong with it. */
int port_parse(const char *text, Port *ret, Error *e);
/** port_format() - write it so that port_parse() reads the same. Return: 0 or -ENOMEM. */
int port_format(const Port *p, Buf *out);
/** port_protocol_name() - "tcp", "udp", "sctp" */
const char *port_protocol_name(int protocol);
/** port_has_family() - whether a port leads in for packets of AF_INET or AF_INET6 */
bool port_has_family(const Port *p, int family);
/** port_has_loopback() - whether that is so for packets from the host to itself at a loopback address */
bool port_has_loopback(const Port *p, int family);
/** port_overlaps() - whether there is a packet that both would take */
bool port_overlaps(const Port *a, const Port *b);

/** port_list_add() - append one
 * Return: 0; -EEXIST it overlaps with one that is there; -E2BIG past PORTS_MAX; -ENOMEM. */
int port_list_add(PortList *l, const Port *p, Error *e);
void port_list_done(PortList *l);
