/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is made of the partitions of an image by what is known of their protection, and by the policy. */
#include "spawn/protect.h"

#include "check.h"

#define HASH "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef"

/* Numbers of the partitions of make(). */
enum { OTHER_ROOT, ROOT, TREE, SWAP, HOME, N };

/* A table with two roots, one of them that of HASH, its hash tree, swap, and an encrypted home. */
static void make(Dissection *d, Verity *v) {
        Partition list[N] = {
                [OTHER_ROOT] = { .designator = PARTITION_ROOT, .fstype = "ext4" },
                [ROOT] = { .designator = PARTITION_ROOT, .fstype = "squashfs" },
                [TREE] = { .designator = PARTITION_ROOT_VERITY, .fstype = "DM_verity_hash" },
                [SWAP] = { .designator = PARTITION_SWAP },
                [HOME] = { .designator = PARTITION_HOME, .fstype = "crypto_LUKS" },
        };

        *d = (Dissection){ .table = PARTITION_TABLE_GPT };
        *v = VERITY_NULL;
        v->use_embedded = true;
        assert_int_equal(root_hash_parse(HASH, &v->root_hash), 0);
        root_hash_partitions(&v->root_hash, &list[ROOT].uuid, &list[TREE].uuid);
        for (size_t i = 0; i < N; i++)
                assert_int_equal(dissection_add(d, list + i), 0);
}

static void test_find(void **state) {
        _cleanup_(dissection_done) Dissection d;
        const Partition *found = NULL;
        Error e = {};
        Verity v;

        make(&d, &v);
        assert_int_equal(protect_find(&v, &d, PARTITION_ROOT, &found, &e), 1);
        assert_ptr_equal(found, d.partitions + ROOT);
        assert_int_equal(protect_find(&v, &d, PARTITION_USR, &found, &e), 0);
        v.use_embedded = false;
        assert_int_equal(protect_find(&v, &d, PARTITION_ROOT, &found, &e), 0);
        v.use_embedded = true;
        d.partitions[ROOT].uuid.bytes[0] ^= 1;
        assert_int_equal(protect_find(&v, &d, PARTITION_ROOT, &found, &e), -ENOENT);
        assert_string_equal(e.text, "no root partition has the ID that goes with the root hash");
}

typedef enum Twist {
        ASKED = 1 << 0,  /* the user gave the root hash */
        SIGNED = 1 << 1, /* there is a signature */
        TREELESS = 1 << 2,
        HASHLESS = 1 << 3,
        MUST_SIGN = 1 << 4,    /* expected */
        MAY_BE_PLAIN = 1 << 5, /* expected */
} Twist;

