/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "bus/error.h"
#include "bus/log-control.h"

static void test_every_code_has_a_name_and_comes_back(void **state) {
        for (int code = ERR_NO_SUCH_MACHINE; code < _ERR_MAX; code++) {
                const char *name = bus_error_name(-code);
                assert_non_null(name);
                CHECK_EQ(bus_error_code(name), code, "code %d (%s)", code, name);
        }
}

static void test_to_the_bus(void **state) {
        static const struct {
                int code;
                const char *text, *name;
                int err;
        } rows[] = {
                { ERR_NO_SUCH_MACHINE, "No machine 'x' known",
                  "org.freedesktop.machine1.NoSuchMachine", ENXIO },
                { ERR_NO_SUCH_IMAGE, "No image 'x' known", "org.freedesktop.machine1.NoSuchImage",
                  ENOENT },
                { EINVAL, "bad", "org.freedesktop.DBus.Error.InvalidArgs", EINVAL },
                { EBUSY, "image is in use", "System.Error.EBUSY", EBUSY },
                { ENXIO, "100% gone", "System.Error.ENXIO", ENXIO },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;
                Error e = {}, back = {};

                int r = bus_error_set(&error, error_set(&e, rows[i].code, "%s", rows[i].text), &e);
                CHECK_EQ(r, -rows[i].err, "row %zu", i);
                CHECK_STR(error.name, rows[i].name, "row %zu", i);
                CHECK_STR(error.message, rows[i].text, "row %zu", i);

                CHECK_EQ(bus_error_get(&back, -EIO, &error), -rows[i].code, "row %zu", i);
                CHECK_STR(back.text, rows[i].text, "row %zu", i);
                sd_bus_error_free(&error);
        }
}

static void test_without_text(void **state) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Error e = {};

        CHECK_EQ(bus_error_set(&error, -ENOSPC, NULL), -ENOSPC, "plain errno");
        CHECK_STR(error.name, "System.Error.ENOSPC", "plain errno");
        sd_bus_error_free(&error);

        CHECK_EQ(bus_error_get(&e, -ENOTCONN, NULL), -ENOTCONN, "no error object");
        CHECK_STR(e.text, strerror(ENOTCONN), "no error object");
        CHECK_EQ(bus_error_code("com.example.Unheard"), EIO, "unknown name");
}

static void test_bytes_that_are_no_text(void **state) {
        Error e = { .code = -EINVAL, .text = "from a child: \xc3" };
        sd_bus_error error = SD_BUS_ERROR_NULL;

        CHECK_EQ(bus_error_set(&error, -EINVAL, &e), -EINVAL, "code");
        CHECK_STR(error.message, "from a child: ?", "a reply with it can be sent");
        sd_bus_error_free(&error);
}

static void test_levels(void **state) {
        CHECK_EQ(log_level_parse("err"), LOG_ERR, "word");
        CHECK_EQ(log_level_parse("7"), LOG_DEBUG, "digit");
        CHECK_EQ(log_level_parse("8"), -EINVAL, "digit out of range");
        CHECK_EQ(log_level_parse(""), -EINVAL, "empty");
        CHECK_EQ(log_level_parse("infos"), -EINVAL, "longer word");
        CHECK_STR(log_level_name(LOG_NOTICE), "notice", "name");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_code_has_a_name_and_comes_back),
                cmocka_unit_test(test_to_the_bus),
                cmocka_unit_test(test_without_text),
                cmocka_unit_test(test_bytes_that_are_no_text),
                cmocka_unit_test(test_levels),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
