/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies for images: what they say of every role, against a golden file (UPDATE_GOLDEN=1 writes it
 * anew), and what is made of an image under them. */
#include "check.h"

#include <fcntl.h>

#include "base/fd.h"
#include "image/image-policy.h"

static void show(Buf *b, const char *title, const ImagePolicy *p) {
        _cleanup_free_ char *text = NULL;

        assert_se(image_policy_format(p, &text) == 0);
        assert_se(buf_printf(b, "%s\n  %-16s %s\n", title, "short", text) == 0);
        for (PartitionDesignator d = 0; d < _PARTITION_ROLE_MAX; d++) {
                _cleanup_free_ char *flags = NULL;

                assert_se(policy_flags_format(image_policy_get(p, d), &flags) == 0);
                assert_se(buf_printf(b, "  %-16s %s\n", partition_designator_name(d), flags) == 0);
        }
}

static void test_golden(void **state) {
        static const char *const policies[] = {
                "*",
                "-",
                "~",
                "root=verity",
                "root=signed+absent",
                "root=verity+unprotected:usr=encrypted",
                "root=:home=-",
                "root=read-only-on",
                "root=encrypted:root-verity=open",
                "=verity:root=absent",
                "usr=verity+read-only-on:root=encrypted:swap=encrypted",
                "root=unprotected+erofs+squashfs:=ignore+growfs-off",
        };
        _cleanup_free_ char *path = str_format("%s/policies.txt", getenv("GOLDEN")), *wanted = NULL,
                            *text = NULL;
        _cleanup_(buf_done) Buf b = {};
        ImagePolicy p;

        image_policy_spawn(&p);
        assert_int_equal(image_policy_format(&p, &text), 0);
        assert_string_equal(text, IMAGE_POLICY_SPAWN);
        show(&b, "default of the spawner", &p);
        for (size_t i = 0; i < ELEMENTSOF(policies); i++) {
                Error e = {};

                CHECK_EQ(image_policy_parse(policies[i], &p, &e), 0, "row %zu %s", i, e.text);
                show(&b, policies[i], &p);
        }
        if (getenv("UPDATE_GOLDEN"))
                assert_se(file_write(AT_FDCWD, path, b.p, O_CREAT | O_TRUNC, 0644) == 0);
        assert_se(file_read(AT_FDCWD, path, 1 << 20, &wanted, NULL) == 0);
        assert_string_equal(b.p, wanted);
}

