/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The room that there is where something is going to be, and whether that is enough: told before anything is
 * written, with both figures and the mount. Nothing is reserved. */
#pragma once

#include "base/error.h"

#define ROOM_UNKNOWN UINT64_MAX

typedef struct Room {
        uint64_t free;   /* bytes; ROOM_UNKNOWN */
        bool packs;      /* what is written there may take less than it is long */
        bool shares;     /* files may have data in common */
        char place[200]; /* the mount and its file system, for people: "/var (ext4)" */
} Room;

/** room_look() - how much is free where @fd is
 * @path: what to call it when its mount is not to be found; borrowed */
void room_look(int fd, const char *path, Room *ret);
/** room_check() - whether so many bytes will fit, as far as one knows
 * @need: an estimate; 0 = nobody knows
 * Return: 0; -ENOSPC. */
int room_check(const Room *room, uint64_t need, Error *e);
