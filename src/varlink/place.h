/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a varlink service is found: one socket and its other names, below /run or what the user has for that. */
#pragma once

#include "base/error.h"

typedef struct VarlinkPlace {
        const char *path;
        const char *links[3]; /* symlinks to it */
} VarlinkPlace;

/** varlink_place_listen() - the listening socket: what systemd gave us, or else one that we make
 * @n_given:      what sd_listen_fds() said
 * @ret_is_ours:  whether we made it
 * Return: it, or -errno. */
int varlink_place_listen(const VarlinkPlace *place, int n_given, bool *ret_is_ours, Error *e);
/** varlink_place_next() - one more socket of that path that systemd gave us
 * Units of two names can have one each, and who connects may be at either.
 * @fd: the one before
 * Return: it, or -ENOENT. */
int varlink_place_next(const VarlinkPlace *place, int n_given, int fd);
/** varlink_place_remove() - take away what we made */
void varlink_place_remove(const VarlinkPlace *place);
