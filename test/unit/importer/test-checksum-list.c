/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of digests as different tools write them, and what must not be taken for one. */
#include "check.h"

#include "importer/checksum-list.h"

#define A32  "0123456789abcdef0123456789abcdef"
#define B32  "fedcba9876543210fedcba9876543210"
#define A    A32 A32
#define B    B32 B32
#define LONG A A

static const struct {
        const char *text, *name, *hex;
        int r;
} rows[] = {
        { A "  a.tar\n" B " *b.tar\n", "a.tar", A, 0 },
        { A "  a.tar\n" B " *b.tar\n", "b.tar", B, 0 },
        { A " a.tar", "a.tar", A, 0 },
        { A "  ./a.tar\r\n", "a.tar", A, 0 },
        { A "\ta.tar\n", "a.tar", A, 0 },
        { "SHA256 (a.tar) = " B "\n", "a.tar", B, 0 },
        { "SHA512 (a.tar) = " LONG "\nSHA256 (a.tar) = " B "\n", "a.tar", LONG, 0 },
        { "MD5 (a.tar) = 00\nSHA256 (a) b) = " A "\n", "a) b", A, 0 },
        { LONG "  a.tar\n", "a.tar", LONG, 0 },
        { "# " A "  a.tar\n", "a.tar", NULL, -ENOENT },
        { A "   a.tar\n", "a.tar", NULL, -ENOENT },
        { A "  a.tar\n", " a.tar", NULL, -ENOENT },
        { A "  xa.tar\n" A "  a.tarx\n" A "  x/a.tar\n", "a.tar", NULL, -ENOENT },
        { "\\" A "  a\\\\b\\nc\n", "a\\b\nc", A, 0 },
        { A "  a\\\\b\n", "a\\b", NULL, -ENOENT },
        { A "\n", NULL, A, 0 },
        { A "  a.tar\n", NULL, NULL, -ENOENT },
        { A "\n", "a.tar", NULL, -ENOENT },
        { A32 "  a.tar\n", "a.tar", NULL, -ENOENT },
        { A32 A32 "0  a.tar\n", "a.tar", NULL, -ENOENT },
        { A32 "g"
              "123456789abcdef0123456789abcdef  a.tar\n",
          "a.tar", NULL, -ENOENT },
        { A "  a.tar\n" A "  a.tar\n", "a.tar", A, 0 },
        { A "  a.tar\n" B "  a.tar\n", "a.tar", NULL, -EBADMSG },
        { "", "a.tar", NULL, -ENOENT },
        { "SHA256 (a.tar) = " A32 "\n", "a.tar", NULL, -ENOENT },
};

static void test_find(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char hex[2 * DIGEST_SIZE_MAX + 1];
                Digest d;
                Error e = {};
                int r = checksum_list_find(rows[i].text, strlen(rows[i].text), rows[i].name, &d,
                                           &e);

                CHECK_EQ(r, rows[i].r, "row %zu", i);
                if (r >= 0)
                        CHECK_STR(digest_format(&d, hex), rows[i].hex, "row %zu", i);
                else
                        assert_true(e.text[0]);
        }
}

static void test_digest(void **state) {
        Digest a, b;

        CHECK_EQ(digest_parse(A, &a), 0, "bare");
        CHECK_EQ(digest_parse("sha256:" A, &b), 0, "named");
        assert_true(digest_is_equal(&a, &b));
        CHECK_EQ(digest_parse("sha512:" LONG, &b), 0, "long");
        assert_false(digest_is_equal(&a, &b));
        CHECK_EQ(digest_parse("sha512:" A, &b), -EINVAL, "of another kind");
        CHECK_EQ(digest_parse("sha1:" A, &b), -EINVAL, "of no kind");
        CHECK_EQ(digest_parse("checksum", &b), -EINVAL, "a word");
        CHECK_EQ(digest_parse("", &b), -EINVAL, "nothing");
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_find),
                                            cmocka_unit_test(test_digest) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
