/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the root hash of an image, its signature and its hash tree come from, and which win. */
#include "image/verity.h"

#include <sys/xattr.h>

#include "scratch.h"

#define HASH_A "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef"
#define HASH_B "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void test_root_hash(void **state) {
        static const struct {
                const char *text;
                size_t n; /* 0 = refused */
        } rows[] = {
                { HASH_A, 32 },
                { HASH_A HASH_B, 64 },
                { "00112233445566778899AABBCCDDEEFF", 16 },
                { "00112233445566778899aabbccddeef", 0 },
                { "00112233445566778899aabbccddee", 0 },
                { HASH_A HASH_B "00", 0 },
                { "00112233445566778899aabbccddeefg", 0 },
                { " 0112233445566778899aabbccddeef ", 0 },
                { "", 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char text[ROOT_HASH_TEXT_MAX];
                RootHash h = {};

                CHECK_EQ(root_hash_parse(rows[i].text, &h), rows[i].n > 0 ? 0 : -EINVAL, "row %zu",
                         i);
                CHECK_EQ(h.n, rows[i].n, "row %zu", i);
                if (h.n > 0)
                        CHECK_EQ(strcasecmp(root_hash_format(&h, text), rows[i].text), 0, "row %zu",
                                 i);
        }
}

static void test_partitions(void **state) {
        char text[ID128_TEXT_MAX];
        Id128 data, tree;
        RootHash h;

        assert_int_equal(root_hash_parse(HASH_A, &h), 0);
        root_hash_partitions(&h, &data, &tree);
        assert_string_equal(id128_format(&data, text), "00112233445566778899aabbccddeeff");
        assert_string_equal(id128_format(&tree, text), "0123456789abcdef0123456789abcdef");
}

