/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linux.resources as files and as properties; and files written into a directory that plays the group. */
#include "spawn/oci-resources.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "check.h"
#include "spawn/oci-amount.h"
#include "spawn/property.h"

static OciResources *parse(const char *text) {
        OciResources *r = NULL;
        Error e = {};

        CHECK_EQ(oci_resources_parse(text, &r, &e), 0, "%s: %s", text, e.text);
        return r;
}

static const struct {
        const char *text, *files, *properties;
} rows[] = {
        { "{}", "", "" },
        { "{\"memory\":{\"limit\":1048576,\"reservation\":524288,\"swap\":2097152}}",
          "memory.swap.max=1048576;memory.max=1048576;memory.low=524288;",
          "MemoryMax=1048576;MemoryLow=524288;MemorySwapMax=1048576;" },
        { "{\"memory\":{\"limit\":4096,\"swap\":4096}}", "memory.swap.max=0;memory.max=4096;",
          "MemoryMax=4096;MemorySwapMax=0;" },
        { "{\"memory\":{\"limit\":-1}}", "memory.swap.max=max;memory.max=max;",
          "MemoryMax=infinity;MemorySwapMax=infinity;" },
        { "{\"memory\":{\"limit\":4096,\"swap\":-1}}", "memory.swap.max=max;memory.max=4096;",
          "MemoryMax=4096;MemorySwapMax=infinity;" },
        { "{\"memory\":{\"limit\":0,\"reservation\":-1}}", "memory.low=max;",
          "MemoryLow=infinity;" },
        { "{\"memory\":{\"limit\":8192,\"disableOOMKiller\":false,\"useHierarchy\":true}}",
          "memory.max=8192;", "MemoryMax=8192;" },
        { "{\"cpu\":{\"shares\":1024}}", "cpu.weight=39;", "CPUWeight=39;" },
        { "{\"cpu\":{\"shares\":2}}", "cpu.weight=1;", "CPUWeight=1;" },
        { "{\"cpu\":{\"shares\":262144}}", "cpu.weight=10000;", "CPUWeight=10000;" },
        { "{\"cpu\":{\"shares\":0}}", "", "" },
        { "{\"cpu\":{\"quota\":50000,\"period\":100000}}", "cpu.max=50000 100000;",
          "CPUQuota=50%;CPUQuotaPeriodSec=100000us;" },
        { "{\"cpu\":{\"quota\":150000}}", "cpu.max=150000 100000;", "CPUQuota=150%;" },
        { "{\"cpu\":{\"quota\":1005,\"period\":1000000}}", "cpu.max=1005 1000000;",
          "CPUQuota=1%;CPUQuotaPeriodSec=1000000us;" },
        { "{\"cpu\":{\"quota\":-1}}", "cpu.max=max 100000;", "CPUQuota=infinity;" },
        { "{\"cpu\":{\"period\":50000}}", "cpu.max=max 50000;", "CPUQuotaPeriodSec=50000us;" },
        { "{\"cpu\":{\"quota\":20000,\"burst\":10000}}",
          "cpu.max=20000 100000;cpu.max.burst=10000;", "CPUQuota=20%;" },
        { "{\"cpu\":{\"cpus\":\"0-1\",\"mems\":\"0\"}}", "cpuset.cpus=0-1;cpuset.mems=0;",
          "AllowedCPUs=0-1;AllowedMemoryNodes=0;" },
        { "{\"cpu\":{\"idle\":1,\"shares\":512}}", "cpu.weight=20;cpu.idle=1;", "CPUWeight=idle;" },
        { "{\"cpu\":{\"idle\":0,\"shares\":512}}", "cpu.idle=0;cpu.weight=20;", "CPUWeight=20;" },
        { "{\"pids\":{\"limit\":2048}}", "pids.max=2048;", "TasksMax=2048;" },
        { "{\"pids\":{\"limit\":-1}}", "pids.max=max;", "TasksMax=infinity;" },
        { "{\"pids\":{\"limit\":0}}", "pids.max=max;", "TasksMax=infinity;" },
        { "{\"blockIO\":{\"weight\":500,\"leafWeight\":10,\"weightDevice\":[{\"major\":8,\"minor\":0,"
          "\"weight\":1000}]}}",
          "io.weight=500;io.weight=8:0 1000;",
          "IOWeight=4950;IODeviceWeight=/dev/block/8:0 10000;" },
        { "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":600}],"
          "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":16,\"rate\":300},"
          "{\"major\":8,\"minor\":0,\"rate\":0}]}}",
          "io.max=8:0 rbps=600;io.max=8:16 wiops=300;io.max=8:0 wiops=max;",
          "IOReadBandwidthMax=/dev/block/8:0 600;IOWriteIOPSMax=/dev/block/8:16 300;" },
        { "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":9437184}]}",
          "hugetlb.2MB.max=9437184;hugetlb.2MB.rsvd.max=9437184;", "" },
        { "{\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}}}",
          "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;", "" },
        { "{\"unified\":{\"io.max\":\"259:0 rbps=2097152\",\"memory.high\":\"1G\"}}",
          "io.max=259:0 rbps=2097152;memory.high=1G;", "" },
        { "{\"network\":{\"classID\":0,\"priorities\":[]}}", "", "" },
};

