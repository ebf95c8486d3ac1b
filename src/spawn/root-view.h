/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The view of its image that a machine gets as its root: the image itself, an overlay on it, or a root in
 * memory that has only /usr from it. */
#pragma once

#include "spawn/run.h"

/** root_view_prepare() - PHASE_HOST, once: make the tmpfs that an upper layer in memory is in
 * It lives until the machine is gone for good, so that what the payload wrote survives its reboots: detached,
 * or, where the kernel can make no copies of such a mount, over run->runtime in a mount namespace that nobody
 * else sees. Fills run->memory_fd or run->ephemeral_fd. Return: 0 or -errno. */
int root_view_prepare(Run *run, Error *e);

/** root_view_enter() - PHASE_BUILD: go into that mount namespace
 * Return: 0 or -errno. */
int root_view_enter(Run *run, Error *e);

/** root_view_open_upper() - PHASE_HOST: a detached copy of the directory that holds a kept upper layer
 * Fills run->upper_fd unless there is that mount namespace. Return: 0 or -errno. */
int root_view_open_upper(Run *run, Error *e);

/** root_view_check() - whether a tree can be seen in the way that is asked for
 * @root_fd: the tree
 * Return: 0 or -EINVAL. */
int root_view_check(const Spec *spec, int root_fd, Error *e);

/** root_view_apply() - PHASE_BUILD: make the view and attach it on run->runtime
 * @run: root_fd is the image's tree, detached, read-only or mapped as needed; afterwards it is the view
 * Return: 0 or -errno. */
int root_view_apply(const Spec *spec, Run *run, Error *e);
