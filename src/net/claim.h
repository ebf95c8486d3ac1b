/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine gets of what it asks for: addresses that are picked, gateways that go without saying, and
 * whether any of it is in somebody's way. Pure; what the host has is given. */
#pragma once

#include "net/address.h"
#include "net/member.h"
#include "net/route.h"

typedef enum ClaimKind {
        CLAIM_OURS,   /* the host's end is there for the machine alone, or for those of its zone */
        CLAIM_BRIDGE, /* a port of a bridge that somebody else looks after */
        CLAIM_OTHER,  /* what is at the other end is not ours to know */
        _CLAIM_KIND_MAX,
        _CLAIM_KIND_INVALID = -EINVAL,
} ClaimKind;

/* A link of the machine. */
typedef struct ClaimEnd {
        ClaimKind kind;
        char inside[IFNAMSIZ];
        char host[IFNAMSIZ]; /* where the host's address is: its end, or the bridge; "" = nowhere */
        int index;           /* of that; 0 = it is not there yet */
        bool shared;         /* with others, who have the same subnet */
} ClaimEnd;

typedef struct ClaimFacts {
        const AddressList *wanted;
        const ClaimEnd *ends;
        size_t n_ends;
        const MemberList *members;
        const RouteList *routes;
        Id128 host_id;
        bool has_ipv6;
} ClaimFacts;

/** claim_make() - @ret's addresses, one after the other as they were asked for
 * @ret: name and segment are set
 * Return: 0; -EADDRINUSE with the other party in @e; -EINVAL what is asked for makes no sense with these
 * links; -ENOSPC; -ENOMEM. */
int claim_make(const ClaimFacts *facts, Member *ret, Error *e);
/** claim_end() - the link that a value is about. Return: NULL with @e set. */
const ClaimEnd *claim_end(const ClaimFacts *facts, const Address *a, Error *e);
