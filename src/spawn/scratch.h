/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Throw-away directories of a machine on disk: empty sources of binds, upper layers that nobody named,
 * work directories of overlays. They stay over reboots of the payload and go with its supervisor; those of
 * one that was killed go at the next start of any machine. */
#pragma once

#include "spawn/mount-plan.h"

/* In the machine's folder: where the upper layer of an ephemeral machine's root is. */
#define SCRATCH_ROOT "root"

/* A directory under a temporary name, locked. */
typedef struct Scratch {
        size_t item;   /* of the mount plan; SIZE_MAX = the folder in /var/lib/skep/scratch */
        int parent_fd; /* where it lies */
        char *name;    /* in there */
        int fd;
} Scratch;

/** scratch_wants() - whether the machine needs any */
bool scratch_wants(const Spec *spec);
/** scratch_apply() - PHASE_HOST, once: make them
 * In the machine's folder each mount has a directory named after its number in the plan: the source of
 * a bind itself; an overlay has its upper layer in it.
 * Return: 0 or -errno. */
int scratch_apply(const Spec *spec, const MountPlan *plan, Run *run, Error *e);
/** scratch_revert() - remove them */
void scratch_revert(Run *run);
/** scratch_find() - the directory made for an item, or for SIZE_MAX; NULL = none */
const Scratch *scratch_find(const Run *run, size_t item);
