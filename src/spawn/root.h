/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The root of a machine: a detached copy of its directory, dressed (read-only, idmapped, overlaid),
 * attached, and at last made "/". */
#pragma once

#include "spawn/id-plan.h"
#include "spawn/run.h"

/** root_open() - PHASE_HOST: take a detached copy of the mounts at the machine's directory
 * Or those at the directory of it that --pivot-root= says. Fills run->root_fd and run->old_root_fd. Return: 0 or -errno. */
int root_open(const Spec *spec, Run *run, Error *e);

/** root_use_image() - PHASE_HOST: the same for a disk image, whose root is mounted detached as run->root_fd
 * @usr_fd: what will be mounted on /usr; -EBADF = nothing
 * Return: 0 or -errno. */
int root_use_image(const Spec *spec, Run *run, int usr_fd, Error *e);

/** root_isolate() - PHASE_BUILD: cut this mount namespace off from the host's propagation
 * A machine with an upper layer in memory enters the namespace of that.
 * Return: 0 or -errno. */
int root_isolate(Run *run, Error *e);

/** root_make_base() - PHASE_BUILD: mount points that run->root_fd may lack, made as root of the machine
 * Nothing is done where it cannot be written to. Return: 0 or -errno. */
int root_make_base(Run *run, Error *e);

/** root_attach() - PHASE_BUILD: missing base directories, ID map, read-only; then attach the view of it
 * (root-view.h) on run->runtime as this namespace sees it, where it lies ready for root_pivot()
 * Return: 0 or -errno. */
int root_attach(const Spec *spec, const IdPlan *ids, Run *run, Error *e);

/** root_pin_api() - PHASE_BUILD with a user namespace: whole proc and sysfs over those of the host,
 * without which the kernel lets no new user namespace mount its own. They go with the old root. */
int root_pin_api(Run *run, Error *e);

/** root_adopt() - PHASE_INNER with a user namespace: PID 1 gets the mount namespace for its own
 * What was mounted before is locked to it; the root itself is copied once more, for a locked mount
 * cannot become "/".
 * Return: 0 or -errno. */
int root_adopt(Run *run, Error *e);

/** root_pivot() - PHASE_INNER: the root becomes "/", everything of the host goes
 * Return: 0 or -errno. */
int root_pivot(const Spec *spec, Run *run, Error *e);