static void test_signature_text(void **state) {
        static const struct {
                const char *text;
                bool ok;
        } rows[] = {
                { "/a/b.p7s", true },
                { "a/b.p7s", false },
                { "/a/../b", false },
                { "base64:aGVsbG8=", true },
                { "base64:aGVs bG8=", true },
                { "base64:", false },
                { "base64:aGVsbG8", false },
                { "base64:a===", false },
                { "base64:aG=s", false },
                { "base64:aG-s", false },
                { "", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Error e = {};
                CHECK_EQ(signature_check(rows[i].text, &e), rows[i].ok ? 0 : -EINVAL,
                         "row %zu '%s'", i, rows[i].text);
                CHECK_EQ(error_is_set(&e), !rows[i].ok, "row %zu", i);
        }
}

/* Reads what is known of the scratch folder's disk.raw. */
static int read_disk(const VerityOptions *options, Verity *ret, Error *e) {
        _cleanup_fd_ int fd = open(in_scratch("disk.raw"), O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        return verity_read(in_scratch("disk.raw"), fd, options, ret, e);
}

static void check(const VerityOptions *options, PartitionDesignator d, const char *hash,
                  const char *signature, bool has_tree, bool is_asked) {
        _cleanup_(verity_done) Verity v = VERITY_NULL;
        char text[ROOT_HASH_TEXT_MAX];
        Error e = {};

        CHECK_EQ(read_disk(options, &v, &e), 0, "%s", e.text);
        assert_int_equal(v.designator, d);
        assert_string_equal(root_hash_format(&v.root_hash, text), hash);
        assert_string_equal(strempty(v.signature.p), signature);
        assert_int_equal(v.tree_fd >= 0, has_tree);
        assert_int_equal(v.is_asked, is_asked);
        assert_true(v.use_embedded);
}

static void test_order(void **state) {
        const VerityOptions none = {};
        VerityOptions given = { .signature = "base64:aGVsbG8=" };

        assert_int_equal(root_hash_parse(HASH_B, &given.root_hash), 0);
        scratch_file("disk.raw", "x");
        check(&none, PARTITION_ROOT, "", "", false, false);
        scratch_file("disk.verity", "t"); /* of no use to nobody */
        check(&none, PARTITION_ROOT, "", "", false, false);
        scratch_file("disk.usrhash", HASH_A "\n");
        scratch_file("disk.usrhash.p7s", "usr");
        check(&none, PARTITION_USR, HASH_A, "usr", true, false);
        scratch_file("disk.roothash", HASH_B);
        check(&none, PARTITION_ROOT, HASH_B, "", true, false);
        scratch_file("disk.roothash.p7s", "root");
        check(&none, PARTITION_ROOT, HASH_B, "root", true, false);
        check(&given, PARTITION_ROOT, HASH_B, "hello", true, true);

        if (setxattr(in_scratch("disk.raw"), "user.verity.roothash", HASH_A, strlen(HASH_A), 0) >=
            0)
                check(&none, PARTITION_ROOT, HASH_A, "root", true, false);

        assert_int_equal(setenv("SYSTEMD_DISSECT_VERITY_SIGNATURE", "0", 1), 0);
        check(&given, PARTITION_ROOT, HASH_B, "hello", true, true);
        given.signature = NULL;
        check(&given, PARTITION_ROOT, HASH_B, "", true, true);
        assert_int_equal(setenv("SYSTEMD_DISSECT_VERITY_SIDECAR", "no", 1), 0);
        check(&given, PARTITION_ROOT, HASH_B, "", false, true);
        check(&none, PARTITION_ROOT, "", "", false, false);
        assert_int_equal(unsetenv("SYSTEMD_DISSECT_VERITY_SIGNATURE"), 0);
        assert_int_equal(unsetenv("SYSTEMD_DISSECT_VERITY_SIDECAR"), 0);
}

/* What signature partitions say, with and without knowing better. */
static void test_embedded(void **state) {
        _cleanup_(dissection_done) Dissection d = { .table = PARTITION_TABLE_GPT };
        static const struct {
                const char *known; /* root hash; NULL = none */
                PartitionDesignator of;
                bool no_embedded, no_signature;
                const char *hash, *signature; /* after */
        } rows[] = {
                { NULL, PARTITION_ROOT, false, false, HASH_B, "of b" },
                { NULL, PARTITION_ROOT, true, false, "", "" },
                { NULL, PARTITION_ROOT, false, true, "", "" },
                { HASH_A, PARTITION_ROOT, false, false, HASH_A, "of a" },
                { HASH_A, PARTITION_USR, false, false, HASH_A, "" },
                { HASH_A HASH_A, PARTITION_ROOT, false, false, HASH_A HASH_A, "" },
        };
        Partition root = { .designator = PARTITION_ROOT },
                  signed_by = { .designator = PARTITION_ROOT_VERITY_SIG };
        RootHash a, b;
        Id128 tree;

        assert_int_equal(root_hash_parse(HASH_A, &a), 0);
        assert_int_equal(root_hash_parse(HASH_B, &b), 0);
        /* The image has the data of B alone. */
        root_hash_partitions(&b, &root.uuid, &tree);
        assert_int_equal(dissection_add(&d, &root), 0);
        for (size_t i = 0; i < 2; i++) {
                Buf text = {};
                assert_int_equal(dissection_add(&d, &signed_by), 0);
                assert_int_equal(buf_puts(&text, i == 0 ? "of a" : "of b"), 0);
                assert_int_equal(dissection_add_signature(&d, i == 0 ? &a : &b, &text), 0);
        }

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(verity_done) Verity v = VERITY_NULL;
                char text[ROOT_HASH_TEXT_MAX];

                v.designator = rows[i].of;
                v.use_embedded = !rows[i].no_embedded;
                v.use_signature = !rows[i].no_signature;
                if (rows[i].known)
                        assert_int_equal(root_hash_parse(rows[i].known, &v.root_hash), 0);
                CHECK_EQ(verity_embed(&v, &d, NULL), 0, "row %zu", i);
                CHECK_STR(root_hash_format(&v.root_hash, text), rows[i].hash, "row %zu", i);
                CHECK_STR(strempty(v.signature.p), rows[i].signature, "row %zu", i);
        }
}

static void refused(const VerityOptions *options, const char *says) {
        _cleanup_(verity_done) Verity v = VERITY_NULL;
        _cleanup_free_ char *wanted = str_format(says, scratch);
        Error e = {};

        assert_true(read_disk(options, &v, &e) < 0);
        assert_string_equal(e.text, wanted);
}

static void test_hostile(void **state) {
        const VerityOptions none = {};
        char huge[1024];

        memset(huge, 'a', sizeof huge - 1);
        huge[sizeof huge - 1] = '\0';
        scratch_file("disk.raw", "x");
        refused(&(VerityOptions){ .signature = "base64:aGVsbG8=" },
                "no root hash of '%s/disk.raw' is known, which its signature or hash tree takes; give"
                " it with --root-hash=");

        scratch_file("disk.roothash", "secret of somebody else");
        refused(&none, "'%s/disk.roothash' holds no root hash");
        scratch_file("disk.roothash", huge);
        refused(&none, "'%s/disk.roothash' holds no root hash");
        assert_int_equal(unlink(in_scratch("disk.roothash")), 0);
        assert_int_equal(mkfifo(in_scratch("disk.roothash"), 0600), 0);
        refused(&none, "cannot read '%s/disk.roothash': Invalid argument");
        assert_int_equal(unlink(in_scratch("disk.roothash")), 0);

        scratch_file("disk.roothash", HASH_A);
        assert_int_equal(mkfifo(in_scratch("disk.verity"), 0600), 0);
        refused(&none, "the hash tree '%s/disk.verity' is neither a file nor a device");
        assert_int_equal(unlink(in_scratch("disk.verity")), 0);
        assert_int_equal(mkdir(in_scratch("disk.roothash.p7s"), 0700), 0);
        refused(&none, "cannot read the signature '%s/disk.roothash.p7s': Is a directory");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_root_hash),
                cmocka_unit_test(test_partitions),
                cmocka_unit_test(test_signature_text),
                cmocka_unit_test(test_embedded),
                cmocka_unit_test_setup_teardown(test_order, scratch_setup, scratch_teardown),
                cmocka_unit_test_setup_teardown(test_hostile, scratch_setup, scratch_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
