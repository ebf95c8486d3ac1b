/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the host passes packets on: switched on for those who need it, and back off when nobody does any
 * more. What was changed is written down first. The caller holds the lock of member.h. */
#pragma once

#include "net/member.h"

/* What the kernel says about one interface. */
typedef struct ForwardingLink {
        char name[IFNAMSIZ];
        bool forwards4;
        int forwards6; /* of this interface alone: 1, 0; -1 = this kernel only knows all of them */
        int accept_ra; /* 1 = only as long as it is no router */
} ForwardingLink;

typedef struct ForwardingFacts {
        bool all4, all6;
        ForwardingLink *v;
        size_t n;
} ForwardingFacts;

/* One file below /proc/sys/net to be changed. */
typedef struct ForwardingChange {
        char path[64];
        int from, to;
} ForwardingChange;

typedef struct ForwardingPlan {
        ForwardingChange *v;
        size_t n;
} ForwardingPlan;

/** forwarding_plan() - what has to be changed
 * Interfaces are let pass on what arrives there, one by one. Before Linux 6.17 IPv6 can only do so for
 * all of them, which makes the host a router, and one that believes no router advertisements: those that
 * did are told to go on.
 * @v4, @v6: what is wanted
 * Return: 0 or -ENOMEM. */
int forwarding_plan(const ForwardingFacts *facts, bool v4, bool v6, ForwardingPlan *ret);
void forwarding_plan_done(ForwardingPlan *p);

/** forwarding_enable() - see what there is, write down what is changed, change it
 * Return: 0 or -errno. */
int forwarding_enable(int lock_fd, bool v4, bool v6, Error *e);
/** forwarding_restore() - undo all of it; what is gone, or was changed since, stays as it is; all of IPv4 where
 * somebody made the host a router since */
void forwarding_restore(int lock_fd);
/** forwarding_opened() - the interfaces that pass packets on because we said so, appended
 * Return: 0 or -errno. */
int forwarding_opened(int lock_fd, char ***names);
