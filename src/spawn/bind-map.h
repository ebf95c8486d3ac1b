/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ID maps of bind mounts: who the owners of a bound file or folder are inside a machine. */
#pragma once

#include "spawn/mount-plan.h"

/** bind_map_apply() - PHASE_BUILD: give a detached bind the map that its item asks for
 * @fd:         the bind, on which no map is yet
 * @target_fd:  its mount point, or the folder of it
 * @name:       in that folder; "" = the mount point is @target_fd
 * Return: 0 or -errno. */
int bind_map_apply(const MountItem *m, int fd, int target_fd, const char *name, const Run *run,
                   Error *e);

/** bind_map_note() - PHASE_HOST: tell of places where what a machine writes is root's on the host
 * There, a program that the machine makes setuid would be so for every user who can get at it; nobody can
 * below a folder that is closed to others, or where setuid counts for nothing.
 * @notes: one sentence a line is added
 * Return: 0 or -ENOMEM. */
int bind_map_note(const MountPlan *plan, const Run *run, Buf *notes);
/** bind_map_note_path() - the same for one path that is known to be such. Return: 0 or -ENOMEM. */
int bind_map_note_path(const char *path, Buf *notes);

/** bind_map_is_open() - whether every user of the host can reach a path and run what is setuid there */
bool bind_map_is_open(const char *path);
