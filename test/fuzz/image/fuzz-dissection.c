/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is accepted as a list of partitions lies within the image, and can be written and read back. */
#include "image/dissection.h"

#include "fuzz.h"

static void check(const Dissection *d, const Partition *p) {
        assert_se(p->offset <= d->size && p->size > 0 && p->size <= d->size - p->offset);
        assert_se(p->designator >= 0 && p->designator < _PARTITION_DESIGNATOR_MAX);
        assert_se((p->flags & ~_PARTITION_FLAGS_ALL) == 0);
        assert_se(!strpbrk(p->fstype, "/ \n,="));
        assert_se(!strpbrk(p->label, "\n\x1b"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(dissection_done) Dissection a = {}, b = {};
        _cleanup_(buf_done) Buf text = {}, again = {};
        const Partition *found;

        if (size > 64 * 1024 || dissection_parse((const char *) data, size, &a, NULL) < 0)
                return 0;

        for (size_t i = 0; i < a.n; i++)
                check(&a, a.partitions + i);
        for (PartitionDesignator d = 0; d < _PARTITION_DESIGNATOR_MAX; d++)
                (void) dissection_find(&a, d, &found, NULL);
        assert_se(dissection_format(&a, &text) == 0);
        assert_se(dissection_parse(text.p, text.n, &b, NULL) == 0);
        assert_se(a.n == b.n && dissection_format(&b, &again) == 0 && streq(text.p, again.p));
        return 0;
}
