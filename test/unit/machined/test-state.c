/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "machined/state.h"

static Machine *full_machine(void) {
        Machine *m;

        assert_int_equal(machine_new("box-1.example", &m), 0);
        m->class = MACHINE_CONTAINER;
        m->unit = strdup("machine-box\\x2d1.example.scope");
        m->owns_unit = true;
        m->service = strdup("it's a \"quoted\" $ervice");
        m->root = strdup("/var/lib/machines/with space");
        m->leader = (MachineProcess){ 4711, 99887766, -EBADF };
        m->supervisor = (MachineProcess){ 4710, 0, -EBADF };
        m->netifs = calloc(2, sizeof *m->netifs);
        m->netifs[0] = 3;
        m->netifs[1] = 17;
        m->n_netifs = 2;
        m->vsock_cid = 42;
        m->uid = 1000;
        m->realtime = 1700000000000000;
        m->monotonic = 123456;
        memset(m->id.bytes, 0xab, sizeof m->id.bytes);
        return m;
}

static void test_text_is_what_others_read(void **state) {
        static const char *const lines[] = {
                "\nNAME=box-1.example\n",
                "\nCLASS=container\n",
                "\nLEADER=4711\n",
                "\nLEADER_PIDFDID=99887766\n",
                "\nSUPERVISOR=4710\n",
                "\nNETIF=\"3 17\"\n",
                "\nUID=1000\n",
                "\nVSOCK_CID=42\n",
                "\nID=abababababababababababababababab\n",
                "\nSCOPE=\"machine-box\\\\x2d1.example.scope\"\n",
                "\nROOT=\"/var/lib/machines/with space\"\n",
                "\nREALTIME=1700000000000000\n",
        };
        _cleanup_(machine_freep) Machine *m = full_machine();
        _cleanup_(buf_done) Buf b = {};

        CHECK_EQ(state_format(m, &b), 0, "format");
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                if (!strstr(b.p, lines[i])) {
                        print_error("missing %s in\n%s", lines[i], b.p);
                        fail();
                }
        assert_null(strstr(b.p, "SUPERVISOR_PIDFDID"));
        assert_null(strstr(b.p, "SUBGROUP"));
}

static void test_round_trip(void **state) {
        _cleanup_(machine_freep) Machine *m = full_machine(), *back = NULL;
        _cleanup_(buf_done) Buf b = {}, again = {};
        Error e = {};

        m->subgroup = strdup("a/b");
        m->owns_unit = false;
        CHECK_EQ(state_format(m, &b), 0, "format");
        CHECK_EQ(state_parse(m->name, b.p, b.n, &back, &e), 0, "%s", e.text);
        CHECK_STR(back->unit, m->unit, "unit");
        CHECK_STR(back->service, m->service, "service");
        CHECK_STR(back->subgroup, "a/b", "subgroup survives a restart");
        CHECK_EQ(back->owns_unit, false, "a shared unit stays shared");
        CHECK_EQ(back->leader.pid, 4711, "leader");
        CHECK_EQ(back->leader.id, 99887766, "pidfd id");
        CHECK_EQ(back->n_netifs, 2, "interfaces");
        CHECK_EQ(back->netifs[1], 17, "interfaces");
        CHECK_EQ(state_format(back, &again), 0, "format");
        CHECK_STR(again.p, b.p, "text");
}

static void test_unit_of_somebody_else(void **state) {
        _cleanup_(machine_freep) Machine *m = full_machine(), *back = NULL;
        _cleanup_(buf_done) Buf b = {};
        Error e = {};

        CHECK_EQ(state_format(m, &b), 0, "format");
        assert_null(strstr(b.p, "OWNS_UNIT"));
        buf_done(&b);
        m->owns_unit = false;
        m->control_address = strdup("/run/control");
        CHECK_EQ(state_format(m, &b), 0, "format");
        CHECK_EQ(state_parse(m->name, b.p, b.n, &back, &e), 0, "%s", e.text);
        CHECK_STR(back->unit, m->unit, "unit");
        CHECK_EQ(back->owns_unit, false, "owned after a restart");
        CHECK_STR(back->control_address, "/run/control", "control address");
}

