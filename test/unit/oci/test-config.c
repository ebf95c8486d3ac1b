/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading config.json: what all of it comes to, and what is wrong with one that is refused. */
#include "check.h"

#include <fcntl.h>

#include "base/fd.h"
#include "oci/config.h"

static OciConfig *parse(const char *text) {
        OciConfig *c = NULL;
        Error e = {};

        if (oci_config_parse(text, &c, &e) < 0)
                print_error("%s\n", e.text);
        assert_non_null(c);
        return c;
}

static OciConfig *document(const char *name) {
        _cleanup_free_ char *path = str_format("%s/%s", getenv("DOCUMENTS"), name), *text = NULL;

        assert_non_null(path);
        assert_true(file_read(AT_FDCWD, path, OCI_DOCUMENT_MAX, &text, NULL) >= 0);
        return parse(text);
}

static void check_process(const OciProcess *p) {
        assert_true(p->terminal);
        assert_int_equal(p->console_size.height.value, 25);
        assert_int_equal(p->console_size.width.value, 80);
        assert_int_equal(p->user.uid.value, 1);
        assert_int_equal(p->user.gid.value, 2);
        assert_int_equal(p->user.umask.value, 022);
        assert_int_equal(p->user.additional_gids.n, 2);
        assert_int_equal(p->user.additional_gids.v[1], 6);
        assert_string_equal(p->args[2], "echo \xc3\xa4");
        assert_null(p->args[3]);
        assert_string_equal(p->env[1], "TERM=xterm");
        assert_string_equal(p->cwd, "/");
        assert_string_equal(p->capabilities->permitted[0], "CAP_KILL");
        assert_null(p->capabilities->inheritable);
        assert_null(p->capabilities->ambient);
        assert_int_equal(p->rlimits.n, 1);
        assert_true(p->rlimits.v[0].hard.value == UINT64_MAX);
        assert_int_equal(p->oom_score_adj.value, -100);
        assert_int_equal(p->io_priority->class, OCI_IO_CLASS_IDLE);
        assert_int_equal(p->scheduler->policy, OCI_SCHED_DEADLINE);
        assert_int_equal(p->scheduler->flags,
                         1 << OCI_SCHED_FLAG_RESET_ON_FORK | 1 << OCI_SCHED_FLAG_DL_OVERRUN);
        assert_string_equal(p->exec_affinity.final, "0-3,7");
}

static void check_resources(const OciResources *r) {
        assert_int_equal(r->devices.n, 2);
        assert_false(r->devices.v[0].allow);
        assert_int_equal(r->devices.v[0].type, OCI_DEVICE_UNSET);
        assert_false(r->devices.v[0].major.set);
        assert_int_equal(r->devices.v[1].minor.value, 229);
        assert_int_equal(r->memory.swap.value, -1);
        assert_true(r->memory.disable_oom_killer.set && !r->memory.disable_oom_killer.value);
        assert_int_equal(r->cpu.burst.value, 10);
        assert_string_equal(r->cpu.mems, "0-7");
        assert_int_equal(r->block_io.weight_devices.v[0].leaf_weight.value, 300);
        assert_int_equal(r->block_io.write_iops.v[0].minor.value, 16);
        assert_int_equal(r->rdma.n, 2);
        assert_string_equal(r->rdma.v[1].name, "rxe3");
        assert_false(r->rdma.v[1].handles.set);
        assert_string_equal(json_pairs_get(&r->unified, "hugetlb.1GB.max"), "1");
        assert_null(json_pairs_get(&r->unified, "x"));
}

static void check_seccomp(const OciSeccomp *s) {
        assert_int_equal(s->default_action, OCI_SECCOMP_ERRNO);
        assert_int_equal(s->rules.n, 2);
        assert_string_equal(s->rules.v[0].names[1], "chmod");
        assert_int_equal(s->rules.v[0].args.v[0].op, OCI_SECCOMP_OP_MASKED_EQ);
        assert_int_equal(s->rules.v[1].errno_return.value, 38);
}

