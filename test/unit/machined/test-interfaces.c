/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check-varlink.h"

#include "machined/front.h"

static const VarlinkInterface *const all[] = { &machine_interface, &image_interface,
                                               &life_interface,    &varlink_service_interface,
                                               &user_interface,    &hook_interface };

static void test_descriptions_tell_all_methods_and_parameters(void **state) {
        check_interfaces(all, ELEMENTSOF(all));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_descriptions_tell_all_methods_and_parameters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
