/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces of a machine, as its own network namespace has them, and which of them lead out of it:
 * to the host, or further. Those that a machine makes for itself (bridges of containers in it, tunnels) are
 * neither where it is reached nor what it sends. */
#pragma once

#include "base/error.h"

typedef struct GuestLink {
        int index;
        int link;   /* the other end, or what it is on; 0 = none */
        int master; /* what it is a port of; 0 = nothing */
        bool is_loopback;
        bool is_bridge;
        bool is_plain;     /* of no kind that is made: hardware */
        bool link_is_away; /* @link is a number of another namespace */
        bool leads_out;    /* guest_links_mark() has found */
        bool is_uplink;    /* it does so itself, not by way of another */
        uint64_t received_bytes, received_packets, sent_bytes, sent_packets;
} GuestLink;

typedef struct GuestLinks {
        GuestLink *v;
        size_t n;
} GuestLinks;

void guest_links_done(GuestLinks *l);
/** guest_link_pairs() - in the host's namespace: numbers that the other ends of its interfaces have
 * @netifs, @n: interfaces of the host
 * @ret:        as many; 0 = it has no other end in another namespace */
void guest_link_pairs(const int *netifs, size_t n, int *ret);
/** guest_links_read() - the interfaces of the namespace that we are in. Return: 0 or -errno. */
int guest_links_read(GuestLinks *ret);
/** guest_links_mark() - find out which lead out: those that the host has the other end of; without any
 * such, those whose other end is elsewhere, and hardware. And what is made on top of them. Pure.
 * @pairs: as guest_link_pairs() gave them, @netifs those of the host */
void guest_links_mark(GuestLinks *l, const int *pairs, const int *netifs, size_t n);
/** guest_links_find() - Return: NULL = unknown. */
const GuestLink *guest_links_find(const GuestLinks *l, int index);
