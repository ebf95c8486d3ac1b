/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks in the qcow2 format, versions 2 and 3: which bytes of the disk are where in the file. Refused: what needs
 * another file (backing files, external data), encryption, and what was not closed or was found to be damaged.
 * Snapshots in the file are passed over; reference counts are of use only to who writes. */
#pragma once

#include <stdatomic.h>

#include "base/error.h"

/* As many of the first bytes as qcow2_detect() wants to see. */
#define QCOW2_MAGIC_SIZE 4

typedef struct Qcow2 {
        int fd;             /* borrowed */
        uint64_t file_size; /* what is behind that is not there */
        uint64_t size;      /* of the disk */
        unsigned version;
        unsigned cluster_bits;
        unsigned l2_bits; /* entries of a table of the second level, as a power of two */
        bool has_parts;   /* entries have bits for 32 parts of their clusters */
        bool is_zstd;     /* how clusters are packed; else by raw deflate */
        uint64_t *l1;     /* one for each table of the second level: 0, or where it is */
        uint64_t n_l1;
} Qcow2;

typedef enum Qcow2PieceType {
        QCOW2_HOLE,   /* zeroes */
        QCOW2_DATA,   /* as it is */
        QCOW2_PACKED, /* one cluster, packed */
} Qcow2PieceType;

/* A stretch of the disk. */
typedef struct Qcow2Piece {
        Qcow2PieceType type;
        uint64_t at, n;  /* of the disk */
        uint64_t offset; /* in the file */
        size_t n_packed; /* bytes there, at most */
} Qcow2Piece;

/** qcow2_detect() - whether a file that begins with these bytes is of that format */
bool qcow2_detect(const void *data, size_t n);
/** qcow2_open() - read the header and the first level
 * @fd: seekable, borrowed
 * Return: 0; -EBADMSG = damaged; -EOPNOTSUPP = has what is refused; -errno. */
int qcow2_open(int fd, Qcow2 *ret, Error *e);
void qcow2_done(Qcow2 *q);
/** qcow2_find() - the pieces of a part of the disk, in order; those that follow one another on both sides are one
 * Any number of threads may.
 * @at:   a multiple of the cluster size
 * @end:  likewise, or the disk's
 * @take: gets them; what it returns below 0 ends this
 * Return: 0 or -errno. */
int qcow2_find(const Qcow2 *q, uint64_t at, uint64_t end,
               int (*take)(void *context, const Qcow2Piece *piece, Error *e), void *context,
               Error *e);

/* What comes of it, and how far it is. */
typedef struct Qcow2Progress {
        _Atomic uint64_t *done;    /* bytes of the disk gone over; may be NULL */
        _Atomic uint64_t *written; /* bytes that are no holes; may be NULL */
        uint64_t max_written;      /* no more than that; UINT64_MAX = any */
} Qcow2Progress;

/** qcow2_unpack() - write the disk to an empty file, on all processors; what can share data does
 * Return: 0; -EBADMSG; -EFBIG; -errno. */
int qcow2_unpack(const Qcow2 *q, int to, const Qcow2Progress *progress, Error *e);
