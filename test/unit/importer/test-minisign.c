/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures that minisign 0.11 has made, and what is left of them when something about them is changed. */
#include "check.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/minisign.h"

static const char key_a[] = "untrusted comment: minisign public key 46184C87F4DE516B\n"
                            "RWRrUd70h0wYRoP+fhWSM5EWEnent+QAZa2S4ChZxai88vHsCfl1XAjL\n";
static const char key_b[] = "untrusted comment: minisign public key 7D1CBBB32BB6839B\n"
                            "RWSbg7Yrs7scfc785zo6giJeEOuRevWIjqUc048qXzJhgI1amQbrIiw/\n";
static const char prehashed[] =
        "untrusted comment: signature from minisign secret key\n"
        "RURrUd70h0wYRl2tAvBv3oG3RleqzNNi8tBAZL5xGsx/2oKB4JtzH3hFhzKesSNg+dIurTtcPEvtoxsoB812nBXrFZBIpJvrNQE=\n"
        "trusted comment: of a text\n"
        "QNdrtpzsypyPLEJcMDqRknWKYC2NfRYwwghD+uElwIlAvMQ09a9Azt5iq5TpzAbc7nNceQvv59VuDbde7i6LAg==\n";
static const char legacy[] =
        "untrusted comment: signature from minisign secret key\n"
        "RWRrUd70h0wYRvCOfbAL+rnHVSWodl1Wfdzdx1Sk8cldvLn1da1Z80dSysU991xQOgPGbgV5rrif6b1VmFLNaJmhNyef2tB7NQI=\n"
        "trusted comment: of a text\n"
        "+w9TcN1dUVcJM7xrNctZI9tAyt+1PpPT+YV0evs+egu+nbdT3ldXXJ0wVTfDu26S4W4Vj4uyvkr1MhmyxVzACw==\n";
static const char text[] = "a list of digests\n";

static const char *const signatures[] = { prehashed, legacy };

static int verify(const char *key, const void *data, size_t n, const char *signature,
                  size_t n_signature, Error *e) {
        MinisignKey k;
        const MinisignKeys keys = { &k, 1 };

        assert_int_equal(minisign_key_parse(key, strlen(key), &k), 0);
        return minisign_verify(&keys, data, n, signature, n_signature, e);
}

static void test_good_and_bad(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(signatures); i++) {
                size_t n = strlen(signatures[i]);
                Error e = {};

                CHECK_EQ(verify(key_a, text, strlen(text), signatures[i], n, &e), 0, "row %zu: %s",
                         i, e.text);
                CHECK_EQ(verify(key_b, text, strlen(text), signatures[i], n, &e), -ENOKEY,
                         "row %zu", i);
                CHECK_EQ(verify(key_a, text, strlen(text) - 1, signatures[i], n, &e), -EKEYREJECTED,
                         "row %zu", i);
                CHECK_EQ(verify(key_a, "", 0, signatures[i], n, &e), -EKEYREJECTED, "row %zu", i);
                /* The last newline may be missing. */
                CHECK_EQ(verify(key_a, text, strlen(text), signatures[i], n - 1, &e), 0,
                         "row %zu: %s", i, e.text);
        }
}

/* No byte of a signature is of no account, but for those of the first line, which nobody signed. */
static void test_every_byte_counts(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(signatures); i++) {
                _cleanup_free_ char *copy = strdup(signatures[i]);
                size_t n = strlen(copy), first = strcspn(copy, "\n");

                for (size_t k = 0; k < n - 1; k++) {
                        char old = copy[k];

                        if (k >= strlen("untrusted comment: ") && k < first)
                                continue;
                        for (int with = 0; with < 3; with++) {
                                copy[k] = with == 0 ? (char) (old ^ 1) : with == 1 ? '\0' : '\n';
                                if (copy[k] == old)
                                        continue;
                                CHECK_EQ(verify(key_a, text, strlen(text), copy, n, NULL) < 0, true,
                                         "row %zu, byte %zu, %d", i, k, with);
                        }
                        copy[k] = old;
                }
                for (size_t k = 0; k < n - 1; k++)
                        CHECK_EQ(verify(key_a, text, strlen(text), copy, k, NULL) < 0, true,
                                 "row %zu, the first %zu bytes", i, k);
        }
}

