/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Overlays: stacks of directories that look like one. For the root of a machine and for what --overlay=
 * asks for. Layers of the host are mapped to the machine's IDs one by one, for an overlay as a whole
 * cannot be. */
#pragma once

#include "spawn/mount-plan.h"

/** overlay_new() - a detached mount of an overlay
 * Goes to another working directory.
 * @lowers:  what they are is attached somewhere in this mount namespace; lowest first
 * @upper, @work: directories of one mount; -EBADF = read-only, then there are two lowers or more
 * Return: the mount, or -errno with the kernel's own words in @e. */
int overlay_new(const int *lowers, size_t n, int upper, int work, uint64_t attributes, Error *e);

/** overlay_new_as_owner() - the same, acting as root of the machine if the upper layer is the machine's
 * The kernel acts as we do now whenever it writes to that, and a mapped one takes nothing from the host's root. */
int overlay_new_as_owner(const int *lowers, size_t n, int upper, int work, uint64_t attributes,
                         Run *run, Error *e);

/** overlay_open_upper() - open upper and work directory of an overlay in a folder of its own, and make them at
 * first; the upper layer then has owner and mode of what it covers
 * @dir_fd:  the folder
 * @top_fd:  the topmost of the lower layers
 * Return: 0 or -errno. */
int overlay_open_upper(int dir_fd, int top_fd, int *ret_upper, int *ret_work, Error *e);

/** overlay_map_layer() - map a detached layer to the machine's IDs
 * One that is owned by an ID of the machine already is taken as it is.
 * Return: 0 or -errno. */
int overlay_map_layer(int fd, const char *name, const Run *run, Error *e);

/** overlay_open_source() - PHASE_HOST: a detached copy of what an item needs of the host
 * @item: a layer or an overlay
 * Return: 0 and the mount, or -EBADF when it needs nothing; -errno. */
int overlay_open_source(const MountPlan *plan, size_t item, const Run *run, int *ret, Error *e);

/** overlay_mount() - PHASE_BUILD: make the overlay of an item out of the layers before it
 * Return: the detached mount or -errno. */
int overlay_mount(const MountPlan *plan, size_t item, Run *run, Error *e);
