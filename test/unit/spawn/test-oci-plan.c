/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the documents of bundles come to: mounts, rights, parameters of the kernel. With UPDATE_GOLDEN=1 the
 * golden files are written anew. */
#include "check.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "spawn/oci-kernel.h"
#include "spawn/oci-plan.h"
#include "spawn/oci-spec.h"

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

static int plan(OciConfig *config, bool users, MountPlan *ret, Error *e) {
        Spec spec;

        spec_init(&spec);
        spec.oci = config;
        spec.oci_bundle = (char *) "/bundle";
        spec.share_cgroup = !oci_spec_has_new(config, OCI_NAMESPACE_CGROUP);
        spec.private_users = users ? PRIVATE_USERS_FIXED : PRIVATE_USERS_NO;
        return oci_mount_plan(&spec, ret, e);
}

static void check_golden(const char *name, const char *text) {
        _cleanup_free_ char *path = str_format("%s/oci-%s.txt", getenv("GOLDEN"), name);
        _cleanup_free_ char *wanted = NULL;

        assert_non_null(path);
        if (getenv("UPDATE_GOLDEN"))
                assert_true(file_write(AT_FDCWD, path, text, O_CREAT | O_TRUNC, 0644) >= 0);
        assert_true(file_read(AT_FDCWD, path, 1 << 20, &wanted, NULL) >= 0);
        CHECK_STR(text, wanted, "%s", name);
}

static void test_golden(void **state) {
        static const char *const names[] = { "runc-spec",  "crun-spec",      "runc-spec-rootless",
                                             "podman-5.4", "containerd-1.7", "docker-24" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_(oci_config_freep) OciConfig *c = document(names[i]);
                _cleanup_(mount_plan_done) MountPlan p = {};
                _cleanup_(buf_done) Buf text = {};
                Error e = {};

                CHECK_EQ(plan(c, true, &p, &e), 0, "%s: %s", names[i], e.text);
                assert_int_equal(mount_plan_format(&p, &text), 0);
                check_golden(names[i], text.p);
        }
}

#define DOCUMENT(mounts)                                                                           \
        "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"mounts\":[" mounts "]}"

/* One mount, and the line of the plan that it is. */
static void test_mounts(void **state) {
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "{\"destination\":\"/a\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":[\"size=1m\",\"nodev\"]}",
                  "  inner tmpfs /a rw,nodev,size=1m,source=t" },
                { "{\"destination\":\"a//b/\",\"type\":\"tmpfs\",\"options\":[\"rw\",\"ro\"]}",
                  "  inner tmpfs /a/b rw" },
                { "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"x\"}",
                  "  inner bind /a rw from /bundle/x" },
                { "{\"destination\":\"/a\",\"source\":\"/x\",\"options\":[\"rbind\",\"rro\",\"rslave\",\"exec\"]}",
                  "  inner bind /a ro from /x with-mounts not-noexec all-mounts: ro rslave" },
                { "{\"destination\":\"/a\",\"source\":\"/x\",\"options\":[\"bind\",\"ro\",\"rw\",\"shared\"]}",
                  "  inner bind /a rw from /x not-ro shared" },
                { "{\"destination\":\"/a\",\"type\":\"none\",\"source\":\"/x\",\"options\":[\"bind\",\"idmap\"]}",
                  "  inner bind /a rw from /x idmap" },
                { "{\"destination\":\"/a\",\"type\":\"ext4\",\"source\":\"/dev/x\",\"options\":[\"noload\"]}",
                  "  inner ext4 /a rw,noload,source=/dev/x" },
                { "{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"tmpcopyup\"]}",
                  "  inner tmpfs /a rw filled" },
                { "{\"destination\":\"/c\",\"type\":\"cgroup\",\"source\":\"c\",\"options\":[\"ro\",\"name=x\"]}",
                  "  inner cgroup2 /c ro" },
                { "{\"destination\":\"/a\",\"type\":\"bind\"}", NULL },
                { "{\"destination\":\"/a\"}", NULL },
                { "{\"destination\":\"/\",\"type\":\"tmpfs\"}", NULL },
                { "{\"destination\":\"/a\",\"type\":\"tmpfs\",\"options\":[\"idmap\"]}", NULL },
                { "{\"destination\":\"/a\",\"source\":\"/x\",\"options\":[\"bind\",\"tmpcopyup\"]}",
                  NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *text = str_format(DOCUMENT("%s"), rows[i].in);
                _cleanup_(oci_config_freep) OciConfig *c = parse(text);
                _cleanup_(mount_plan_done) MountPlan p = {};
                _cleanup_(buf_done) Buf lines = {};
                Error e = {};
                int r = plan(c, true, &p, &e);

                CHECK_EQ(r, rows[i].out ? 0 : -EINVAL, "row %zu: %s", i, e.text);
                if (r < 0)
                        continue;
                assert_int_equal(mount_plan_format(&p, &lines), 0);
                lines.p[strcspn(lines.p, "\n")] = '\0';
                CHECK_STR(lines.p, rows[i].out, "row %zu", i);
        }
}