static void test_plans(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(oci_resources_freep) OciResources *r = parse(rows[i].text);
                _cleanup_(oci_limits_done) OciLimits l = {};
                _cleanup_(buf_done) Buf files = {}, properties = {};
                _cleanup_strv_ char **words = NULL;
                Error e = {};

                CHECK_EQ(oci_resources_plan(r, &l, NULL, &e), 0, "row %zu: %s", i, e.text);
                for (size_t k = 0; k < l.n; k++)
                        assert_int_equal(buf_printf(&files, "%s=%s;", l.v[k].file, l.v[k].value),
                                         0);
                CHECK_STR(strempty(files.p), rows[i].files, "row %zu", i);

                CHECK_EQ(oci_resources_properties(r, &words, &e), 0, "row %zu: %s", i, e.text);
                STRV_FOREACH(w, words) {
                        assert_int_equal(buf_printf(&properties, "%s;", *w), 0);
                        CHECK_EQ(property_check(*w, &e), 0, "row %zu: %s", i, e.text);
                }
                CHECK_STR(strempty(properties.p), rows[i].properties, "row %zu", i);
        }
}

static void test_refused(void **state) {
        static const struct {
                const char *text, *says;
        } bad[] = {
                { "{\"memory\":{\"swap\":4096}}", "needs a memory.limit" },
                { "{\"memory\":{\"limit\":-1,\"swap\":4096}}", "memory.limit has none" },
                { "{\"memory\":{\"limit\":8192,\"swap\":4096}}", "is less" },
                { "{\"memory\":{\"limit\":-2}}", "-1 or more" },
                { "{\"memory\":{\"swappiness\":60}}", "swappiness" },
                { "{\"memory\":{\"disableOOMKiller\":true}}", "disableOOMKiller" },
                { "{\"cpu\":{\"realtimeRuntime\":950000}}", "real-time" },
                { "{\"cpu\":{\"realtimePeriod\":1000000}}", "real-time" },
                { "{\"cpu\":{\"idle\":2}}", "cpu.idle" },
                { "{\"blockIO\":{\"weight\":9}}", "weights" },
                { "{\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":1001}]}}",
                  "weights" },
                { "{\"hugepageLimits\":[{\"pageSize\":\"2M\",\"limit\":1}]}", "'2M'" },
                { "{\"hugepageLimits\":[{\"pageSize\":\"../2MB\",\"limit\":1}]}", "'../2MB'" },
                { "{\"network\":{\"classID\":7}}", "network" },
                { "{\"network\":{\"priorities\":[{\"name\":\"eth0\",\"priority\":5}]}}",
                  "network" },
                { "{\"rdma\":{\"a b\":{\"hcaHandles\":3}}}", "'a b'" },
                { "{\"unified\":{\"cgroup\":\"1\"}}", "'cgroup'" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(oci_resources_freep) OciResources *r = parse(bad[i].text);
                OciLimits l = {};
                Error e = {};

                if (oci_resources_plan(r, &l, NULL, &e) >= 0)
                        fail_msg("row %zu is taken", i);
                if (!strstr(e.text, bad[i].says) || !str_skip_prefix(e.text, "linux.resources: "))
                        fail_msg("row %zu: %s", i, e.text);
                assert_null(l.v);
        }
}

