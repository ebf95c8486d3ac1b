/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check-varlink.h"

#include "importer/import-front.h"

static const VarlinkInterface *const all[] = { &import_interface, &import_skep_interface };

static void test_descriptions_tell_all_methods_and_parameters(void **state) {
        check_interfaces(all, ELEMENTSOF(all));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_descriptions_tell_all_methods_and_parameters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
