/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pulling reads besides: passwords for hosts, and what gpg says of a signature. */
#include "check.h"

#include "importer/netrc.h"
#include "importer/openpgp.h"

static const struct {
        const char *text, *host, *user, *password;
        int r;
} hosts[] = {
        { "machine a login me password x", "a", "me", "x", 0 },
        { "machine a login me password x", "b", NULL, NULL, 0 },
        { "machine b login y password z\nmachine a\n\tpassword x\n\tlogin me\n", "a", "me", "x",
          0 },
        { "machine b password z default login any password w", "a", "any", "w", 0 },
        { "machine A login me", "a", "me", NULL, 0 },
        { "# machine a login no\nmachine a login yes", "a", "yes", NULL, 0 },
        { "machine a login \"m e\" password \"x\\\"y\"", "a", "m e", "x\"y", 0 },
        { "macdef init\nmachine a login no\n\nmachine a login yes", "a", "yes", NULL, 0 },
        { "machine a account z login me", "a", "me", NULL, 0 },
        { "machine a login first machine a login second", "a", "first", NULL, 0 },
        { "", "a", NULL, NULL, 0 },
        { "machine", "a", NULL, NULL, -EINVAL },
        { "machine a login", "a", NULL, NULL, -EINVAL },
        { "machine a user me", "a", NULL, NULL, -EINVAL },
        { "machine a password \"x", "a", NULL, NULL, -EINVAL },
};

static void test_netrc(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(hosts); i++) {
                char *user = NULL, *password = NULL;
                Error e = {};

                CHECK_EQ(netrc_find(hosts[i].text, hosts[i].host, &user, &password, &e), hosts[i].r,
                         "row %zu", i);
                CHECK_STR(user, hosts[i].user, "row %zu", i);
                CHECK_STR(password, hosts[i].password, "row %zu", i);
                free(user);
                free(password);
        }
}

#define LINE(x) "[GNUPG:] " x "\n"
#define GOOD    LINE("GOODSIG 00 me") LINE("VALIDSIG 00 2026")

static const struct {
        const char *text;
        bool is_good;
} statuses[] = {
        { GOOD, true },
        { LINE("NEWSIG") LINE("ERRSIG 00") LINE("NO_PUBKEY 00") GOOD, true },
        { LINE("GOODSIG 00 me"), false },
        { LINE("VALIDSIG 00"), false },
        { GOOD LINE("BADSIG 00 me"), false },
        { LINE("EXPKEYSIG 00 me") LINE("VALIDSIG 00 2026"), false },
        { LINE("REVKEYSIG 00 me") LINE("VALIDSIG 00 2026"), false },
        { LINE("EXPSIG 00 me") LINE("VALIDSIG 00 2026"), false },
        { LINE("NO_PUBKEY 00"), false },
        { "GOODSIG 00\nVALIDSIG 00\n", false },
        { LINE("GOODSIGX") LINE("VALIDSIGX"), false },
        { "", false },
};

static void test_status(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(statuses); i++) {
                Error e = {};

                CHECK_EQ(openpgp_status_check(statuses[i].text, &e),
                         statuses[i].is_good ? 0 : -EKEYREJECTED, "row %zu", i);
                assert_true(statuses[i].is_good || e.text[0]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_netrc),
                                            cmocka_unit_test(test_status) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