static void test_everything(void **state) {
        _cleanup_(oci_config_freep) OciConfig *c = document("everything");
        const OciLinux *l = &c->linux_;

        (void) state;
        check_process(c->process);
        check_resources(l->resources);
        check_seccomp(l->seccomp);
        assert_true(c->root->readonly);
        assert_string_equal(c->domainname, "d.example");
        assert_int_equal(c->mounts.n, 2);
        assert_int_equal(c->mounts.v[1].uid_mappings.v[0].host.value, 1000);
        assert_int_equal(c->hooks.prestart.v[0].timeout.value, 5);
        assert_string_equal(c->hooks.start_container.v[0].path, "/bin/d");
        assert_int_equal(c->hooks.poststop.n, 2);
        assert_string_equal(json_pairs_get(&c->annotations, "a=b"), "c");
        assert_int_equal(l->namespaces.n, 8);
        assert_string_equal(oci_namespace_find(c, OCI_NAMESPACE_PID)->path, "/proc/1234/ns/pid");
        assert_null(oci_namespace_find(c, OCI_NAMESPACE_TIME)->path);
        assert_int_equal(l->time_offsets.v[1].seconds.value, -604800);
        assert_int_equal(l->devices.v[0].mode.value, 0666);
        assert_int_equal(l->devices.v[1].type, OCI_DEVICE_FIFO);
        assert_int_equal(l->rootfs_propagation, OCI_PROPAGATION_SLAVE);
        assert_string_equal(l->readonly_paths[0], "/proc/sys");
        assert_int_equal(l->personality->domain, OCI_PERSONALITY_LINUX32);
}

/* What each of the documents comes to can be written, and comes to the same again. */
static void test_round_trip(void **state) {
        static const char *const names[] = { "everything",     "runc-spec",  "crun-spec",
                                             "podman-4.3",     "podman-5.4", "containerd-1.6",
                                             "containerd-1.7", "docker-24",  "runc-spec-rootless" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(oci_config_freep) OciConfig *a = document(names[i]), *b = NULL;
                _cleanup_(buf_done) Buf first = {}, second = {};

                assert_int_equal(oci_config_write(a, &first), 0);
                b = parse(first.p);
                assert_int_equal(oci_config_write(b, &second), 0);
                CHECK_STR(first.p, second.p, "%s", names[i]);
        }
}

#define V "\"ociVersion\":\"1.0.2\","

