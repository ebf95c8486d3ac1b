/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a device is asked for, and what of that a service manager is told. */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "check.h"
#include "spawn/device.h"

static void test_values(void **state) {
        enum { R = DEVICE_READ, W = DEVICE_WRITE, M = DEVICE_MKNOD };
        static const struct {
                const char *value;
                const char *source, *target; /* NULL = refused */
                unsigned access;
        } rows[] = {
                { "/dev/kvm", "/dev/kvm", "/dev/kvm", R | W | M },
                { "/dev/kvm:rw", "/dev/kvm", "/dev/kvm", R | W },
                { "/dev/kvm:r", "/dev/kvm", "/dev/kvm", R },
                { "/dev/kvm:/dev/a//b/", "/dev/kvm", "/dev/a/b", R | W | M },
                { "/dev/kvm:/dev/a:wm", "/dev/kvm", "/dev/a", W | M },
                { "/srv/x\\:y:/dev/y", "/srv/x:y", "/dev/y", R | W | M },
                { "/dev/dri", "/dev/dri", "/dev/dri", R | W | M },
                { "/dev/nvidia*:rw", "/dev/nvidia*", "/dev/nvidia*", R | W },
                { "", NULL, NULL, 0 },
                { ":/dev/a", NULL, NULL, 0 },
                { "/dev/kvm:", NULL, NULL, 0 },
                { "/dev/kvm:m", NULL, NULL, 0 },
                { "/dev/kvm:rwx", NULL, NULL, 0 },
                { "/dev/kvm:rr", NULL, NULL, 0 },
                { "/dev/kvm:rw:/dev/a", NULL, NULL, 0 },
                { "/dev/kvm:/dev/a:rw:", NULL, NULL, 0 },
                { "/dev/kvm:/dev", NULL, NULL, 0 },
                { "/dev/kvm:/devices/a", NULL, NULL, 0 },
                { "/dev/kvm:/dev/../etc/a", NULL, NULL, 0 },
                { "/srv/kvm", NULL, NULL, 0 },
                { "/dev", NULL, NULL, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(device_list_done) DeviceList l = {};
                const Setting row = {};
                Error e = {};

                CHECK_EQ(device_setting(&row, rows[i].value, &l, &e), rows[i].source ? 0 : -EINVAL,
                         "row %zu %s", i, e.text);
                CHECK_EQ(l.n, rows[i].source != NULL, "row %zu", i);
                if (l.n == 0)
                        continue;
                CHECK_STR(l.v[0].source, rows[i].source, "row %zu", i);
                CHECK_STR(l.v[0].target, rows[i].target, "row %zu", i);
                CHECK_EQ(l.v[0].access, rows[i].access, "row %zu", i);
        }
}

static void test_properties(void **state) {
        DeviceNode v[] = {
                { (char *) "/dev/kvm", (char *) "kvm", S_IFCHR, makedev(10, 232), 0, DEVICE_READ,
                  DEVICE_READ | DEVICE_MKNOD },
                { (char *) "/srv/disk", (char *) "d", S_IFBLK, makedev(8, 17), 0, 3, 3 },
        };
        const DeviceNodes d = { v, ELEMENTSOF(v) };
        _cleanup_strv_ char **words = NULL;

        assert_int_equal(device_properties(&d, &words), 0);
        CHECK_STR(words[0], "DeviceAllow=/dev/kvm rm", "the node has to be made");
        CHECK_STR(words[1], "DeviceAllow=/dev/block/8:17 rw", "a path elsewhere is told by number");
        CHECK_EQ(strv_length(words), 2, "no more");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_properties),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