static void test_choose(void **state) {
        static const struct {
                const char *policy; /* NULL = the spawner's */
                PartitionDesignator which;
                int data; /* index; -1 = none */
                Twist twist;
                int use; /* negative: refused */
                const char *says;
        } rows[] = {
                { NULL, PARTITION_ROOT, ROOT, MAY_BE_PLAIN, PARTITION_CHECKED, NULL },
                { NULL, PARTITION_ROOT, ROOT, ASKED, PARTITION_CHECKED, NULL },
                { NULL, PARTITION_ROOT, ROOT, SIGNED | MAY_BE_PLAIN, PARTITION_SIGNED, NULL },
                { NULL, PARTITION_ROOT, ROOT, HASHLESS | MAY_BE_PLAIN, PARTITION_PLAIN, NULL },
                { NULL, PARTITION_ROOT, ROOT, TREELESS, -ENOENT,
                  "a root hash is known of the root partition, but there is no hash tree for it" },
                { "root=unprotected", PARTITION_ROOT, ROOT, TREELESS | MUST_SIGN | MAY_BE_PLAIN,
                  PARTITION_PLAIN, NULL },
                { "root=unprotected", PARTITION_ROOT, ROOT, ASKED | TREELESS, -ENOENT, NULL },
                { "root=unprotected", PARTITION_ROOT, ROOT, ASKED, -EPERM,
                  "a root hash is given, but the root partition is not one that can be checked and"
                  " that the image policy lets be checked" },
                { "root=verity", PARTITION_ROOT, ROOT, SIGNED, PARTITION_CHECKED, NULL },
                { "root=signed", PARTITION_ROOT, ROOT, SIGNED | MUST_SIGN, PARTITION_SIGNED, NULL },
                { "root=signed", PARTITION_ROOT, ROOT, 0, -EPERM, NULL },
                { "root=verity", PARTITION_ROOT, ROOT, HASHLESS, -EPERM, NULL },
                { "root=verity", PARTITION_ROOT, -1, 0, -EPERM, NULL },
                { "root=verity+erofs", PARTITION_ROOT, ROOT, 0, -EPERM,
                  "the image policy for the root partition is 'verity+erofs', but it holds a file"
                  " system of type squashfs" },
                { "-", PARTITION_ROOT, ROOT, MUST_SIGN, PARTITION_LEAVE, NULL },
                { NULL, PARTITION_HOME, HOME, MUST_SIGN | MAY_BE_PLAIN, PARTITION_DECRYPTED, NULL },
                { "home=encrypted+ext4", PARTITION_HOME, HOME, MUST_SIGN, PARTITION_DECRYPTED,
                  NULL },
                { "home=unprotected", PARTITION_HOME, HOME, 0, -EPERM,
                  "the image policy for the home partition is 'unprotected', but it is encrypted" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(dissection_done) Dissection d;
                const Partition *data = NULL;
                Protection p = {};
                ImagePolicy policy;
                Error e = {};
                Verity v;

                make(&d, &v);
                v.is_asked = rows[i].twist & ASKED;
                if (rows[i].twist & SIGNED)
                        assert_int_equal(buf_puts(&v.signature, "x"), 0);
                if (rows[i].twist & TREELESS)
                        d.partitions[TREE].uuid.bytes[0] ^= 1;
                if (rows[i].twist & HASHLESS)
                        v.root_hash.n = 0;
                image_policy_spawn(&policy);
                if (rows[i].policy)
                        assert_int_equal(image_policy_parse(rows[i].policy, &policy, NULL), 0);
                if (rows[i].data >= 0)
                        data = d.partitions + rows[i].data;

                int r = protect_choose(&policy, &d, &v, rows[i].which, data, &p, &e);
                CHECK_EQ(r < 0 ? r : (int) p.use, rows[i].use, "row %zu: %s", i, e.text);
                if (rows[i].says)
                        CHECK_STR(e.text, rows[i].says, "row %zu", i);
                if (r >= 0) {
                        bool checked = p.use == PARTITION_CHECKED || p.use == PARTITION_SIGNED;
                        CHECK_EQ(p.must_sign, !!(rows[i].twist & MUST_SIGN), "row %zu", i);
                        CHECK_EQ(p.may_be_plain, !!(rows[i].twist & MAY_BE_PLAIN), "row %zu", i);
                        CHECK_EQ(p.tree == d.partitions + TREE, checked, "row %zu", i);
                }
                verity_done(&v);
        }
}

static void test_rest(void **state) {
        static const struct {
                const char *policy, *says; /* NULL = fine */
        } rows[] = {
                { "*", NULL },
                { "-", NULL },
                { "root=verity", NULL },
                { "swap=absent",
                  "the image policy for the swap partition is 'absent', but the image has"
                  " one" },
                { "root=verity:root-verity=absent",
                  "the image policy for the root-verity partition is 'absent', but the image has"
                  " one" },
                { "root-verity-sig=unprotected",
                  "the image policy for the root-verity-sig partition is 'unprotected', but the image"
                  " has none" },
                { "root=unprotected:home=encrypted:=absent",
                  "the image policy for the swap partition is 'absent', but the image has one" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(dissection_done) Dissection d;
                ImagePolicy policy;
                Error e = {};
                Verity v;

                make(&d, &v);
                assert_int_equal(image_policy_parse(rows[i].policy, &policy, NULL), 0);
                CHECK_EQ(protect_check_rest(&policy, &d, &e), rows[i].says ? -EPERM : 0,
                         "row %zu: %s", i, e.text);
                CHECK_STR(e.text, rows[i].says ? rows[i].says : "", "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_choose),
                cmocka_unit_test(test_rest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
