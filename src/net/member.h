/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machines that we gave an address, as one record each in a folder of the host, so that those who start see
 * what is taken, what is to be translated, and whose names there are. Whoever reads or changes them holds
 * the folder's lock. */
#pragma once

#include <net/if.h>

#include "base/text.h"
#include "net/allocation.h"
#include "net/maker.h"

#define MEMBER_NAME_MAX 65 /* of a machine, with NUL */

/* One address of a machine. */
typedef struct MemberAddress {
        IpPrefix address;
        IpPrefix host; /* what we gave the host's end; AF_UNSPEC = nothing */
        Ip gateway;    /* that the machine has; AF_UNSPEC = none */
        char link
                [IFNAMSIZ]; /* the host's end, or the bridge that it is a port of; "-" = neither is there */
        char inside[IFNAMSIZ];
        bool nat;
        bool picked;
} MemberAddress;

typedef struct Member {
        char name[MEMBER_NAME_MAX];
        char maker[MAKER_MAX];          /* the process that it belongs to */
        char segment[IFNAMSIZ + 8];     /* bridge that it shares with others; "" = none */
        char hostname[MEMBER_NAME_MAX]; /* "" = its name */
        size_t hosts_head; /* where our lines in its hosts file begin; 0 = it has none */
        MemberAddress *v;
        size_t n;
} Member;

typedef struct MemberList {
        Member *v;
        size_t n;
} MemberList;

/** member_add() - append an address. Return: 0 or -ENOMEM. */
int member_add(Member *m, const MemberAddress *a);
void member_done(Member *m);
void member_list_done(MemberList *l);
/** member_list_find() - by name; NULL = there is none */
Member *member_list_find(const MemberList *l, const char *name);

/** member_format() - the text of a record. Return: 0 or -ENOMEM. */
int member_format(const Member *m, Buf *out);
/** member_parse() - read it. Return: 0; -EINVAL; -ENOMEM. */
int member_parse(const char *name, char *text, Member *ret);

/** member_lock() - open and lock the folder of records; it is made if it is missing
 * Return: a descriptor, closing which unlocks; -errno. */
int member_lock(Error *e);
/** member_read_all() - all of them; what is no record is passed over. Return: 0 or -errno. */
int member_read_all(int lock_fd, MemberList *ret, Error *e);
/** member_write() - in the place of what there was of it. Return: 0 or -errno. */
int member_write(int lock_fd, const Member *m, Error *e);
/** member_remove() - the record; it may be gone already */
void member_remove(int lock_fd, const char *name);
