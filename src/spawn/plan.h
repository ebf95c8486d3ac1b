/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All plans of a machine together, and the facts about the host that they depend on. Making one asks
 * nothing of the kernel; the same Spec and facts always make the same plan. */
#pragma once

#include <sys/resource.h>

#include "spawn/id-plan.h"
#include "spawn/listen-fds.h"
#include "spawn/mount-plan.h"
#include "spawn/network-plan.h"
#include "spawn/node-plan.h"
#include "spawn/seccomp-plan.h"

typedef struct Facts {
        DeviceFacts devices;
        Id128 uuid;    /* that the payload sees */
        Id128 boot_id; /* null: each start gets one of its own, see run_plan_renew() */
        char **host;   /* container_host_…=… from the host's os-release */
        ListenFds listen;
        char **terminal; /* TERM=, COLORTERM=, NO_COLOR= as we have them */
        Id128 host_id; /* of a machine with interfaces: of the host's machine-id; null = it has none */
        int personality; /* that the image's init or shell asks for */
} Facts;

/* What a payload may, set by set, as a container's document says it. 1 << CAP_*. */
typedef struct PlanRights {
        bool exact; /* else bounding set and ambient capabilities say all */
        uint64_t bounding, effective, permitted, inheritable, ambient;
} PlanRights;

typedef struct Plan {
        IdPlan ids;
        NodePlan dev;
        NodePlan run;
        DeviceNodes devices; /* beside those of dev, as asked for */
        DeviceNodes bound;   /* that are bound into the machine */
        MountPlan mounts;
        NetworkPlan network;
        ListenFds listen;
        uint64_t capabilities; /* bounding set, 1 << CAP_* */
        PlanRights rights;
        SeccompProgram seccomp; /* n == 0: no filter */
        char **environment;     /* but for what depends on the user inside */
        int personality;        /* PERSONALITY_UNSET = leave it */
} Plan;

/** facts_read() - look at the host and the image
 * @run: root_fd is open
 * Return: 0 or -errno. */
int facts_read(const Spec *spec, const Run *run, Facts *ret, Error *e);
/** facts_done() - free it */
void facts_done(Facts *f);

/** plan_capabilities() - bounding set of a machine, 1 << CAP_* */
uint64_t plan_capabilities(const Spec *spec);
/** plan_make() - make all plans
 * @ids: planned before, as the others depend on it
 * Return: 0 or -errno. */
int plan_make(const Spec *spec, const Facts *facts, const IdPlan *ids, Plan *ret, Error *e);
/** plan_done() - free it */
void plan_done(Plan *p);

/** plan_format() - the whole plan as text, for --dry-run. Return: 0 or -ENOMEM. */
int plan_format(const Spec *spec, const Plan *p, Buf *out);
