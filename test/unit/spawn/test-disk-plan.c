/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which partitions of an image are mounted where, against a golden file. With UPDATE_GOLDEN=1 it is written
 * anew. */
#include "check.h"

#include <fcntl.h>

#include "base/fd.h"
#include "spawn/disk-plan.h"

static const Partition whole[] = {
        { .designator = PARTITION_ESP, .fstype = "vfat", .label = "EFI System" },
        { .designator = PARTITION_XBOOTLDR, .fstype = "ext4" },
        { .designator = PARTITION_SWAP },
        { .designator = PARTITION_VAR, .fstype = "xfs", .flags = PARTITION_GROWFS },
        { .designator = PARTITION_TMP, .fstype = "btrfs" },
        { .designator = PARTITION_HOME,
          .fstype = "ext3",
          .flags = PARTITION_READ_ONLY | PARTITION_GROWFS },
        { .designator = PARTITION_SRV, .fstype = "ntfs" },
        { .designator = PARTITION_USR, .fstype = "erofs", .flags = PARTITION_GROWFS },
        { .designator = PARTITION_ROOT, .fstype = "ext4", .flags = PARTITION_SECONDARY },
        { .designator = PARTITION_ROOT, .fstype = "f2fs" },
        { .designator = PARTITION_OTHER },
};

static void plain(Spec *s, Dissection *d) {
        (void) s;
        (void) d;
}

static void read_only(Spec *s, Dissection *d) {
        (void) d;
        s->read_only = true;
}

static void ephemeral(Spec *s, Dissection *d) {
        (void) d;
        s->ephemeral = EPHEMERAL_MEMORY;
}

static void only_usr(Spec *s, Dissection *d) {
        (void) d;
        s->volatile_mode = VOLATILE_YES;
}

static void without_state(Spec *s, Dissection *d) {
        (void) d;
        s->volatile_mode = VOLATILE_STATE;
}

static void bare_vfat(Spec *s, Dissection *d) {
        (void) s;
        d->table = PARTITION_TABLE_NONE;
        d->n = 1;
        d->partitions[0] = (Partition){ .designator = PARTITION_ROOT,
                                        .size = 4096,
                                        .fstype = "vfat" };
}

static void bare_squashfs(Spec *s, Dissection *d) {
        bare_vfat(s, d);
        (void) snprintf(d->partitions[0].fstype, PARTITION_FSTYPE_MAX, "squashfs");
}

static void no_root(Spec *s, Dissection *d) {
        (void) s;
        d->n = 8;
}

static void two_homes(Spec *s, Dissection *d) {
        (void) s;
        d->partitions[6].designator = PARTITION_HOME;
}

static void make(Spec *s, Dissection *d, Buf *out) {
        DiskPlan plan;
        Error e = {};

        d->table = PARTITION_TABLE_GPT;
        d->sector_size = 512;
        d->size = 1 << 20;
        if (disk_plan(s, d, &VERITY_NULL, true, "image.raw", &plan, &e) < 0)
                assert_se(buf_printf(out, "refused: %s\n", e.text) >= 0);
        else
                assert_se(disk_plan_format(&plan, out) >= 0);
}

static void test_golden(void **state) {
        static const struct {
                const char *name;
                void (*change)(Spec *s, Dissection *d);
        } rows[] = {
                { "plain", plain },
                { "--read-only", read_only },
                { "--ephemeral", ephemeral },
                { "--volatile=yes", only_usr },
                { "--volatile=state", without_state },
                { "one squashfs", bare_squashfs },
                { "one vfat", bare_vfat },
                { "no root", no_root },
                { "two of a kind", two_homes },
        };
        _cleanup_free_ char *path = str_format("%s/plan-disk.txt", getenv("GOLDEN")),
                            *should = NULL;
        _cleanup_(buf_done) Buf is = {};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(dissection_done) Dissection d = {};
                _cleanup_(spec_done) Spec s;

                for (size_t j = 0; j < ELEMENTSOF(whole); j++) {
                        Partition p = whole[j];
                        p.number = (unsigned) j + 1;
                        p.offset = j * 4096;
                        p.size = 4096;
                        assert_se(dissection_add(&d, &p) == 0);
                }
                spec_init(&s);
                rows[i].change(&s, &d);
                assert_se(buf_printf(&is, "%s%s\n", i > 0 ? "\n" : "", rows[i].name) >= 0);
                make(&s, &d, &is);
        }
        if (getenv("UPDATE_GOLDEN"))
                assert_se(file_write(AT_FDCWD, path, is.p, O_CREAT | O_TRUNC, 0644) >= 0);
        CHECK_EQ(file_read(AT_FDCWD, path, 1 << 20, &should, NULL), 0, "%s", path);
        CHECK_STR(is.p, should, "%s", path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