static void test_format(void **state) {
        static const struct {
                const char *text, *formatted;
        } rows[] = {
                { "", "-" },
                { "=ignore", "-" },
                { "=open", "*" },
                { "=absent", "~" },
                { "root=-", "root=open" },
                { "usr=open:root=verity", "root=verity:usr=open" },
                { "root=absent+verity", "root=verity+absent" },
                { "root=ignore+verity", "root=verity+unused+absent" },
                { "root=verity+read-only-on+read-only-off", "root=verity" },
                { "root=ext4+growfs-on:=absent", "root=open+growfs-on+ext4:=absent" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *text = NULL;
                ImagePolicy p;

                CHECK_EQ(image_policy_parse(rows[i].text, &p, NULL), 0, "row %zu", i);
                assert_int_equal(image_policy_format(&p, &text), 0);
                CHECK_STR(text, rows[i].formatted, "row %zu", i);
        }
}

static void test_refused_text(void **state) {
        static const struct {
                const char *text, *says;
        } rows[] = {
                { "root", "'root' is not PARTITION=FLAG[+FLAG…]" },
                { ":root=open", "'' is not PARTITION=FLAG[+FLAG…]" },
                { "root=open:", "'' is not PARTITION=FLAG[+FLAG…]" },
                { "*:root=open", "'*' is not PARTITION=FLAG[+FLAG…]" },
                { "foo=open", "'foo' is not a kind of partition" },
                { "other=open", "'other' is not a kind of partition" },
                { "Root=open", "'Root' is not a kind of partition" },
                { "root=+verity", "'root=+verity': '' is not a flag of a policy" },
                { "root=verity+", "'root=verity+': '' is not a flag of a policy" },
                { "root=verity +absent",
                  "'root=verity +absent': 'verity ' is not a flag of a policy" },
                { "root=verity:root=absent", "there are two rules for 'root='" },
                { "=open:=open", "there are two rules for '='" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                ImagePolicy p;
                Error e = {};

                CHECK_EQ(image_policy_parse(rows[i].text, &p, &e), -EINVAL, "row %zu", i);
                CHECK_STR(e.text, rows[i].says, "row %zu", i);
        }
}

#define PLAIN                                                                                      \
        { .exists = true, .file_system = "ext4" }
#define ENCRYPTED                                                                                  \
        { .exists = true, .is_encrypted = true }
#define VERITY                                                                                     \
        { .exists = true, .has_verity = true, .file_system = "squashfs" }
#define SIGNED                                                                                     \
        { .exists = true, .has_verity = true, .has_signature = true }

static void test_choose(void **state) {
        static const struct {
                const char *policy;
                PartitionDesignator d;
                PartitionFacts facts;
                int use; /* -EPERM: refused */
                const char *says;
        } rows[] = {
                { NULL, PARTITION_ROOT, PLAIN, PARTITION_PLAIN, NULL },
                { NULL, PARTITION_ROOT, ENCRYPTED, PARTITION_DECRYPTED, NULL },
                { NULL, PARTITION_ROOT, VERITY, PARTITION_CHECKED, NULL },
                { NULL, PARTITION_ROOT, SIGNED, PARTITION_SIGNED, NULL },
                { NULL, PARTITION_ROOT, {}, PARTITION_LEAVE, NULL },
                { NULL, PARTITION_SWAP, PLAIN, PARTITION_LEAVE, NULL },
                { NULL, PARTITION_HOME, VERITY, PARTITION_PLAIN, NULL },
                { NULL, PARTITION_ESP, ENCRYPTED, -EPERM,
                  "the image policy for the esp partition is 'unprotected+absent', but it is"
                  " encrypted" },
                { "*", PARTITION_SWAP, PLAIN, PARTITION_PLAIN, NULL },
                { "-", PARTITION_ROOT, PLAIN, PARTITION_LEAVE, NULL },
                { "~", PARTITION_ROOT, PLAIN, -EPERM,
                  "the image policy for the root partition is 'absent', but the image has one" },
                { "root=verity", PARTITION_ROOT, SIGNED, PARTITION_CHECKED, NULL },
                { "root=verity", PARTITION_ROOT, PLAIN, -EPERM,
                  "the image policy for the root partition is 'verity', but it has no protection" },
                { "root=verity",
                  PARTITION_ROOT,
                  {},
                  -EPERM,
                  "the image policy for the root partition is 'verity', but the image has none" },
                { "root=signed", PARTITION_ROOT, VERITY, -EPERM,
                  "the image policy for the root partition is 'signed', but it has verity data" },
                { "root=unprotected", PARTITION_ROOT, SIGNED, PARTITION_PLAIN, NULL },
                { "root=verity+unprotected", PARTITION_ROOT, ENCRYPTED, -EPERM,
                  "the image policy for the root partition is 'verity+unprotected', but it is"
                  " encrypted" },
                { "root=encryptedwithintegrity", PARTITION_ROOT, ENCRYPTED,
                  PARTITION_DECRYPTED_CHECKED, NULL },
                { "root=encrypted", PARTITION_ROOT, ENCRYPTED, PARTITION_DECRYPTED, NULL },
                { "root=encrypted", PARTITION_ROOT, VERITY, -EPERM, NULL },
                { "=verity", PARTITION_HOME, PLAIN, -EPERM,
                  "the image policy for the home partition allows nothing that one can have" },
                { "=verity", PARTITION_HOME, {}, -EPERM, NULL },
                { "root=unprotected+erofs", PARTITION_ROOT, PLAIN, -EPERM,
                  "the image policy for the root partition is 'unprotected+erofs', but it holds a"
                  " file system of type ext4" },
                { "root=unprotected+erofs+ext4", PARTITION_ROOT, PLAIN, PARTITION_PLAIN, NULL },
                { "root=unused+erofs", PARTITION_ROOT, PLAIN, PARTITION_LEAVE, NULL },
                { "root=open+read-only-on", PARTITION_ROOT, PLAIN, -EPERM,
                  "the image policy for the root partition is 'open+read-only-on', but it is not"
                  " marked read-only" },
                { "root=open+growfs-off",
                  PARTITION_ROOT,
                  { .exists = true, .growfs = true },
                  -EPERM,
                  NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                PartitionUse use = _PARTITION_USE_INVALID;
                ImagePolicy p;
                Error e = {};

                if (rows[i].policy)
                        CHECK_EQ(image_policy_parse(rows[i].policy, &p, NULL), 0, "row %zu", i);
                else
                        image_policy_spawn(&p);
                int r = image_policy_choose(&p, rows[i].d, &rows[i].facts, &use, &e);
                CHECK_EQ(r < 0 ? r : (int) use, rows[i].use, "row %zu: %s", i, e.text);
                if (rows[i].says)
                        CHECK_STR(e.text, rows[i].says, "row %zu", i);
        }
}

static void test_later_file_system(void **state) {
        ImagePolicy p;

        assert_int_equal(image_policy_parse("root=encrypted+xfs", &p, NULL), 0);
        assert_int_equal(image_policy_check_file_system(&p, PARTITION_ROOT, "xfs", NULL), 0);
        assert_int_equal(image_policy_check_file_system(&p, PARTITION_ROOT, "ext4", NULL), -EPERM);
        assert_int_equal(image_policy_check_file_system(&p, PARTITION_ROOT, "open", NULL), -EPERM);
        assert_int_equal(image_policy_check_file_system(&p, PARTITION_HOME, "vfat", NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_refused_text),
                cmocka_unit_test(test_choose),
                cmocka_unit_test(test_later_file_system),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
