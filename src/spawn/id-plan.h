/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which IDs of the host stand for those of the machine, and how its files come to belong to them. */
#pragma once

#include "spawn/run.h"

typedef struct IdPlan {
        bool private; /* a user namespace is made */
        IdRanges map;
        IdRanges groups; /* the same of groups, mostly equal */
        uid_t base;      /* host's ID of root inside */

        /* At most one of idmapped and chown; neither: files are as they are. */
        bool idmapped;
        uid_t from; /* idmapped: ID on the disk that is shown as root inside, its range after it */
        bool chown; /* owners on the disk are changed */
        bool or_chown; /* idmapped: they are if the file system cannot map */
} IdPlan;

/* Ranges that may be picked; the lower 16 bits of a base are 0. */
#define ID_PICK_MIN 0x00080000U
#define ID_PICK_MAX 0x6FFF0000U

/* Images that belong to nobody on this host. */
#define ID_FOREIGN_BASE 0x7FFE0000U
/* The root directory of an image belongs to this range while its files are given to another one. */
#define ID_INTERRUPTED_BASE 0xFFFE0000U

/** id_plan_candidate() - the @n-th base to try for a machine name; same name, same ranges */
uid_t id_plan_candidate(const char *machine, unsigned n);

/** id_plan_base_is_good() - whether a base may be picked */
bool id_plan_base_is_good(uid_t base);

/** id_plan_disk_base() - the range that an owner is in, as images have them: 0 if it is none of that kind */
uid_t id_plan_disk_base(uid_t uid, gid_t gid);

/** id_plan_make() - the plan, once the base is known
 * @owner:  who owns the root directory on disk
 * @base:   for PICK: the range that was locked; else ignored
 * Return: 0; -EINVAL when owner and settings do not go together. */
int id_plan_make(const Spec *spec, uid_t owner_uid, gid_t owner_gid, uid_t base, IdPlan *ret,
                 Error *e);

/** id_plan_apply() - PHASE_HOST, once: look at the root, lock ranges, plan
 * Fills run->uid_base, run->ids and the locks. Return: 0 or -errno. */
int id_plan_apply(const Spec *spec, Run *run, IdPlan *ret, Error *e);
/** id_plan_release() - let go of the ranges */
void id_plan_release(Run *run);

/** id_plan_shown() - how an ID of the image's disk is seen on the host through its root mount */
uid_t id_plan_shown(const IdPlan *p, uid_t id);
