/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who drops what is forwarded, in what nft(8) prints. */
#include "check.h"

#include "net/firewall.h"

static void test_find(void **state) {
        static const struct {
                const char *listing;
                const char *who; /* NULL = nobody */
        } rows[] = {
                { "", NULL },
                { "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0; policy"
                  " accept;\n\t}\n}\n",
                  NULL },
                { "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority 0; policy"
                  " drop;\n\t}\n}\n",
                  NULL },
                { "table ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority 0; policy"
                  " drop;\n\t}\n\tchain FORWARD {\n\t\ttype filter hook forward priority 0; policy"
                  " drop;\n\t}\n}\n",
                  "the chain 'FORWARD' of 'ip filter' (ufw, Docker, iptables)" },
                { "table inet firewalld {\n\tchain filter_FORWARD {\n\t\ttype filter hook forward"
                  " priority 10; policy accept;\n\t}\n}\n",
                  "firewalld" },
                { "table inet mine {\n\tchain a {\n\t}\n\tchain fw {\n\t\ttype filter hook forward"
                  " priority 0; policy drop;\n\t}\n}\n",
                  "the chain 'fw' of 'inet mine'" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf who = {};

                CHECK_EQ(firewall_find(rows[i].listing, &who), rows[i].who != NULL, "row %zu", i);
                CHECK_STR(who.p, rows[i].who, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_find) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
