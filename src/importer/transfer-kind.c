/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of kinds, see transfer-kind.h. */
#include "importer/transfer-kind.h"

#include "base/text.h"

static const struct {
        const char *name;
        TransferWay way;
} kinds[_TRANSFER_KIND_MAX] = {
        [TRANSFER_IMPORT_TAR] = { "import-tar", TRANSFER_WAY_IMPORT },
        [TRANSFER_IMPORT_RAW] = { "import-raw", TRANSFER_WAY_IMPORT },
        [TRANSFER_IMPORT_FS] = { "import-fs", TRANSFER_WAY_IMPORT },
        [TRANSFER_EXPORT_TAR] = { "export-tar", TRANSFER_WAY_EXPORT },
        [TRANSFER_EXPORT_RAW] = { "export-raw", TRANSFER_WAY_EXPORT },
        [TRANSFER_PULL_TAR] = { "pull-tar", TRANSFER_WAY_PULL },
        [TRANSFER_PULL_RAW] = { "pull-raw", TRANSFER_WAY_PULL },
};

static const struct {
        const char *action;
        TransferFlags flags;
} ways[_TRANSFER_WAY_MAX] = {
        [TRANSFER_WAY_IMPORT] = { "org.freedesktop.import1.import",
                                  TRANSFER_FORCE | TRANSFER_READ_ONLY },
        [TRANSFER_WAY_EXPORT] = { "org.freedesktop.import1.export", 0 },
        [TRANSFER_WAY_PULL] = { "org.freedesktop.import1.pull",
                                TRANSFER_FORCE | TRANSFER_READ_ONLY | TRANSFER_KEEP_DOWNLOAD },
};

const char *transfer_kind_name(TransferKind k) {
        return kinds[k].name;
}

TransferKind transfer_kind_parse(const char *s) {
        for (int k = 0; k < _TRANSFER_KIND_MAX; k++)
                if (streq(kinds[k].name, s))
                        return (TransferKind) k;
        return _TRANSFER_KIND_INVALID;
}

TransferWay transfer_kind_way(TransferKind k) {
        return kinds[k].way;
}

TransferFlags transfer_kind_flags(TransferKind k) {
        return ways[kinds[k].way].flags;
}

const char *transfer_kind_action(TransferKind k) {
        return ways[kinds[k].way].action;
}

bool transfer_kind_makes_image(TransferKind k) {
        return kinds[k].way != TRANSFER_WAY_EXPORT;
}
