/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules for devices: the program is run as the kernel would, and says of each device and way to use it what
 * the last rule that speaks of both says; and the kernel takes it. */
#include "spawn/oci-devices.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "device-run.h"

static OciConfig *parse(const char *devices) {
        _cleanup_free_ char *text = str_format(
                "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},"
                "\"linux\":{\"resources\":{\"devices\":[%s]}}}",
                devices);
        OciConfig *c = NULL;
        Error e = {};

        assert_non_null(text);
        CHECK_EQ(oci_config_parse(text, &c, &e), 0, "%s: %s", text, e.text);
        return c;
}

static bool ask(const DevicePolicy *p, char type, unsigned major, unsigned minor, const char *how) {
        uint32_t access = (strchr(how, 'r') ? BPF_DEVCG_ACC_READ : 0U) |
                          (strchr(how, 'w') ? BPF_DEVCG_ACC_WRITE : 0U) |
                          (strchr(how, 'm') ? BPF_DEVCG_ACC_MKNOD : 0U);
        struct bpf_cgroup_dev_ctx c = { .access_type = access << 16 |
                                                       (type == 'b' ? BPF_DEVCG_DEV_BLOCK
                                                                    : BPF_DEVCG_DEV_CHAR),
                                        .major = major,
                                        .minor = minor };

        return device_run(p, &c) == 1;
}

#define DENY_ALL "{\"allow\":false,\"access\":\"rwm\"}"

static const struct {
        const char *rules;
        struct {
                char type;
                unsigned major, minor;
                const char *how;
                bool want;
        } asked[10];
} rows[] = {
        { DENY_ALL,
          { { 'c', 1, 3, "rw", true },
            { 'c', 136, 77, "rw", true },
            { 'c', 10, 229, "m", true },
            { 'c', 10, 229, "r", false },
            { 'b', 8, 0, "m", true },
            { 'b', 8, 0, "rm", false },
            { 'b', 1, 3, "r", false } } },
        { "{\"allow\":true,\"type\":\"a\"}",
          { { 'b', 8, 0, "rwm", true }, { 'c', 10, 229, "rwm", true } } },
        { "{\"allow\":true,\"type\":\"a\",\"access\":\"r\",\"major\":1}",
          { { 'b', 8, 0, "rwm", true } } },
        { DENY_ALL ",{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":229,\"access\":\"rw\"}",
          { { 'c', 10, 229, "r", true },
            { 'c', 10, 229, "rw", true },
            { 'c', 10, 228, "r", false },
            { 'c', 11, 229, "r", false },
            { 'b', 10, 229, "r", false } } },
        { DENY_ALL ",{\"allow\":true,\"type\":\"b\",\"major\":8},"
                   "{\"allow\":false,\"type\":\"b\",\"major\":8,\"minor\":1,\"access\":\"w\"}",
          { { 'b', 8, 0, "rw", true },
            { 'b', 8, 1, "r", true },
            { 'b', 8, 1, "w", false },
            { 'b', 8, 1, "rw", false },
            { 'b', 8, 1, "rm", true },
            { 'b', 9, 1, "r", false } } },
        /* The last one counts, for each way of use. */
        { "{\"allow\":true,\"type\":\"c\",\"major\":10,\"access\":\"r\"},"
          "{\"allow\":true,\"type\":\"c\",\"minor\":7,\"access\":\"w\"}," DENY_ALL
          ",{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":-1,\"access\":\"r\"}",
          { { 'c', 10, 7, "r", true }, { 'c', 10, 7, "w", false }, { 'c', 10, 8, "r", true } } },
        { "{\"allow\":true},{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":11}",
          { { 'c', 1, 11, "r", false }, { 'c', 1, 11, "m", true }, { 'c', 1, 12, "r", true } } },
        /* What every container has cannot be taken away, as runc has it. */
        { DENY_ALL ",{\"allow\":false,\"type\":\"c\",\"major\":1,\"minor\":3}",
          { { 'c', 1, 3, "rw", true } } },
        { DENY_ALL ",{\"allow\":true,\"type\":\"u\",\"major\":10,\"minor\":1},"
                   "{\"allow\":true,\"type\":\"p\"}",
          { { 'c', 10, 1, "r", true }, { 'c', 10, 2, "r", false }, { 'b', 10, 1, "r", false } } },
        { "{\"allow\":true,\"type\":\"c\",\"major\":10,\"minor\":1048575}",
          { { 'c', 10, 1048575, "r", true }, { 'c', 10, 0, "r", false } } },
};

static void test_rules(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(oci_config_freep) OciConfig *c = parse(rows[i].rules);
                _cleanup_(device_policy_done) DevicePolicy p = {};
                Error e = {};

                CHECK_EQ(oci_devices_policy(c, &p, &e), 0, "row %zu: %s", i, e.text);
                for (size_t k = 0; k < ELEMENTSOF(rows[i].asked) && rows[i].asked[k].how; k++)
                        CHECK_EQ(ask(&p, rows[i].asked[k].type, rows[i].asked[k].major,
                                     rows[i].asked[k].minor, rows[i].asked[k].how),
                                 rows[i].asked[k].want, "row %zu, %zu", i, k);
        }
}

static void test_refused(void **state) {
        _cleanup_(oci_config_freep) OciConfig *c = parse("{\"allow\":true,\"major\":-2}");
        DevicePolicy p = {};
        Error e = {};

        CHECK_EQ(oci_devices_policy(c, &p, &e), -EINVAL, "number");
        assert_non_null(strstr(e.text, "-2"));
        assert_null(p.insns);
}

/* Without rules: what all have, and its own. */
static void test_none(void **state) {
        static const char
                text[] = "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{"
                         "\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,"
                         "\"minor\":229},{\"path\":\"/p\",\"type\":\"p\"}]}}";
        _cleanup_(oci_config_freep) OciConfig *c = NULL;
        _cleanup_(device_policy_done) DevicePolicy p = {};
        Error e = {};

        CHECK_EQ(oci_config_parse(text, &c, &e), 0, "%s", e.text);
        CHECK_EQ(oci_devices_policy(c, &p, &e), 0, "%s", e.text);
        assert_true(ask(&p, 'c', 1, 3, "rw") && ask(&p, 'c', 10, 229, "rwm"));
        assert_false(ask(&p, 'c', 10, 228, "r") || ask(&p, 'b', 8, 0, "r"));
}

/* It is loaded and attached to nothing. */
static void test_kernel_takes_it(void **state) {
        _cleanup_(buf_done) Buf text = {};
        _cleanup_(device_policy_done) DevicePolicy p = {};
        Error e = {};

        for (unsigned i = 0; i < 200; i++)
                assert_int_equal(
                        buf_printf(&text,
                                   "%s{\"allow\":%s,\"type\":\"c\",\"major\":%u,\"minor\":%u}",
                                   i ? "," : "", i % 3 ? "true" : "false", i, i * 7),
                        0);
        _cleanup_(oci_config_freep) OciConfig *c = parse(text.p);
        CHECK_EQ(oci_devices_policy(c, &p, &e), 0, "%s", e.text);
        union bpf_attr a = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                             .insns = (uintptr_t) p.insns,
                             .insn_cnt = (uint32_t) p.n,
                             .license = (uintptr_t) "LGPL-2.1-or-later" };
        _cleanup_fd_ int fd = (int) syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a);
        if (fd < 0 && (errno == EPERM || errno == ENOSYS))
                skip();
        CHECK_EQ(fd >= 0, true, "%s", strerror(errno));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rules),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_none),
                cmocka_unit_test(test_kernel_takes_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
