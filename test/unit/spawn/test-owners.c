/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Access lists when files change their owners. */
#include "check.h"

#include "spawn/owners.h"

#define HEAD "\x02\x00\x00\x00"
/* tag, permissions, ID; little endian */
#define USER_OBJ  "\x01\x00\x07\x00\xff\xff\xff\xff"
#define MASK      "\x10\x00\x07\x00\xff\xff\xff\xff"
#define USER(id)  "\x02\x00\x06\x00" id
#define GROUP(id) "\x08\x00\x06\x00" id

static void test_acl(void **state) {
#define ROW(in, r, out)                                                                            \
        { in, sizeof(in) - 1, r, out }
        static const struct {
                const char *in;
                size_t n;
                int r;
                const char *out;
        } rows[] = {
                ROW(HEAD, 0, HEAD),
                ROW(HEAD USER_OBJ MASK, 0, HEAD USER_OBJ MASK),
                ROW(HEAD USER_OBJ USER("\xe8\x03\x00\x00") GROUP("\x05\x00\x02\x00") MASK, 1,
                    HEAD USER_OBJ USER("\xe8\x03\x08\x00") GROUP("\x05\x00\x08\x00") MASK),
                ROW(HEAD USER("\xe8\x03\x08\x00"), 0, HEAD USER("\xe8\x03\x08\x00")),
                ROW("", -EINVAL, ""),
                ROW("\x01\x00\x00\x00", -EINVAL, "\x01\x00\x00\x00"),
                ROW(HEAD "\x02\x00\x06", -EINVAL, HEAD "\x02\x00\x06"),
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char acl[64];

                memcpy(acl, rows[i].in, rows[i].n);
                CHECK_EQ(owners_change_acl(acl, rows[i].n, 0x80000), rows[i].r, "row %zu", i);
                CHECK_EQ(memcmp(acl, rows[i].out, rows[i].n), 0, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_acl),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