/* Without users of its own there is nothing that a mount could map to. */
static void test_idmap_needs_users(void **state) {
        _cleanup_(oci_config_freep) OciConfig *c = parse(DOCUMENT(
                "{\"destination\":\"/a\",\"source\":\"/x\",\"options\":[\"bind\",\"idmap\"]}"));
        _cleanup_(mount_plan_done) MountPlan p = {};

        assert_int_equal(plan(c, false, &p, NULL), -EINVAL);
}

/* What somebody else's /dev has is not ours to make. */
static void test_dev_of_the_host(void **state) {
        _cleanup_(oci_config_freep) OciConfig *c = parse(
                DOCUMENT("{\"destination\":\"/dev\",\"source\":\"/dev\",\"options\":[\"rbind\"]}"));
        _cleanup_(mount_plan_done) MountPlan p = {};

        assert_int_equal(plan(c, false, &p, NULL), 0);
        for (size_t i = 0; i < p.n; i++)
                assert_int_not_equal(p.items[i].type, MOUNT_NODES);
}

static void test_options(void **state) {
        _cleanup_strv_ char **known = NULL;
        char *given[] = { (char *) "noatime", (char *) "nodev", (char *) "a=b",
                          (char *) "dev",     (char *) "",      (char *) "bind",
                          (char *) "rbind",   (char *) "x",     NULL };
        _cleanup_free_ char *rest = NULL;
        MountView v;

        assert_int_equal(oci_mount_options(given, &v, &rest), 0);
        assert_string_equal(rest, "a=b,x");
        assert_int_equal(v.set, MOUNT_ATTR_NOATIME);
        assert_int_equal(v.clear, MOUNT_ATTR__ATIME | MOUNT_ATTR_NODEV);
        assert_true(v.bind && v.recursive);

        /* What is offered is understood, and the kernel takes what is made of it: either all of the times or none. */
        assert_int_equal(oci_mount_options_help(&known), 0);
        STRV_FOREACH(name, known) {
                char *one[] = { *name, NULL };
                _cleanup_free_ char *left = NULL;

                assert_int_equal(oci_mount_options(one, &v, &left), 0);
                CHECK_STR(left, NULL, "%s", *name);
                CHECK_EQ(v.set & MOUNT_ATTR__ATIME ? v.clear & MOUNT_ATTR__ATIME
                                                   : MOUNT_ATTR__ATIME,
                         MOUNT_ATTR__ATIME, "%s", *name);
                CHECK_EQ(v.set & v.clear & ~(uint64_t) MOUNT_ATTR__ATIME, 0, "%s", *name);
        }
}

static void test_rights(void **state) {
        char *some[] = { (char *) "CAP_KILL", (char *) "CAP_CHOWN", (char *) "CAP_OF_TOMORROW",
                         NULL };
        char *kill[] = { (char *) "CAP_KILL", NULL };
        const OciCapabilities c = {
                .bounding = some, .permitted = some, .inheritable = kill, .ambient = some
        };
        PlanRights r;

        oci_plan_rights(&c, &r);
        assert_int_equal(r.bounding, 1 << CAP_KILL | 1 << CAP_CHOWN);
        assert_int_equal(r.permitted, r.bounding);
        assert_int_equal(r.effective, 0);
        assert_int_equal(r.ambient, 1 << CAP_KILL);
        oci_plan_rights(NULL, &r);
        assert_true(r.exact && !r.bounding && !r.permitted);
}

static void test_sysctl(void **state) {
        static const struct {
                const char *name, *path;
        } rows[] = {
                { "net.ipv4.ip_forward", "net/ipv4/ip_forward" },
                { "net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding" },
                { "net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding" },
                { "fs.mqueue.msg_max", "fs/mqueue/msg_max" },
                { "kernel.shm_rmid_forced", "kernel/shm_rmid_forced" },
                { "kernel.domainname", NULL },
                { "kernel.hostname", NULL },
                { "kernel.core_pattern", NULL },
                { "vm.swappiness", NULL },
                { "net", NULL },
                { "net/../vm/swappiness", NULL },
                { "net..ipv4", NULL },
                { "/net/ipv4", NULL },
                { "", NULL },
        };
        _cleanup_(oci_config_freep) OciConfig *c = parse(
                "{\"ociVersion\":\"1.0.0\",\"linux\":{\"namespaces\":[{\"type\":\"network\"},"
                "{\"type\":\"ipc\",\"path\":\"/x\"}]}}");

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *path = NULL;

                CHECK_EQ(oci_kernel_check_sysctl(c, rows[i].name, &path, NULL),
                         rows[i].path ? 0 : -EINVAL, "row %zu", i);
                CHECK_STR(path, rows[i].path, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_mounts),
                cmocka_unit_test(test_idmap_needs_users),
                cmocka_unit_test(test_dev_of_the_host),
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_rights),
                cmocka_unit_test(test_sysctl),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
