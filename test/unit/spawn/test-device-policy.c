/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device policy, run as the kernel would run it: for every device around those of a list it must say
 * what the list says. */
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "check.h"
#include "device-run.h"
#include "spawn/device-policy.h"

typedef struct Allowed {
        bool block;
        unsigned major, minor;
        unsigned access;
} Allowed;

static bool is_allowed(const Allowed *list, size_t n, bool block, unsigned major, unsigned minor,
                       unsigned access) {
        for (size_t i = 0; i < n; i++)
                if (list[i].block == block && list[i].major == major &&
                    (list[i].minor == UINT32_MAX || list[i].minor == minor) &&
                    (access & ~list[i].access) == 0)
                        return true;
        return false;
}

static unsigned kernel_bits(unsigned access) {
        return (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0U) |
               (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0U) |
               (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0U);
}

static void test_it_says_what_the_list_says(void **state) {
        enum { R = DEVICE_READ, W = DEVICE_WRITE, M = DEVICE_MKNOD };
        DeviceNode given_nodes[] = {
                { .mode = S_IFBLK | 0660, .number = makedev(8, 95), .policy = R },
                { .mode = S_IFCHR | 0660, .number = makedev(1, 11), .policy = R | W },
                { .mode = S_IFCHR | 0660, .number = makedev(10, 1048575), .policy = R | W | M },
        };
        const DeviceNodes given = { .v = given_nodes, .n = ELEMENTSOF(given_nodes) }, none = {};
        const Allowed list[] = {
                { true, 8, 95, R },
                { false, 1, 11, R | W },
                { false, 10, 1048575, R | W | M },
                { false, 5, 2, R | W | M },
                { false, 136, UINT32_MAX, R | W },
                { true, 0, 0, M },
                { false, 1, 3, R | W | M },
                { false, 1, 30, R | W | M },
                { false, 1, 31, R | W | M },
                { false, 10, 229, R | W | M },
        };
        static const unsigned minors[] = { 0,   1,   2,   3,      4,         10,      11,     12,
                                           29,  30,  31,  32,     61,        62,      63,     64,
                                           67,  94,  95,  96,     127,       128,     228,    229,
                                           230, 255, 256, 3 + 64, 11 + 4096, 1048574, 1048575 };
        NodePlan dev = { .n = 4 };
        DevicePolicy p;

        dev.nodes[0] = (Node){ .mode = S_IFCHR | 0666, .major = 1, .minor = 3 };
        dev.nodes[1] = (Node){ .mode = S_IFCHR | 0666, .major = 1, .minor = 30 };
        dev.nodes[2] = (Node){ .mode = S_IFCHR | 0666, .major = 1, .minor = 31 };
        dev.nodes[3] = (Node){ .mode = S_IFCHR | 0666, .major = 10, .minor = 229 };
        assert_int_equal(device_policy_make(&dev, &given, &none, &p), 0);
        for (unsigned type = 0; type < 2; type++)
                for (unsigned major = 0; major < 140; major++)
                        for (size_t m = 0; m < ELEMENTSOF(minors); m++)
                                for (unsigned access = 1; access < 8; access++) {
                                        struct bpf_cgroup_dev_ctx c = {
                                                .access_type = kernel_bits(access) << 16 |
                                                               (type ? BPF_DEVCG_DEV_BLOCK
                                                                     : BPF_DEVCG_DEV_CHAR),
                                                .major = major,
                                                .minor = minors[m],
                                        };
                                        bool want = is_allowed(list, ELEMENTSOF(list), type, major,
                                                               minors[m], access);
                                        if (device_run(&p, &c) != want)
                                                fail_msg("%c %u:%u access %u", type ? 'b' : 'c',
                                                         major, minors[m], access);
                                }
        device_policy_done(&p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_says_what_the_list_says),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
