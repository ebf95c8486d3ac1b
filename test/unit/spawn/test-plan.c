/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plans of whole machines against golden files, as --dry-run prints them. With UPDATE_GOLDEN=1 the files
 * are written anew. */
#include "check.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "spawn/plan.h"

static void make(Spec *s) {
        spec_init(s);
        assert_se(str_replace(&s->directory, "/var/lib/machines/one") >= 0);
        assert_se(str_replace(&s->machine, "one") >= 0);
        s->console = CONSOLE_PIPE;
}

static void add(Spec *s, CustomMountType type, const char *source, const char *target,
                const char *options) {
        CustomMount m = { .type = type };

        assert_se(str_replace(&m.source, source) >= 0 && str_replace(&m.target, target) >= 0 &&
                  str_replace(&m.options, options) >= 0 && spec_add_mount(s, &m) >= 0);
}

static void as_command(Spec *s) {
        assert_se(strv_append(&s->argv, "/bin/true") >= 0 && strv_append(&s->argv, "a b") >= 0);
}

static void as_system(Spec *s) {
        s->start = START_BOOT;
        s->console = CONSOLE_READ_ONLY;
        s->private_users = PRIVATE_USERS_PICK;
        s->network.veth = true;
}

static void with_mounts(Spec *s) {
        s->start = START_AS_PID2;
        s->private_users = PRIVATE_USERS_FIXED;
        s->private_users_map = id_ranges_one(0, 0x100000, 65536);
        s->ephemeral = true;
        add(s, CUSTOM_MOUNT_BIND_READ_ONLY, "/usr/share/doc", "/srv/b", NULL);
        add(s, CUSTOM_MOUNT_TMPFS, NULL, "/srv", NULL);
        add(s, CUSTOM_MOUNT_TMPFS, NULL, "/srv/a", "ro,noexec,dev,size=1m");
        add(s, CUSTOM_MOUNT_BIND, "+/etc", "/srv/c", NULL);
        add(s, CUSTOM_MOUNT_BIND, "/dev/null", "/proc/version", NULL);
        add(s, CUSTOM_MOUNT_BIND, "", "/srv/d", NULL);
        add(s, CUSTOM_MOUNT_OVERLAY, "", "/srv/e", NULL);
        assert_se(strv_append(&s->mounts[6].layers, "/usr") >= 0 &&
                  strv_append(&s->mounts[6].layers, "+/usr") >= 0);
        add(s, CUSTOM_MOUNT_OVERLAY_READ_ONLY, NULL, "/srv/f", NULL);
        assert_se(strv_append(&s->mounts[7].layers, "/etc") >= 0 &&
                  strv_append(&s->mounts[7].layers, "/opt") >= 0);
        add(s, CUSTOM_MOUNT_INACCESSIBLE, NULL, "/etc/shadow", NULL);
        add(s, CUSTOM_MOUNT_INACCESSIBLE, NULL, "/proc/uptime", NULL);
        s->mounts[0].idmap = MOUNT_IDMAP_ALL;
}

static void as_view(Spec *s) {
        s->volatile_mode = VOLATILE_STATE;
        s->private_users = PRIVATE_USERS_PICK;
        assert_se(str_replace(&s->pivot_new, "/deploy") >= 0 &&
                  str_replace(&s->pivot_old, "/sysroot") >= 0);
}

static void as_host(Spec *s) {
        s->start = START_BOOT;
        s->network.private = true;
        s->api_vfs = API_VFS_WRITABLE;
        s->capabilities_add = UINT64_MAX;
        s->capabilities_drop = UINT64_C(1) << CAP_SYS_MODULE;
        assert_se(strv_append(&s->environment, "PATH=/opt/bin") >= 0);
}

/* Blots out what hangs on where the test runs. */
static void hide_line(char *text, const char *label) {
        char *value = strstr(text, label);

        assert_non_null(value);
        value += strlen(label);
        memset(value, '-', strcspn(value, "\n"));
        memmove(value + 1, value + strcspn(value, "\n"), strlen(value + strcspn(value, "\n")) + 1);
}

