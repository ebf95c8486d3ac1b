/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The control group of a machine: where it is, making it, handing it over, removing it. Only cgroup2
 * is offered or touched. */
#pragma once

#include "spawn/run.h"

/** cgroup_place_apply() - PHASE_HOST, once: make the group that PID 1 will be started in
 *
 * Under --keep-unit that is UNIT/payload, and we move to UNIT/supervisor; in a scope SCOPE/payload; what the
 * Spec says; else CALLER/skep-NAME. Controllers that the kernel has are handed down as far as it goes.
 * Without a cgroup2 mount nothing is made and run->cgroup_fd stays invalid.
 *
 * @run:      run->cgroup is the scope's path if there is a scope, else NULL
 * @missing:  names of controllers that could not be handed down, separated by spaces; may be empty
 * Return: 0 or -errno. */
int cgroup_place_apply(const Spec *spec, Run *run, Buf *missing, Error *e);

/** cgroup_place_hand_down() - let those below a group have the controllers that it has
 * @missing: names of those that do not go, added; may be NULL
 * Return: 0 or -ENOMEM. */
int cgroup_place_hand_down(int fd, Buf *missing);

/** cgroup_place_revert() - kill what is left in the group, remove it and all below; never fails */
void cgroup_place_revert(Run *run);

/** cgroup_place_remove() - the same for a group known by its path, for sweeping
 * @path: below the cgroup2 mount, "/…" */
void cgroup_place_remove(const char *path);

/** cgroup_place_format() - where the group would be, for --dry-run. Return: 0 or -errno. */
int cgroup_place_format(const Spec *spec, Buf *out);