static void test_refused(void **state) {
        static const struct {
                const char *text, *why;
        } rows[] = {
                { "", "NAME" },
                { "NAME=other\nCLASS=container\nLEADER=5\n", "NAME" },
                { "NAME=m\nCLASS=host\nLEADER=5\n", "CLASS" },
                { "NAME=m\nCLASS=cow\nLEADER=5\n", "CLASS" },
                { "NAME=m\nCLASS=vm\n", "LEADER" },
                { "NAME=m\nCLASS=vm\nLEADER=1\n", "LEADER" },
                { "NAME=m\nCLASS=vm\nLEADER=-4\n", "LEADER" },
                { "NAME=m\nCLASS=vm\nLEADER=5\nUID=-1\n", "UID" },
                { "NAME=m\nCLASS=vm\nLEADER=5\nNETIF=\"1 x\"\n", "NETIF" },
                { "NAME=m\nCLASS=vm\nLEADER=5\nNETIF=0\n", "NETIF" },
                { "NAME=m\nCLASS=vm\nLEADER=5\nID=123\n", "ID" },
                { "NAME=m\nCLASS=vm\nLEADER=5\nREALTIME=soon\n", "REALTIME" },
                { "NAME=m\nCLASS=vm\nLEADER=5\nSERVICE=\"open\n", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Machine *m = NULL;
                Error e = {};
                CHECK_EQ(state_parse("m", rows[i].text, strlen(rows[i].text), &m, &e), -EINVAL,
                         "row %zu", i);
                assert_null(m);
                if (!strstr(e.text, rows[i].why)) {
                        print_error("row %zu: '%s' does not name %s\n", i, e.text, rows[i].why);
                        fail();
                }
        }
}

static void test_minimal_and_unknown_keys(void **state) {
        static const char text[] = "# comment\nNAME=m\nLEADER=5\nFUTURE=yes\n";
        _cleanup_(machine_freep) Machine *m = NULL;
        Error e = {};

        CHECK_EQ(state_parse("m", text, strlen(text), &m, &e), 0, "%s", e.text);
        CHECK_EQ(m->class, MACHINE_CLASS_UNKNOWN, "class");
        CHECK_EQ(m->vsock_cid, MACHINE_VSOCK_ANY, "no VSOCK address means any");
        CHECK_EQ(m->owns_unit, false, "no unit");
}

static void test_files(void **state) {
        _cleanup_(machine_freep) Machine *m = full_machine(), *back = NULL;
        _cleanup_strv_ char **names = NULL;
        char directory[] = "/tmp/test-state-XXXXXX", target[64] = "";
        Error e = {};

        assert_non_null(mkdtemp(directory));
        _cleanup_fd_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_EQ(state_save(fd, m, &e), 0, "%s", e.text);
        CHECK_EQ(state_save(fd, m, &e), 0, "twice: %s", e.text);
        assert_true(readlinkat(fd, "unit:machine-box\\x2d1.example.scope", target,
                               sizeof target - 1) > 0);
        CHECK_STR(target, m->name, "symlink");
        CHECK_EQ(state_names(fd, &names, &e), 0, "%s", e.text);
        CHECK_EQ(strv_length(names), 1, "no symlinks, no temporary files among the names");
        CHECK_EQ(state_load(fd, m->name, &back, &e), 0, "%s", e.text);

        state_remove(fd, m);
        /* What an end at a bad moment leaves. */
        assert_int_equal(symlinkat("nobody", fd, "unit:x.service"), 0);
        assert_int_equal(symlinkat("nobody", fd, ".#unit:x.service"), 0);
        assert_int_equal(mknodat(fd, ".#half", S_IFREG | 0644, 0), 0);
        state_sweep(fd);
        assert_int_equal(rmdir(directory), 0); /* nothing is left */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text_is_what_others_read), cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_unit_of_somebody_else),    cmocka_unit_test(test_refused),
                cmocka_unit_test(test_minimal_and_unknown_keys), cmocka_unit_test(test_files),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