static char *format(void (*change)(Spec *)) {
        _cleanup_(spec_done) Spec s;
        _cleanup_(plan_done) Plan p = {};
        _cleanup_(facts_done) Facts f = { .devices = { .has_fuse = true, .has_tun = true },
                                          .personality = PERSONALITY_UNSET };
        Buf out = {};
        IdPlan ids;

        make(&s);
        change(&s);
        assert_se(id128_parse("00112233445566778899aabbccddeeff", &f.uuid) >= 0);
        assert_se(id128_parse("ffeeddccbbaa99887766554433221100", &f.boot_id) >= 0);
        assert_se(strv_append(&f.host, "container_host_id=debian") >= 0);
        assert_se(strv_append(&f.terminal, "TERM=xterm") >= 0);
        assert_int_equal(id_plan_make(&s, 0, 0, 0x10000000, &ids, NULL), 0);
        assert_int_equal(plan_make(&s, &f, &ids, &p, NULL), 0);
        assert_int_equal(plan_format(&s, &p, &out), 0);
        hide_line(out.p, "control group: ");
        return out.p;
}

static void test_golden(void **state) {
        static const struct {
                const char *name;
                void (*change)(Spec *);
        } rows[] = {
                { "plan-command.txt", as_command }, { "plan-system.txt", as_system },
                { "plan-mounts.txt", with_mounts }, { "plan-host.txt", as_host },
                { "plan-view.txt", as_view },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *path = str_format("%s/%s", getenv("GOLDEN"), rows[i].name);
                _cleanup_free_ char *is = format(rows[i].change), *should = NULL;

                if (getenv("UPDATE_GOLDEN"))
                        assert_se(file_write(AT_FDCWD, path, is, O_CREAT | O_TRUNC, 0644) >= 0);
                CHECK_EQ(file_read(AT_FDCWD, path, 1 << 20, &should, NULL), 0, "%s", path);
                CHECK_STR(is, should, "%s", rows[i].name);
        }
}

/* What is below must come after what is above, whatever the order on the command line. */
static void test_order(void **state) {
        _cleanup_(spec_done) Spec s;
        _cleanup_(mount_plan_done) MountPlan p = {};
        ssize_t srv = -1, a = -1;

        (void) state;
        make(&s);
        with_mounts(&s);
        assert_int_equal(mount_plan(&s, &s.private_users_map, &p, NULL), 0);
        for (size_t i = 0; i < p.n; i++) {
                if (streq(p.items[i].target, "/srv"))
                        srv = (ssize_t) i;
                if (streq(p.items[i].target, "/srv/a")) {
                        a = (ssize_t) i;
                        CHECK_EQ(p.items[i].attributes,
                                 MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_STRICTATIME,
                                 "options of a tmpfs");
                }
                if (streq(p.items[i].target, "/proc/version"))
                        CHECK_EQ(p.items[i].phase, PHASE_INNER, "below /proc");
        }
        assert_true(srv >= 0 && a > srv);
}