static void test_notes(void **state) {
        _cleanup_(oci_resources_freep)
                OciResources *r = parse("{\"memory\":{\"limit\":1,\"kernel\":1,\"kernelTCP\":1}}");
        _cleanup_(oci_limits_done) OciLimits l = {};
        _cleanup_(buf_done) Buf notes = {};
        Error e = {};

        CHECK_EQ(oci_resources_plan(r, &l, &notes, &e), 0, "%s", e.text);
        assert_non_null(strstr(notes.p, "kernel's memory"));
}

typedef struct Group {
        char path[32];
        int fd;
} Group;

static void make_file(const Group *g, const char *name) {
        assert_int_equal(file_write(g->fd, name, "", O_CREAT, 0644), 0);
}

static void check_file(const Group *g, const char *name, const char *want) {
        _cleanup_free_ char *got = NULL;

        assert_int_equal(file_read(g->fd, name, 4096, &got, NULL), 0);
        CHECK_STR(got, want, "%s", name);
}

static void group_done(Group *g) {
        (void) path_remove_tree(AT_FDCWD, g->path);
        (void) close(g->fd);
}

static Group make_group(void) {
        Group g = { .path = "/tmp/test-oci-resources.XXXXXX" };

        assert_non_null(mkdtemp(g.path));
        g.fd = open(g.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(g.fd >= 0);
        return g;
}

static int write_resources(const Group *g, const char *text, Buf *notes, Error *e) {
        _cleanup_(oci_resources_freep) OciResources *r = parse(text);

        return oci_resources_write(r, g->fd, notes, e);
}

static void test_write(void **state) {
        _cleanup_(group_done) Group g = make_group();
        _cleanup_(buf_done) Buf notes = {};
        Error e = {};

        make_file(&g, "memory.max");
        make_file(&g, "io.weight");
        CHECK_EQ(write_resources(
                         &g,
                         "{\"memory\":{\"limit\":4096,\"swap\":-1},\"blockIO\":{\"weight\":10}}",
                         &notes, &e),
                 0, "%s", e.text);
        check_file(&g, "memory.max", "4096");
        check_file(&g, "io.weight", "1"); /* converted */
        assert_int_equal(notes.n, 0);     /* no swap at all is no limit of it */

        make_file(&g, "io.bfq.weight");
        CHECK_EQ(write_resources(&g, "{\"blockIO\":{\"weight\":700}}", &notes, &e), 0, "%s",
                 e.text);
        check_file(&g, "io.bfq.weight", "700");

        /* No tree has these two controllers. */
        CHECK_EQ(write_resources(&g, "{\"unified\":{\"skep.max\":\"1\"}}", &notes, &e), -ENOENT,
                 "file");
        assert_non_null(strstr(e.text, "'skep.max'"));
}

static void test_use(void **state) {
        _cleanup_(group_done) Group g = make_group();
        Error e = {};

        make_file(&g, "memory.max");
        assert_int_equal(file_write(g.fd, "memory.current", "5000\n", O_CREAT, 0644), 0);
        CHECK_EQ(write_resources(&g, "{\"memory\":{\"limit\":4096,\"checkBeforeUpdate\":true}}",
                                 NULL, &e),
                 -EBUSY, "too little");
        check_file(&g, "memory.max", "");
        CHECK_EQ(write_resources(&g, "{\"memory\":{\"limit\":4096}}", NULL, &e), 0, "%s", e.text);
        CHECK_EQ(write_resources(&g, "{\"memory\":{\"limit\":5000,\"checkBeforeUpdate\":true}}",
                                 NULL, &e),
                 0, "%s", e.text);
        check_file(&g, "memory.max", "5000");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plans), cmocka_unit_test(test_refused),
                cmocka_unit_test(test_notes), cmocka_unit_test(test_write),
                cmocka_unit_test(test_use),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
