/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What links to time zones may look like; one comes from the host, the other from the image. */
#include "check.h"

#include "spawn/timezone.h"

static const struct {
        const char *target, *zone;
} rows[] = {
        { "/usr/share/zoneinfo/Europe/Paris", "Europe/Paris" },
        { "../usr/share/zoneinfo/UTC", "UTC" },
        { "../usr/share/zoneinfo/America/Argentina/Salta", "America/Argentina/Salta" },
        { "/usr/share/zoneinfo/", NULL },
        { "/usr/share/zoneinfo", NULL },
        { "/usr/share/zoneinfo//UTC", NULL },
        { "/usr/share/zoneinfo/Europe/", NULL },
        { "/usr/share/zoneinfo/../../../etc/shadow", NULL },
        { "/usr/share/zoneinfo/Europe/../../../../etc/shadow", NULL },
        { "/usr/share/zoneinfo/./UTC", NULL },
        { "/usr/share/zoneinfo/Europe//Paris", NULL },
        { "/etc/shadow", NULL },
        { "../../usr/share/zoneinfo/UTC", NULL },
        { "", NULL },
};

static void test_links(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_STR(timezone_of_link(rows[i].target), rows[i].zone, "row %zu '%s'", i,
                          rows[i].target);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_links) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