static const struct {
        PrivateUsers mode;
        Ownership ownership;
        uid_t owner, base;
        int r;
        uid_t ret_base;
        bool idmapped, chown;
        uid_t from;
} id_rows[] = {
        { PRIVATE_USERS_NO, OWNERSHIP_AUTO, 0, 0, 0, 0, false },
        { PRIVATE_USERS_IDENTITY, OWNERSHIP_AUTO, 0, 0, 0, 0, false },
        { PRIVATE_USERS_PICK, OWNERSHIP_AUTO, 0, 0x10000000, 0, 0x10000000, true },
        { PRIVATE_USERS_PICK, OWNERSHIP_OFF, 0, 0x10000000, 0, 0x10000000, false },
        { PRIVATE_USERS_PICK, OWNERSHIP_AUTO, 0x10000000, 0x10000000, 0, 0x10000000, false },
        { PRIVATE_USERS_PICK, OWNERSHIP_MAP, 0x10000005, 0x10000000, 0, 0x10000000, false },
        { PRIVATE_USERS_OWNER, OWNERSHIP_AUTO, 0x00090000, 0, 0, 0x00090000, false },
        { PRIVATE_USERS_OWNER, OWNERSHIP_AUTO, 0x00090001, 0, -EINVAL, 0, false },
        { PRIVATE_USERS_FIXED, OWNERSHIP_DEFAULT, 0, 0, 0, 0x20000, false },
        { PRIVATE_USERS_FIXED, OWNERSHIP_AUTO, 0, 0, 0, 0x20000, true },
        { PRIVATE_USERS_FIXED, OWNERSHIP_MAP, 0, 0, 0, 0x20000, true },
        { PRIVATE_USERS_FIXED, OWNERSHIP_MAP, 0x20000, 0, 0, 0x20000, false },
        /* a tree in a range of somebody else's, or of nobody's */
        { PRIVATE_USERS_FIXED, OWNERSHIP_MAP, 0x30000, 0, 0, 0x20000, true, false, 0x30000 },
        { PRIVATE_USERS_FIXED, OWNERSHIP_MAP, 1000, 0, 0, 0x20000, true },
        { PRIVATE_USERS_PICK, OWNERSHIP_DEFAULT, ID_FOREIGN_BASE, 0x10000000, 0, 0x10000000, true,
          false, ID_FOREIGN_BASE },
        { PRIVATE_USERS_PICK, OWNERSHIP_FOREIGN, ID_FOREIGN_BASE + 5, 0x10000000, 0, 0x10000000,
          true, false, ID_FOREIGN_BASE },
        { PRIVATE_USERS_IDENTITY, OWNERSHIP_FOREIGN, ID_FOREIGN_BASE, 0, 0, 0, true, false,
          ID_FOREIGN_BASE },
        { PRIVATE_USERS_PICK, OWNERSHIP_FOREIGN, 0, 0x10000000, -EINVAL, 0, false },
        { PRIVATE_USERS_PICK, OWNERSHIP_CHOWN, 0, 0x10000000, 0, 0x10000000, false, true },
        { PRIVATE_USERS_FIXED, OWNERSHIP_CHOWN, 0x20000, 0, 0, 0x20000, false, true },
        /* changing owners was interrupted */
        { PRIVATE_USERS_PICK, OWNERSHIP_DEFAULT, ID_INTERRUPTED_BASE, 0x10000000, 0, 0x10000000,
          false, true },
        { PRIVATE_USERS_FIXED, OWNERSHIP_OFF, ID_INTERRUPTED_BASE, 0, -EUCLEAN, 0, false },
        { PRIVATE_USERS_OWNER, OWNERSHIP_OFF, ID_INTERRUPTED_BASE, 0, -EUCLEAN, 0, false },
        { PRIVATE_USERS_FIXED, OWNERSHIP_MAP, ID_INTERRUPTED_BASE, 0, -EUCLEAN, 0, false },
};

static void test_ids(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(id_rows); i++) {
                _cleanup_(spec_done) Spec s;
                IdPlan p = {};

                make(&s);
                s.private_users = id_rows[i].mode;
                s.ownership = id_rows[i].ownership;
                s.private_users_map = id_ranges_one(0, 0x20000, 65536);
                CHECK_EQ(id_plan_make(&s, id_rows[i].owner, id_rows[i].owner, id_rows[i].base, &p,
                                      NULL),
                         id_rows[i].r, "row %zu", i);
                CHECK_EQ(p.base, id_rows[i].ret_base, "row %zu", i);
                CHECK_EQ(p.idmapped, id_rows[i].idmapped, "row %zu", i);
                CHECK_EQ(p.chown, id_rows[i].chown, "row %zu", i);
                CHECK_EQ(p.from, id_rows[i].from, "row %zu", i);
        }
}

static void test_candidates(void **state) {
        (void) state;
        for (unsigned n = 0; n < 100; n++) {
                uid_t base = id_plan_candidate("some-machine", n);
                CHECK_EQ(id_plan_base_is_good(base), true, "candidate %u", n);
                CHECK_EQ(base, id_plan_candidate("some-machine", n), "candidate %u", n);
        }
        assert_true(id_plan_candidate("a", 0) != id_plan_candidate("b", 0));
        assert_false(id_plan_base_is_good(0));
        assert_false(id_plan_base_is_good(ID_PICK_MIN + 1));
        assert_false(id_plan_base_is_good(ID_PICK_MAX + 0x10000));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_ids),
                cmocka_unit_test(test_candidates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
