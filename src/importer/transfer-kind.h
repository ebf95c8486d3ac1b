/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of transfers as the daemon knows them: what they are called on the bus, what they need, and which
 * polkit action lets somebody start one. How each is done is the worker's business (kind-*.c). */
#pragma once

#include "base/macro.h"

typedef enum TransferKind {
        TRANSFER_IMPORT_TAR,
        TRANSFER_IMPORT_RAW,
        TRANSFER_IMPORT_FS,
        TRANSFER_EXPORT_TAR,
        TRANSFER_EXPORT_RAW,
        TRANSFER_PULL_TAR,
        TRANSFER_PULL_RAW,
        _TRANSFER_KIND_MAX,
        _TRANSFER_KIND_INVALID = -EINVAL,
} TransferKind;

/* Bits as on the bus. */
typedef enum TransferFlags {
        TRANSFER_FORCE = 1 << 0,         /* replace an image of the same name */
        TRANSFER_READ_ONLY = 1 << 1,     /* the image is marked so */
        TRANSFER_KEEP_DOWNLOAD = 1 << 2, /* what came over the network stays beside the image */
} TransferFlags;

/* Which way it goes. */
typedef enum TransferWay {
        TRANSFER_WAY_IMPORT, /* from a descriptor */
        TRANSFER_WAY_EXPORT, /* to a descriptor */
        TRANSFER_WAY_PULL,   /* from a URL */
        _TRANSFER_WAY_MAX,
} TransferWay;

/** transfer_kind_name() - "import-tar" and the like: the type on the bus, and the worker's verb */
const char *transfer_kind_name(TransferKind k);
/** transfer_kind_parse() - the opposite. Return: the kind or _TRANSFER_KIND_INVALID. */
TransferKind transfer_kind_parse(const char *s);
/** transfer_kind_way() - what it needs */
TransferWay transfer_kind_way(TransferKind k);
/** transfer_kind_flags() - those that mean something to it */
TransferFlags transfer_kind_flags(TransferKind k);
/** transfer_kind_action() - the polkit action that is for starting one */
const char *transfer_kind_action(TransferKind k);
/** transfer_kind_makes_image() - whether there is an image of that name afterwards that was not there before */
bool transfer_kind_makes_image(TransferKind k);
