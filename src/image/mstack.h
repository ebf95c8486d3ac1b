/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks: directories called NAME.mstack that say by the names in them what a tree is put together of.
 *
 *   layer@ID    a lower layer of an overlay, ordered by version of ID, the highest on top
 *   rw          its upper layer, in "data" and "work"
 *   root        the root itself; only /usr of the overlay is seen then
 *   bind@PLACE  something else seen at a place, which is written as units write paths
 *   robind@PLACE
 *
 * Each is a directory, a disk image with ".raw" after its name, or a symlink to one of these. All but "rw" may also be
 * folders of versions of these, see versions.h: "layer@1.raw.v" with "layer@1_7.raw" in it. */
#pragma once

#include "base/text.h"

#define MSTACK_SUFFIX ".mstack"

/* In the order in which a stack is put together. */
typedef enum MstackType {
        MSTACK_LAYER,
        MSTACK_RW,
        MSTACK_ROOT,
        MSTACK_BIND,
        MSTACK_ROBIND,
        _MSTACK_TYPE_MAX,
        _MSTACK_TYPE_INVALID = -EINVAL,
} MstackType;

typedef struct MstackEntry {
        MstackType type;
        bool is_disk;
        char *name;  /* of the entry; of a folder of versions, "FOLDER/VERSION" */
        char *id;    /* of a layer */
        char *place; /* of a bind: absolute and clean */
} MstackEntry;

typedef struct Mstack {
        size_t n;
        MstackEntry *entries; /* by type, then by version of the ID, or by place */
} Mstack;

/** mstack_done() - free it */
void mstack_done(Mstack *m);
/** mstack_add() - understand one more entry
 * @name:     of the entry, as MstackEntry has it
 * @is_disk:  it is a file or block device
 * Return: 0; -EINVAL it is none; -ENOTUNIQ there is one like it already; -ENOMEM. */
int mstack_add(Mstack *m, const char *name, bool is_disk, Error *e);
/** mstack_sort() - put the entries in order, when all are there */
void mstack_sort(Mstack *m);
/** mstack_read() - read the directory of a stack
 * Anything in it that is no entry is an error, but for names that begin with a dot.
 * Return: 0; -EINVAL also if there is nothing in it; -errno. */
int mstack_read(int dir_fd, Mstack *ret, Error *e);
/** mstack_is_writable() - whether there is something in a stack that a machine could write to */
bool mstack_is_writable(int dir_fd);
/** mstack_find() - the entry of a type (for binds: at a place, else NULL); NULL = none */
const MstackEntry *mstack_find(const Mstack *m, MstackType type, const char *place);
/** mstack_format() - one entry a line. Return: 0 or -ENOMEM. */
int mstack_format(const Mstack *m, Buf *out);
