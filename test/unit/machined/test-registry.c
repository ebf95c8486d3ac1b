/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machined/registry.h"

static Machine *add(Registry *r, const char *name, const char *unit, pid_t leader) {
        Machine *m;

        assert_int_equal(machine_new(name, &m), 0);
        m->leader.pid = leader;
        m->unit = unit ? strdup(unit) : NULL;
        m->owns_unit = unit;
        assert_int_equal(registry_add(r, m), 0);
        return m;
}

static void test_found_by_all_keys(void **state) {
        _cleanup_(registry_done) Registry r = {};
        Machine *a = add(&r, "a", "machine-a.scope", 100), *b = add(&r, "b", "b.service", 200);

        assert_ptr_equal(registry_by_name(&r, "a"), a);
        assert_ptr_equal(registry_by_unit(&r, "b.service"), b);
        assert_ptr_equal(registry_by_pid(&r, 200), b);
        assert_null(registry_by_name(&r, "c"));
        assert_null(registry_by_pid(&r, 0));
        assert_null(registry_by_pid(&r, 1));

        registry_remove(&r, a);
        assert_null(registry_by_name(&r, "a"));
        assert_null(registry_by_unit(&r, "machine-a.scope"));
        machine_free(a);
        CHECK_EQ(r.n, 1, "number");
        assert_ptr_equal(r.first, b);
        assert_ptr_equal(r.last, b);
}

static void test_names_are_taken_once(void **state) {
        _cleanup_(registry_done) Registry r = {};
        _cleanup_(machine_freep) Machine *again = NULL;

        add(&r, "a", NULL, 100);
        assert_int_equal(machine_new("a", &again), 0);
        CHECK_EQ(registry_add(&r, again), -EEXIST, "second of a name");
        free(again->name);
        again->name = strdup("b");
        again->leader.pid = 100;
        CHECK_EQ(registry_add(&r, again), -EEXIST, "second of a leader");
        CHECK_EQ(r.n, 1, "number");
}

static void test_second_in_a_unit_does_not_own_it(void **state) {
        _cleanup_(registry_done) Registry r = {};
        Machine *a = add(&r, "a", "x.service", 100), *b = add(&r, "b", "x.service", 200);

        CHECK_EQ(a->owns_unit, true, "first");
        CHECK_EQ(b->owns_unit, false, "second");
        registry_remove(&r, b);
        machine_free(b);
        assert_ptr_equal(registry_by_unit(&r, "x.service"), a);
}

static void test_parent_is_climbed_to(void **state) {
        _cleanup_(registry_done) Registry r = {};
        Machine *a = add(&r, "a", NULL, getppid());

        assert_ptr_equal(registry_by_pid(&r, getpid()), getppid() > 1 ? a : NULL);
}

static void test_number_of_a_dead_leader(void **state) {
        _cleanup_(registry_done) Registry r = {};
        MachineProcess p;
        pid_t child = fork();

        if (child == 0) {
                (void) pause();
                _exit(0);
        }
        assert_int_equal(machine_process_pin(child, 0, &p), 0);
        Machine *a = add(&r, "a", NULL, child);
        a->leader = p;
        assert_ptr_equal(registry_by_pid(&r, child), a);
        siginfo_t info;
        (void) kill(child, SIGKILL);
        assert_int_equal(waitid(P_PID, (id_t) child, &info, WEXITED | WNOWAIT), 0);
        assert_ptr_equal(registry_by_pid(&r, child), a); /* a zombie keeps it */
        (void) waitpid(child, NULL, 0);
        assert_null(registry_by_pid(&r, child));
}

static void test_disown_unit(void **state) {
        _cleanup_(registry_done) Registry r = {};
        Machine *a = add(&r, "a", "a.service", 100);

        registry_disown_unit(&r, a);
        CHECK_EQ(a->owns_unit, false, "owned");
        assert_null(registry_by_unit(&r, "a.service"));
        Machine *b = add(&r, "b", "a.service", 200);
        registry_disown_unit(&r, a);
        assert_ptr_equal(registry_by_unit(&r, "a.service"), b);
}

static void test_host_leads_nobody(void **state) {
        _cleanup_(registry_done) Registry r = {};

        add(&r, MACHINE_HOST_NAME, NULL, 1);
        assert_null(registry_by_pid(&r, getpid()));
}

static void test_set_unit(void **state) {
        _cleanup_(registry_done) Registry r = {};
        Machine *a = add(&r, "a", "old.scope", 100);

        CHECK_EQ(registry_set_unit(&r, a, "new.scope"), 0, "set");
        assert_null(registry_by_unit(&r, "old.scope"));
        assert_ptr_equal(registry_by_unit(&r, "new.scope"), a);
        CHECK_EQ(a->owns_unit, true, "owned");
}

static void test_scope_names(void **state) {
        static const struct {
                const char *name, *scope;
        } rows[] = {
                { "box", "machine-box.scope" },
                { "a-b", "machine-a\\x2db.scope" },
                { "a.b", "machine-a.b.scope" },
                { ".x", "machine-\\x2ex.scope" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *scope = machine_scope_name(rows[i].name);
                CHECK_STR(scope, rows[i].scope, "row %zu", i);
        }
}

static void test_shared_units(void **state) {
        static const struct {
                const char *unit;
                bool shared;
        } rows[] = {
                { "init.scope", true },
                { "session-3.scope", true },
                { "user@1000.service", true },
                { "-.slice", true },
                { "systemd-machined.service", true },
                { "systemd-nspawn@box.service", false },
                { "skep@box.service", false },
                { "machine-box.scope", false },
                { "my.service", false },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_EQ(machine_unit_is_shared(rows[i].unit), rows[i].shared, "%s", rows[i].unit);
}

static void test_pinning(void **state) {
        MachineProcess p = MACHINE_PROCESS_NONE, again = MACHINE_PROCESS_NONE;

        CHECK_EQ(machine_process_pin(getpid(), 0, &p), 0, "ourselves");
        assert_true(machine_process_is_alive(&p));
        if (p.id != 0)
                CHECK_EQ(machine_process_pin(getpid(), p.id + 1, &again), -ESRCH, "another id");
        CHECK_EQ(machine_process_pin(getpid(), p.id, &again), 0, "the same id");
        machine_process_done(&p);
        machine_process_done(&again);
        assert_false(machine_process_is_alive(&p));

        pid_t child = fork();
        if (child == 0)
                _exit(0);
        siginfo_t info;
        assert_int_equal(waitid(P_PID, (id_t) child, &info, WEXITED | WNOWAIT), 0);
        CHECK_EQ(machine_process_pin(child, 0, &p), -ESRCH, "a zombie leads nothing");
        (void) waitpid(child, NULL, 0);
        CHECK_EQ(machine_process_pin(child, 0, &p), -ESRCH, "nobody");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_found_by_all_keys),
                cmocka_unit_test(test_names_are_taken_once),
                cmocka_unit_test(test_second_in_a_unit_does_not_own_it),
                cmocka_unit_test(test_parent_is_climbed_to),
                cmocka_unit_test(test_number_of_a_dead_leader),
                cmocka_unit_test(test_disown_unit),
                cmocka_unit_test(test_host_leads_nobody),
                cmocka_unit_test(test_set_unit),
                cmocka_unit_test(test_scope_names),
                cmocka_unit_test(test_shared_units),
                cmocka_unit_test(test_pinning),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
