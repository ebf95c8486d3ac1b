/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which IDs of the host stand for those of the machine, and whether its files need mapping. */
#pragma once

#include "spawn/run.h"

typedef struct IdPlan {
        bool private; /* a user namespace is made */
        uid_t base;   /* host's ID of root inside */
        uint32_t range;
        bool idmapped; /* 0 on disk is shown as root inside */
} IdPlan;

/* One file for each range that is in use, locked by who uses it. */
#define ID_PLAN_LOCK_DIR "/run/systemd/nspawn-uid"

/* Ranges that may be picked; the lower 16 bits of a base are 0. */
#define ID_PICK_MIN 0x00080000U
#define ID_PICK_MAX 0x6FFF0000U

/** id_plan_candidate() - the @n-th base to try for a machine name; same name, same ranges */
uid_t id_plan_candidate(const char *machine, unsigned n);

/** id_plan_base_is_good() - whether a base may be picked */
bool id_plan_base_is_good(uid_t base);

/** id_plan_make() - the plan, once the base is known
 * @owner:  who owns the root directory on disk
 * @base:   for PICK: the range that was locked; else ignored
 * Return: 0; -EINVAL when owner and settings do not go together. */
int id_plan_make(const Spec *spec, uid_t owner_uid, gid_t owner_gid, uid_t base, IdPlan *ret,
                 Error *e);

/** id_plan_apply() - PHASE_HOST, once: look at the root, lock a range if one is to be picked, plan
 * Fills run->uid_base, run->uid_range and the lock. Return: 0 or -errno. */
int id_plan_apply(const Spec *spec, Run *run, IdPlan *ret, Error *e);
/** id_plan_release() - let go of the range */
void id_plan_release(Run *run);
