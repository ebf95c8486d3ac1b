/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports in the words of the packet filter: the table that all machines share, and what one machine has in
 * it. Pure text for nft_run(); see port-rules.c for what it does. */
#pragma once

#include "net/port.h"

#define PORT_RULES_TABLE "inet skep-ports"

/* What a machine has in the table. */
typedef struct PortTargets {
        const PortList *ports;
        Ip inside[2]; /* addresses that they lead to: of IPv4, of IPv6; AF_UNSPEC = none */
        const char *
                link; /* interface of the host that the machine is behind; NULL = it has nothing there */
} PortTargets;

/** port_rules_frame() - the table, its chains and empty maps; what is there already stays. Return: 0 or
 * -ENOMEM. */
int port_rules_frame(Buf *out);
/** port_rules_put() - what a machine has. Return: 0 or -ENOMEM. */
int port_rules_put(const PortTargets *t, Buf *out);
/** port_rules_drop() - take it away, be it there or not
 * @with_link: also what is about the link, which other machines may be behind as well
 * Return: 0 or -ENOMEM. */
int port_rules_drop(const PortTargets *t, bool with_link, Buf *out);
/** port_rules_clear() - the whole table, be it there or not. Return: 0 or -ENOMEM. */
int port_rules_clear(Buf *out);
/** port_rules_can_name() - whether a text in the filter's language can have this interface's name in it */
bool port_rules_can_name(const char *link);
