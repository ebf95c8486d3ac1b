/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts that a running machine gets, and loses again, while it runs. For workers: all of this goes into
 * the machine's mounts, which belong to somebody who may change them at any moment and in bad faith. */
#pragma once

#include "machined/bind-record.h"
#include "machined/enter.h"

typedef struct BindRequest {
        Target target;
        uint64_t started; /* when the leader was, see BindRecord */
        const char *source;
        const char *destination;
        bool read_only;
        bool mkdir;
} BindRequest;

/** bind_mount() - show a file or folder of the host in the machine
 * Where users are the machine's own, it is shown with their numbers, without setuid, and what is
 * read-only cannot be made writable from inside. What was bound to the same place before is replaced;
 * anything else that is mounted there is covered.
 * Return: 0; -EOPNOTSUPP the file system cannot be shown so; -errno. */
int bind_mount(const BindRequest *request, Error *e);
/** bind_unmount() - take away again what bind_mount() has put at @request->destination
 * What the machine has open of it, or has mounted elsewhere itself, it keeps.
 * Return: 0; -ENOENT nothing of ours is there; -EBUSY something is mounted over it; -errno. */
int bind_unmount(const BindRequest *request, Error *e);
/** bind_list() - what is mounted that way now. Return: 0 or -errno. */
int bind_list(const BindRequest *request, BindRecords *ret, Error *e);