static void test_wrong(void **state) {
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "", "not a JSON text" },
                { "[]", "not an object" },
                { "{}", "ociVersion: missing" },
                { "{\"ociVersion\":null}", "ociVersion: missing" },
                { "{\"ociVersion\":1}", "ociVersion: not a string" },
                { "{\"ociVersion\":\"1.0\"}", "ociVersion: not a semantic version" },
                { "{\"ociVersion\":\"1.0.x\"}", "ociVersion: not a semantic version" },
                { "{\"ociVersion\":\"1.0.0 \"}", "ociVersion: not a semantic version" },
                { "{\"ociVersion\":\"2.0.0\"}", "ociVersion: only versions 1.x are known" },
                { "{\"ociVersion\":\"0.7.0\"}", "ociVersion: only versions 1.x are known" },
                { "{" V "\"hostname\":\"a\",\"hostname\":\"b\"}", "hostname: given twice" },
                { "{" V "\"hostname\":\"a\\u0000\"}", "hostname: not a string that can be used" },
                { "{" V "\"hostname\":\"\xff\"}", "hostname: not UTF-8" },
                { "{" V "\"root\":{}}", "root.path: missing" },
                { "{" V "\"root\":{\"path\":\"\"}}", "root.path: empty" },
                { "{" V "\"root\":{\"path\":\"r\",\"readonly\":1}}",
                  "root.readonly: neither true nor false" },
                { "{" V "\"mounts\":{}}", "mounts: not a list" },
                { "{" V "\"mounts\":[{\"destination\":\"/a\"},{\"type\":\"x\"}]}",
                  "mounts[1].destination: missing" },
                { "{" V "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"ro\",5]}]}",
                  "mounts[0].options[1]: not a string" },
                { "{" V "\"mounts\":[null]}", "mounts[0]: not an object" },
                { "{" V "\"mounts\":[{\"destination\":\"/a\",\"uidMappings\":[{\"containerID\":0,"
                  "\"hostID\":0,\"size\":1}]}]}",
                  "mounts[0]: uidMappings, gidMappings: one without the other" },
                { "{" V "\"process\":{\"cwd\":\"x\"}}", "process.cwd: not an absolute path" },
                { "{" V "\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":-1}}}",
                  "process.user.uid: not a whole number" },
                { "{" V "\"process\":{\"cwd\":\"/\",\"user\":{\"uid\":4294967295}}}",
                  "process.user.uid: out of range" },
                { "{" V "\"process\":{\"cwd\":\"/\",\"user\":{\"umask\":512}}}",
                  "process.user.umask: out of range" },
                { "{" V "\"process\":{\"cwd\":\"/\",\"oomScoreAdj\":1001}}",
                  "process.oomScoreAdj: out of range" },
                { "{" V "\"process\":{\"cwd\":\"/\",\"oomScoreAdj\":1.5}}",
                  "process.oomScoreAdj: not a whole number" },
                { "{" V
                  "\"process\":{\"cwd\":\"/\",\"rlimits\":[{\"type\":\"A\",\"soft\":2,\"hard\":1}]}}",
                  "process.rlimits[0]: soft: above hard" },
                { "{" V
                  "\"process\":{\"cwd\":\"/\",\"rlimits\":[{\"type\":\"A\",\"soft\":1,\"hard\":1},"
                  "{\"type\":\"A\",\"soft\":1,\"hard\":1}]}}",
                  "process: rlimits: one of them is given twice" },
                { "{" V "\"hooks\":{\"poststop\":[{\"path\":\"x\"}]}}",
                  "hooks.poststop[0].path: not an absolute path" },
                { "{" V "\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":0}]}}",
                  "hooks.poststop[0].timeout: out of range" },
                { "{" V "\"annotations\":{\"a\":5}}", "annotations.a: not a string" },
                { "{" V "\"annotations\":{\"a\\n\":\"\",\"a\\n\":\"\"}}",
                  "annotations.a\\n: given twice" },
                { "{" V "\"linux\":{\"namespaces\":[{\"type\":\"mnt\\n\"}]}}",
                  "linux.namespaces[0].type: 'mnt\\n' is unknown" },
                { "{" V "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}}",
                  "linux: namespaces: one type is given twice" },
                { "{" V "\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"x\"}]}}",
                  "linux.namespaces[0]: path: not an absolute path" },
                { "{" V "\"linux\":{\"maskedPaths\":[\"proc\"]}}",
                  "linux.maskedPaths[0]: not an absolute path" },
                { "{" V "\"linux\":{\"timeOffsets\":{\"realtime\":{}}}}",
                  "linux: timeOffsets: only of the clocks monotonic and boottime" },
                { "{" V "\"linux\":{\"timeOffsets\":{\"boottime\":{\"nanosecs\":1000000000}}}}",
                  "linux.timeOffsets.boottime.nanosecs: out of range" },
                { "{" V "\"linux\":{\"devices\":[{\"type\":\"c\",\"path\":\"/dev/x\"}]}}",
                  "linux.devices[0]: major, minor: missing" },
                { "{" V "\"linux\":{\"rootfsPropagation\":\"up\"}}",
                  "linux.rootfsPropagation: 'up' is unknown" },
                { "{" V "\"linux\":{\"resources\":{\"memory\":{\"limit\":\"1\"}}}}",
                  "linux.resources.memory.limit: not a whole number" },
                { "{" V "\"linux\":{\"resources\":{\"memory\":{\"limit\":9223372036854775808}}}}",
                  "linux.resources.memory.limit: out of range" },
                { "{" V "\"linux\":{\"resources\":{\"unified\":{\"../x\":\"1\"}}}}",
                  "linux.resources: unified: what is named there is no file of a control group" },
                { "{" V
                  "\"linux\":{\"resources\":{\"devices\":[{\"allow\":true,\"access\":\"rx\"}]}}}",
                  "linux.resources.devices[0].access: only the letters r, w and m" },
                { "{" V "\"linux\":{\"seccomp\":{}}}", "linux.seccomp.defaultAction: missing" },
                { "{" V "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
                  "[{\"names\":[],\"action\":\"SCMP_ACT_LOG\"}]}}}",
                  "linux.seccomp.syscalls[0]: names: empty" },
                { "{" V "\"linux\":{\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
                  "[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":6}]}]}}}",
                  "linux.seccomp.syscalls[0].args[0].index: out of range" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(oci_config_freep) OciConfig *c = NULL;
                Error e = {};

                CHECK_EQ(oci_config_parse(rows[i].in, &c, &e) < 0, true, "%s", rows[i].in);
                CHECK_STR(e.text, rows[i].out, "%s", rows[i].in);
        }
}

static void test_version(void **state) {
        static const char *const versions[] = { "1.0.0", "1.0.2-dev", "1.1.0+dev",
                                                "1.2.1", "1.0.0-rc5", "1.0.1-dev.1+x" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
                _cleanup_free_ char *text = str_format("{\"ociVersion\":\"%s\"}", versions[i]);
                _cleanup_(oci_config_freep) OciConfig *c = parse(text);
                assert_string_equal(c->version, versions[i]);
        }
}

/* A part of a document, as exec and update are given it. */
static void test_parts(void **state) {
        _cleanup_(oci_process_freep) OciProcess *p = NULL;
        _cleanup_(oci_resources_freep) OciResources *r = NULL;
        Error e = {};

        (void) state;
        assert_int_equal(oci_process_parse("{\"args\":[\"a\"],\"cwd\":\"/\"}", &p, &e), 0);
        assert_string_equal(p->args[0], "a");
        assert_int_equal(oci_resources_parse("{\"pids\":{\"limit\":-1}}", &r, &e), 0);
        assert_int_equal(r->pids.limit.value, -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_everything), cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_wrong),      cmocka_unit_test(test_version),
                cmocka_unit_test(test_parts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