/* Of a hash alone; not of what was signed as it is. */
static void test_hash(void **state) {
        uint8_t hash[MINISIGN_HASH_SIZE];
        MinisignKey k;
        const MinisignKeys keys = { &k, 1 };
        Error e = {};

        assert_int_equal(minisign_key_parse(key_a, strlen(key_a), &k), 0);
        assert_int_equal(EVP_Digest(text, strlen(text), hash, NULL, EVP_blake2b512(), NULL), 1);
        CHECK_EQ(minisign_verify_hash(&keys, hash, prehashed, strlen(prehashed), &e), 0, "%s",
                 e.text);
        CHECK_EQ(minisign_verify_hash(&keys, hash, legacy, strlen(legacy), &e), -EOPNOTSUPP, "old");
        hash[7] ^= 1;
        CHECK_EQ(minisign_verify_hash(&keys, hash, prehashed, strlen(prehashed), &e), -EKEYREJECTED,
                 "another");
}

static void test_keys(void **state) {
        static const struct {
                const char *text;
                int r;
        } cases[] = {
                { key_a, 0 },
                { "RWRrUd70h0wYRoP+fhWSM5EWEnent+QAZa2S4ChZxai88vHsCfl1XAjL", 0 },
                { "RWRrUd70h0wYRoP+fhWSM5EWEnent+QAZa2S4ChZxai88vHsCfl1XAjL\r\n\n", 0 },
                { "RWRrUd70h0wYRoP+fhWSM5EWEnent+QAZa2S4ChZxai88vHsCfl1XAjLA", -EBADMSG },
                { "RWRrUd70h0wYRoP+fhWSM5EWEnent+QAZa2S4ChZxai88vHsCfl1XAj=", -EBADMSG },
                { "RWRrUd70h0wYRoP+fhWSM5EWEnent+QAZa2S4ChZxai88vHsCfl1XAjL\nmore", -EBADMSG },
                { "RURrUd70h0wYRoP+fhWSM5EWEnent+QAZa2S4ChZxai88vHsCfl1XAjL", -EBADMSG },
                { "untrusted comment: x\n", -EBADMSG },
                { "", -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                MinisignKey k;
                CHECK_EQ(minisign_key_parse(cases[i].text, strlen(cases[i].text), &k), cases[i].r,
                         "row %zu", i);
        }
}

/* Files of a directory count by their names; a bad one is told. */
static void test_directory(void **state) {
        char directory[] = "/tmp/test-minisign-XXXXXX";
        _cleanup_(minisign_keys_done) MinisignKeys keys = {}, none = {};
        Error e = {};

        assert_non_null(mkdtemp(directory));
        assert_int_equal(setenv("SKEP_IMPORT_KEYS", directory, 1), 0);
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        CHECK_EQ(minisign_keys_load(&none, &e), 0, "%s", e.text);
        CHECK_EQ(none.n, 0, "an empty directory");
        assert_int_equal(file_write_atomic(fd, "a.pub", key_a, strlen(key_a), 0644), 0);
        assert_int_equal(file_write_atomic(fd, "b.pub", key_b, strlen(key_b), 0644), 0);
        assert_int_equal(file_write_atomic(fd, "c.key", "x", 1, 0644), 0);
        CHECK_EQ(minisign_keys_load(&keys, &e), 0, "%s", e.text);
        CHECK_EQ(keys.n, 2, "both keys");
        CHECK_EQ(minisign_verify(&keys, text, strlen(text), prehashed, strlen(prehashed), &e), 0,
                 "%s", e.text);
        assert_int_equal(file_write_atomic(fd, "c.pub", "x", 1, 0644), 0);
        CHECK_EQ(minisign_keys_load(&none, &e), -EBADMSG, "a bad key");
        assert_non_null(strstr(e.text, "c.pub"));
        static const char *const names[] = { "a.pub", "b.pub", "c.pub", "c.key" };
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) unlinkat(fd, names[i], 0);
        (void) close(fd);
        (void) rmdir(directory);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_good_and_bad), cmocka_unit_test(test_every_byte_counts),
                cmocka_unit_test(test_hash),         cmocka_unit_test(test_keys),
                cmocka_unit_test(test_directory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
