/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files between the host and a running machine. One of the two sides belongs to somebody who may change it
 * at any moment and in bad faith; every step is relative to a descriptor and follows no symlink. */
#pragma once

#include "base/proc.h"

typedef struct Transfer {
        bool replace;         /* existing files are replaced, not an error */
        bool to_machine;      /* else from it */
        bool drop_privileges; /* setuid and setgid bits do not come along */
        const IdMap *uids;    /* of the machine; its IDs inside are those that stay the same */
        const IdMap *gids;
} Transfer;

/** transfer_copy() - copy one entry of a directory, and all below it
 * With holes, access lists and attributes of users. Directories that exist are merged into. Regular files, directories, symlinks and FIFOs are copied;
 * sockets are passed over; devices are refused. Owners that have no counterpart become root.
 * @from_dir, @from: what to copy; a symlink is copied as such
 * @to_dir, @to:     where to; @to is one component
 * Return: 0; -EEXIST; -errno, the message naming the path. */
int transfer_copy(const Transfer *t, int from_dir, const char *from, int to_dir, const char *to,
                  Error *e);
/** transfer_size() - how many bytes a copy of that will write, about
 * Return: UINT64_MAX if it is too much to count. */
uint64_t transfer_size(int from_dir, const char *from);
/** transfer_id() - number of an owner on the receiving side. Pure. */
uint32_t transfer_id(const Transfer *t, const IdMap *map, uint32_t id);
