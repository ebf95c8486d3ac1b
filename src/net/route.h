/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses of interfaces, and routes. All by a netlink socket, which says whose namespace is meant.
 * Messages name the cause; what it was about, the caller knows. */
#pragma once

#include "net/ip.h"
#include "net/netlink.h"

/* A route of the main table to others: no local, broadcast or unreachable ones. */
typedef struct Route {
        IpPrefix destination; /* length 0 = default */
        Ip gateway;           /* AF_UNSPEC = on the link */
        int link;             /* 0 = several */
} Route;

/* An address of an interface. */
typedef struct RouteAddress {
        IpPrefix prefix;
        int link;
        bool is_global; /* not of the link or the host alone */
} RouteAddress;

typedef struct RouteList {
        Route *routes;
        size_t n_routes;
        RouteAddress *addresses;
        size_t n_addresses;
} RouteList;

/** route_list_read() - the addresses and routes of both families. Return: 0 or -errno. */
int route_list_read(int sock, RouteList *ret, Error *e);
void route_list_done(RouteList *l);

/** route_watch() - have a socket be readable when an address of an interface is removed
 * @sock: netlink socket that is used for nothing else
 * Return: 0 or -errno. */
int route_watch(int sock, int link);
/** route_watch_drain() - read what there is; that it was readable is all there is to know */
void route_watch_drain(int sock);

/** route_add_address() - give an interface an address, which can be used at once
 * Return: 0; -EEXIST it has it; -errno. */
int route_add_address(int sock, int link, const IpPrefix *p, Error *e);
/** route_remove_address() - Return: 0, also if it is gone already; -errno. */
int route_remove_address(int sock, int link, const IpPrefix *p, Error *e);
/** route_add() - add a route to the main table
 * Return: 0; -EEXIST there is one; -errno. */
int route_add(int sock, const Route *route, Error *e);
/** route_remove() - Return: 0, also if it is gone already; -errno. */
int route_remove(int sock, const Route *route, Error *e);
