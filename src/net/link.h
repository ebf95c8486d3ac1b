/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces: look at them, make, change and remove them. All by a netlink socket, which says
 * whose namespace is meant. Messages name the cause; which interface it was, the caller knows. */
#pragma once

#include <net/if.h>

#include "net/netlink.h"

#define LINK_ALTNAME_MAX  128 /* with NUL */
#define LINK_ALIAS_MAX    256
#define LINK_KIND_MAX     16
#define LINK_MAC_SIZE     6
#define LINK_MAC_TEXT_MAX 18 /* with NUL */

/* What there is to know of one. A plain value. */
typedef struct Link {
        int index;
        int master; /* interface that it is a port of; 0 = none */
        unsigned flags;
        char name[IFNAMSIZ];
        char alias[LINK_ALIAS_MAX];
        char kind[LINK_KIND_MAX]; /* "" = none is said, mostly hardware */
        uint8_t mac[LINK_MAC_SIZE];
        bool has_mac; /* an address like those of Ethernet */
        uint32_t mtu;
        uint8_t built_in
                [LINK_MAC_SIZE]; /* address that hardware has; zeros = it is none that has one */
} Link;

/* One end of what is to be made. */
typedef struct LinkEnd {
        const char *name;   /* NULL = the kernel finds one */
        const uint8_t *mac; /* NULL = it chooses one */
        int netns_fd;       /* where it is to be; -EBADF = where the socket is */
} LinkEnd;

typedef struct LinkRequest {
        const char *kind; /* "veth", "bridge", "macvlan", "ipvlan" */
        LinkEnd end;
        LinkEnd peer;      /* of a veth */
        const char *alias; /* NULL = none */
        int below;         /* index of what it is made on; 0 = nothing */
        int master;        /* index of a bridge that it becomes a port of; 0 = none */
        bool up;
        bool dormant; /* counts as without a carrier until the kernel has looked, which may be a second later */
} LinkRequest;

/** link_name_is_valid() - whether the kernel, and people, can tell it from numbers and patterns
 * @max: IFNAMSIZ, or LINK_ALTNAME_MAX for a further name */
bool link_name_is_valid(const char *name, size_t max);

/** link_find() - look for an interface by its name, or by one of its further names
 * Return: 0; -ENODEV; -errno. */
int link_find(int sock, const char *name, Link *ret);
/** link_get() - look for an interface by its number. Return: 0; -ENODEV; -errno. */
int link_get(int sock, int index, Link *ret);
/** link_altnames() - further names of an interface, appended. Return: 0; -ENODEV; -errno. */
int link_altnames(int sock, int index, char ***names);
/** link_find_hardware() - look for the interface that is a piece of hardware
 * @mac:  its address as it was built
 * Return: 0; -ENODEV; -errno. */
int link_find_hardware(int sock, const uint8_t mac[static LINK_MAC_SIZE], Link *ret);
/** link_ports() - the interfaces that an interface is the master of
 * @ret:  new array
 * Return: 0; -errno. */
int link_ports(int sock, int index, Link **ret, size_t *ret_n);

/** link_create() - make one
 * Return: 0; -EEXIST the name is taken; -errno, all with the kernel's words. */
int link_create(int sock, const LinkRequest *l, Error *e);
/** link_remove() - remove one, with its peer. Return: 0, also if it is gone already; -errno. */
int link_remove(int sock, int index, Error *e);
/** link_set() - change what is not NULL, and bring the interface up
 * Return: 0; -errno. */
int link_set(int sock, int index, const char *name, const char *alias, bool up, Error *e);
/** link_set_master() - make an interface a port of a bridge
 * @master: index of the bridge; 0 = none
 * Return: 0; -EINVAL there is no such bridge; -errno. */
int link_set_master(int sock, int index, int master, Error *e);
/** link_add_altname() - give it a further name. Return: 0; -EEXIST; -errno. */
int link_add_altname(int sock, int index, const char *name, Error *e);
/** link_remove_altname() - take one away. Return: 0; -errno. */
int link_remove_altname(int sock, int index, const char *name, Error *e);
/** link_restore() - bring an interface down, and give it alias, address, MTU and flags as another had them
 * As far as that can be done. Return: 0; -errno of what could not. */
int link_restore(int sock, int index, const Link *as);
/** link_mac_parse() - six pairs of hexadecimal digits with colons between them. Return: 0 or -EINVAL. */
int link_mac_parse(const char *text, uint8_t ret[static LINK_MAC_SIZE]);
/** link_mac_format() - Return: @ret. */
char *link_mac_format(const uint8_t mac[static LINK_MAC_SIZE], char ret[static LINK_MAC_TEXT_MAX]);
/** link_move() - into another namespace, where it is called @name, or with a '%d' in that the first such
 * name that is free
 * Return: 0; -EEXIST the name is taken there; -EINVAL it is of a kind that cannot be moved; -errno. */
int link_move(int sock, int index, int netns_fd, const char *name, Error *e);
