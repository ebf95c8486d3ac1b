/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of the roles of partitions, and which belong together. Type UUIDs are whose business it is to
 * read partition tables. */
#include "image/designator.h"

static const char *const names[_PARTITION_DESIGNATOR_MAX] = {
        [PARTITION_ROOT] = "root",
        [PARTITION_USR] = "usr",
        [PARTITION_HOME] = "home",
        [PARTITION_SRV] = "srv",
        [PARTITION_ESP] = "esp",
        [PARTITION_XBOOTLDR] = "xbootldr",
        [PARTITION_SWAP] = "swap",
        [PARTITION_ROOT_VERITY] = "root-verity",
        [PARTITION_USR_VERITY] = "usr-verity",
        [PARTITION_ROOT_VERITY_SIG] = "root-verity-sig",
        [PARTITION_USR_VERITY_SIG] = "usr-verity-sig",
        [PARTITION_TMP] = "tmp",
        [PARTITION_VAR] = "var",
        [PARTITION_GENERIC] = "linux-generic",
        [PARTITION_OTHER] = "other",
};

const char *partition_designator_name(PartitionDesignator d) {
        return d >= 0 && d < _PARTITION_DESIGNATOR_MAX ? names[d] : "unknown";
}

PartitionDesignator partition_designator_parse(const char *name) {
        return partition_designator_find(name, strlen(name));
}

PartitionDesignator partition_designator_find(const char *name, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strlen(names[i]) == n && memcmp(names[i], name, n) == 0)
                        return (PartitionDesignator) i;
        return _PARTITION_DESIGNATOR_INVALID;
}

PartitionDesignator partition_designator_protects(PartitionDesignator d) {
        switch (d) {
        case PARTITION_ROOT_VERITY:
        case PARTITION_ROOT_VERITY_SIG:
                return PARTITION_ROOT;
        case PARTITION_USR_VERITY:
        case PARTITION_USR_VERITY_SIG:
                return PARTITION_USR;
        default:
                return _PARTITION_DESIGNATOR_INVALID;
        }
}
