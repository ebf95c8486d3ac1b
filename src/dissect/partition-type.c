/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of partition types. The numbers are libsystemd's; those of architectures we cannot run are left
 * out, so that their partitions are nobody's. */
#include "dissect/partition-type.h"

#include <systemd/sd-gpt.h>

typedef struct TypeRow {
        sd_id128_t type;
        PartitionDesignator designator;
        PartitionFlags flags;
} TypeRow;

#define DATA(name, as)                                                                             \
        { SD_GPT_##name, PARTITION_##as, 0 }
#define PARTS_OF(name, as, arch, flags)                                                            \
        { SD_GPT_##name##_##arch, PARTITION_##as, flags },                                         \
                { SD_GPT_##name##_##arch##_VERITY, PARTITION_##as##_VERITY, flags }, {             \
                SD_GPT_##name##_##arch##_VERITY_SIG, PARTITION_##as##_VERITY_SIG, flags            \
        }

static const TypeRow rows[] = {
#ifdef SD_GPT_ROOT_NATIVE
        PARTS_OF(ROOT, ROOT, NATIVE, 0),
        PARTS_OF(USR, USR, NATIVE, 0),
#endif
#ifdef SD_GPT_ROOT_SECONDARY
        PARTS_OF(ROOT, ROOT, SECONDARY, PARTITION_SECONDARY),
        PARTS_OF(USR, USR, SECONDARY, PARTITION_SECONDARY),
#endif
        DATA(HOME, HOME),
        DATA(SRV, SRV),
        DATA(VAR, VAR),
        DATA(TMP, TMP),
        DATA(SWAP, SWAP),
        DATA(ESP, ESP),
        DATA(XBOOTLDR, XBOOTLDR),
        DATA(LINUX_GENERIC, GENERIC),
};

void partition_type_find(Partition *p) {
        _Static_assert(sizeof(p->type) == sizeof(sd_id128_t), "both are 16 bytes");

        p->designator = PARTITION_OTHER;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (memcmp(&rows[i].type, &p->type, sizeof p->type) == 0) {
                        p->designator = rows[i].designator;
                        p->flags |= rows[i].flags;
                        return;
                }
}
