/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The default filter: every number of every architecture is run through the program and compared with
 * what the lists of names say, looked up here the slow way; and the real thing is loaded in a child. */
#include "spawn/seccomp-plan.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"
#include "seccomp-run.h"
#include "spawn/gen/seccomp-groups.h"

#define X32          0x40000000U
#define CAP(n)       (UINT64_C(1) << (n))
#define DEFAULT_CAPS UINT64_C(0xfdecafff)
#define ALLOW        SECCOMP_RET_ALLOW
#define FAIL(e)      (SECCOMP_RET_ERRNO | (e))

static uint32_t run(const SeccompPlan *p, const struct seccomp_data *d, unsigned *ret_steps) {
        return seccomp_run(p->filter, p->n, d, ret_steps);
}

static uint32_t ask(const SeccompPlan *p, uint32_t arch, uint32_t nr) {
        return run(p, &(struct seccomp_data){ .arch = arch, .nr = (int) nr }, NULL);
}

static void plan(uint64_t caps, SeccompPlan *ret) {
        Error e = {};

        CHECK_EQ(seccomp_plan(&(SeccompRequest){ .caps = caps }, ret, &e), 0, "%s", e.text);
}

static unsigned kind_cap(SeccompKind kind) {
        static const unsigned caps[_SECCOMP_KIND_MAX] = {
#define K(name, cap) [SECCOMP_KIND_##name] = (cap),
                SECCOMP_CAP_KINDS(K)
#undef K
        };
        return caps[kind];
}

/* What the lists ask for, straight from the names. */
static uint32_t expected(const char *name, uint64_t caps) {
        SeccompKind kind;

        if (!name)
                return FAIL(ENOSYS);

        kind = seccomp_group_kind(name);
        if (kind == SECCOMP_KIND_ALLOWED || kind == SECCOMP_KIND_SOCKET ||
            kind == SECCOMP_KIND_KEYS)
                return ALLOW;
        if (kind == SECCOMP_KIND_DENIED)
                return FAIL(EPERM);
        return caps & CAP(kind_cap(kind)) ? ALLOW : FAIL(EPERM);
}

static char *name_of(uint32_t arch, uint32_t nr) {
        char *name = seccomp_syscall_resolve_num_arch(arch, (int) nr);

        for (size_t i = 0; !name && i < seccomp_n_new_calls; i++)
                if ((uint32_t) seccomp_new_calls[i].number == (nr & ~X32) &&
                    (!seccomp_new_calls[i].cpu ||
                     (streq(seccomp_new_calls[i].cpu, "x86_64") && arch != SCMP_ARCH_X86)))
                        name = strdup(seccomp_new_calls[i].name);

        return name;
}

/* x86-64 and x32 share one tree: a number that only the other of the two has is judged as if it were of
 * both, and the kernel answers ENOSYS. */
static char *name_of_either(uint32_t arch, uint32_t nr) {
        char *name = name_of(arch, nr);

        if (name || arch == SCMP_ARCH_X86)
                return name;
        return arch == SCMP_ARCH_X32 ? name_of(SCMP_ARCH_X86_64, nr & ~X32)
                                     : name_of(SCMP_ARCH_X32, nr | X32);
}

static uint32_t expected_of(uint32_t arch, uint32_t nr, uint64_t caps) {
        _cleanup_free_ char *name = name_of_either(arch, nr);

        return expected(name, caps);
}

static const uint64_t cap_sets[] = {
        0,       UINT64_MAX, DEFAULT_CAPS, CAP(25), CAP(16), CAP(17), CAP(14),
        CAP(20), CAP(19),    CAP(22),      CAP(34), CAP(26), CAP(39), DEFAULT_CAPS & ~CAP(19),
};

#ifdef __x86_64__
static void check_arch(uint32_t audit_arch, uint32_t names_of, uint32_t bit) {
        for (size_t i = 0; i < ELEMENTSOF(cap_sets); i++) {
                SeccompPlan p;

                plan(cap_sets[i], &p);
                for (uint32_t nr = 0; nr < 2000; nr++) {
                        CHECK_EQ(ask(&p, audit_arch, nr | bit),
                                 expected_of(names_of, nr | bit, cap_sets[i]),
                                 "arch %x, number %u, caps %zu", audit_arch, nr | bit, i);
                }
        }
}

static void test_x86_64(void **state) {
        check_arch(AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0);
}

static void test_i386(void **state) {
        check_arch(AUDIT_ARCH_I386, SCMP_ARCH_X86, 0);
}

static void test_x32(void **state) {
        check_arch(AUDIT_ARCH_X86_64, SCMP_ARCH_X32, X32);
}

/* The lists themselves: calls whose place matters, said once more by number. */
static void test_known_rows(void **state) {
        static const struct {
                uint32_t arch, nr, want;
                uint64_t caps;
        } rows[] = {
                { AUDIT_ARCH_X86_64, 0, ALLOW, DEFAULT_CAPS },         /* read */
                { AUDIT_ARCH_X86_64, 59, ALLOW, DEFAULT_CAPS },        /* execve */
                { AUDIT_ARCH_X86_64, 165, ALLOW, DEFAULT_CAPS },       /* mount */
                { AUDIT_ARCH_X86_64, 167, FAIL(EPERM), UINT64_MAX },   /* swapon */
                { AUDIT_ARCH_X86_64, 246, FAIL(EPERM), UINT64_MAX },   /* kexec_load */
                { AUDIT_ARCH_X86_64, 320, FAIL(EPERM), UINT64_MAX },   /* kexec_file_load */
                { AUDIT_ARCH_X86_64, 298, FAIL(EPERM), UINT64_MAX },   /* perf_event_open */
                { AUDIT_ARCH_X86_64, 304, FAIL(EPERM), UINT64_MAX },   /* open_by_handle_at */
                { AUDIT_ARCH_X86_64, 303, ALLOW, 0 },                  /* name_to_handle_at */
                { AUDIT_ARCH_X86_64, 179, FAIL(EPERM), UINT64_MAX },   /* quotactl */
                { AUDIT_ARCH_X86_64, 443, FAIL(EPERM), UINT64_MAX },   /* quotactl_fd */
                { AUDIT_ARCH_X86_64, 321, FAIL(EPERM), DEFAULT_CAPS }, /* bpf */
                { AUDIT_ARCH_X86_64, 321, ALLOW, CAP(39) },
                { AUDIT_ARCH_X86_64, 175, FAIL(EPERM), DEFAULT_CAPS }, /* init_module */
                { AUDIT_ARCH_X86_64, 175, ALLOW, CAP(16) },
                { AUDIT_ARCH_X86_64, 227, FAIL(EPERM), DEFAULT_CAPS }, /* clock_settime */
                { AUDIT_ARCH_X86_64, 227, ALLOW, CAP(25) },
                { AUDIT_ARCH_X86_64, 103, FAIL(EPERM), DEFAULT_CAPS }, /* syslog */
                { AUDIT_ARCH_X86_64, 103, ALLOW, CAP(34) },
                { AUDIT_ARCH_X86_64, 101, ALLOW, DEFAULT_CAPS }, /* ptrace */
                { AUDIT_ARCH_X86_64, 101, FAIL(EPERM), 0 },
                { AUDIT_ARCH_X86_64, 169, ALLOW, DEFAULT_CAPS },      /* reboot */
                { AUDIT_ARCH_X86_64, 437, ALLOW, 0 },                 /* openat2 */
                { AUDIT_ARCH_X86_64, 436, ALLOW, 0 },                 /* close_range */
                { AUDIT_ARCH_X86_64, 435, ALLOW, 0 },                 /* clone3 */
                { AUDIT_ARCH_X86_64, 444, ALLOW, 0 },                 /* landlock_create_ruleset */
                { AUDIT_ARCH_X86_64, 462, ALLOW, 0 },                 /* mseal */
                { AUDIT_ARCH_X86_64, 470, ALLOW, 0 },                 /* listns */
                { AUDIT_ARCH_X86_64, 400, FAIL(ENOSYS), UINT64_MAX }, /* never given out */
                { AUDIT_ARCH_X86_64, 999, FAIL(ENOSYS), UINT64_MAX },
                { AUDIT_ARCH_X86_64, UINT32_MAX, FAIL(ENOSYS), UINT64_MAX },
                { AUDIT_ARCH_X86_64, X32 | 520, ALLOW, 0 },                /* x32 execve */
                { AUDIT_ARCH_X86_64, X32 | 528, FAIL(EPERM), UINT64_MAX }, /* x32 kexec_load */
                { AUDIT_ARCH_X86_64, X32 | 999, FAIL(ENOSYS), UINT64_MAX },
                { AUDIT_ARCH_I386, 11, ALLOW, 0 },                  /* execve */
                { AUDIT_ARCH_I386, 59, ALLOW, 0 },                  /* oldolduname */
                { AUDIT_ARCH_I386, 87, FAIL(EPERM), UINT64_MAX },   /* swapon */
                { AUDIT_ARCH_I386, 13, ALLOW, 0 },                  /* time */
                { AUDIT_ARCH_I386, 25, FAIL(EPERM), DEFAULT_CAPS }, /* stime */
                { AUDIT_ARCH_I386, 25, ALLOW, CAP(25) },
                { AUDIT_ARCH_I386, 222, FAIL(ENOSYS), UINT64_MAX },
                { AUDIT_ARCH_I386, 437, ALLOW, 0 }, /* openat2 */
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                SeccompPlan p;

                plan(rows[i].caps, &p);
                CHECK_EQ(ask(&p, rows[i].arch, rows[i].nr), rows[i].want, "row %zu", i);
        }
}

static void test_audit_socket(void **state) {
        static const struct {
                uint32_t arch, nr;
                uint64_t domain, protocol;
                uint32_t want;
        } rows[] = {
                { AUDIT_ARCH_X86_64, 41, AF_NETLINK, NETLINK_AUDIT, FAIL(EAFNOSUPPORT) },
                { AUDIT_ARCH_X86_64, X32 | 41, AF_NETLINK, NETLINK_AUDIT, FAIL(EAFNOSUPPORT) },
                { AUDIT_ARCH_I386, 359, AF_NETLINK, NETLINK_AUDIT, FAIL(EAFNOSUPPORT) },
                { AUDIT_ARCH_X86_64, 41, AF_NETLINK, NETLINK_ROUTE, ALLOW },
                { AUDIT_ARCH_I386, 359, AF_NETLINK, NETLINK_ROUTE, ALLOW },
                { AUDIT_ARCH_X86_64, 41, AF_INET, NETLINK_AUDIT, ALLOW },
                /* The kernel takes both as int: what is above does not hide them. */
                { AUDIT_ARCH_X86_64, 41, AF_NETLINK | UINT64_C(1) << 32,
                  NETLINK_AUDIT | UINT64_C(7) << 40, FAIL(EAFNOSUPPORT) },
        };
        SeccompPlan p;

        plan(UINT64_MAX, &p);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct seccomp_data d = { .arch = rows[i].arch,
                                          .nr = (int) rows[i].nr,
                                          .args = { rows[i].domain, SOCK_RAW, rows[i].protocol } };

                CHECK_EQ(run(&p, &d, NULL), rows[i].want, "row %zu", i);
        }
}

static void plan_list(const char *const *lists, uint64_t caps, SeccompPlan *ret) {
        SeccompList list = {};
        Error e = {};

        for (size_t i = 0; lists[i]; i++)
                CHECK_EQ(seccomp_list_parse(lists[i], &list, &e), 0, "%s", e.text);
        CHECK_EQ(seccomp_plan(&(SeccompRequest){ .caps = caps, .calls = &list }, ret, &e), 0, "%s",
                 e.text);
}

/* What the lists make of a call of the default filter, from the names. */
static uint32_t expected_with(const char *name, const char *const *allow, const char *const *deny) {
        for (size_t i = 0; name && deny[i]; i++)
                if (streq(name, deny[i]))
                        return FAIL(EPERM);
        for (size_t i = 0; name && allow[i]; i++)
                if (streq(name, allow[i]))
                        return ALLOW;
        return expected(name, DEFAULT_CAPS);
}

/* Every number of every architecture, with some calls allowed, some denied and some both. */
static void test_lists(void **state) {
        static const struct {
                uint32_t arch, names_of, bit;
        } arches[] = { { AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0 },
                       { AUDIT_ARCH_I386, SCMP_ARCH_X86, 0 },
                       { AUDIT_ARCH_X86_64, SCMP_ARCH_X32, X32 } };
        static const char *const lists[] = { "swapon swapoff, perf_event_open\tclock_settime "
                                             "clock_settime64 clock_adjtime clock_adjtime64",
                                             "~execve @chown read swapoff", "@swap", NULL };
        static const char *const allow[] = { "swapon",
                                             "perf_event_open",
                                             "clock_settime",
                                             "clock_settime64",
                                             "clock_adjtime",
                                             "clock_adjtime64",
                                             NULL };
        static const char *const deny[] = { "execve",   "chown",    "chown32", "fchown",
                                            "fchown32", "fchownat", "lchown",  "lchown32",
                                            "read",     "swapoff",  NULL };
        SeccompPlan p;

        plan_list(lists, DEFAULT_CAPS, &p);
        for (size_t i = 0; i < ELEMENTSOF(arches); i++)
                for (uint32_t nr = 0; nr < 1100; nr++) {
                        _cleanup_free_ char *name = name_of_either(arches[i].names_of,
                                                                   nr | arches[i].bit);
                        CHECK_EQ(ask(&p, arches[i].arch, nr | arches[i].bit),
                                 expected_with(name, allow, deny), "arch %zu %u %s", i, nr,
                                 strempty(name));
                }
        CHECK_EQ(ask(&p, AUDIT_ARCH_AARCH64, 0), SECCOMP_RET_KILL_PROCESS, "foreign");
}

/* Whatever is listed, there is a program for it: every other number another way. */
static void test_worst_list(void **state) {
        SeccompList list = {};
        SeccompPlan p;

        for (size_t i = 0; i < seccomp_n_calls; i++)
                *((i % 2 ? list.allow : list.deny) + i / 64) |= UINT64_C(1) << i % 64;
        assert_int_equal(seccomp_plan(&(SeccompRequest){ .calls = &list }, &p, NULL), 0);
        assert_in_range(p.n, 200, 1500);
        for (size_t i = 0; i < seccomp_n_calls; i++) {
                if (seccomp_calls[i].number[0] >= 0)
                        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, (uint32_t) seccomp_calls[i].number[0]),
                                 i % 2 ? ALLOW : FAIL(EPERM), "%s", seccomp_call_name(i));
                if (seccomp_calls[i].number[1] >= 0)
                        CHECK_EQ(ask(&p, AUDIT_ARCH_I386, (uint32_t) seccomp_calls[i].number[1]),
                                 i % 2 ? ALLOW : FAIL(EPERM), "%s", seccomp_call_name(i));
        }

        assert_int_equal(seccomp_list_parse("@known", &list, NULL), 0);
        list = (SeccompList){};
        assert_int_equal(seccomp_list_parse("~@known", &list, NULL), 0);
        assert_int_equal(seccomp_plan(&(SeccompRequest){ .calls = &list }, &p, NULL), 0);
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 0), FAIL(EPERM), "nothing is left");
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 999), FAIL(ENOSYS), "unknown");
}

static uint32_t ask_args(const SeccompPlan *p, uint32_t arch, uint32_t nr, uint64_t a, uint64_t b,
                         uint64_t c) {
        return run(p, &(struct seccomp_data){ .arch = arch, .nr = (int) nr, .args = { a, b, c } },
                   NULL);
}

static void test_families(void **state) {
        static const struct {
                const char *lists[3], *untrusted;
                uint64_t some[4], none[4]; /* families; 0 ends */
        } rows[] = {
                { { "AF_UNIX AF_INET6" }, "", { AF_UNIX, AF_INET6 }, { AF_INET, AF_NETLINK, 99 } },
                { { "none" }, "", {}, { AF_UNIX, AF_INET, 99 } },
                { { "~AF_INET AF_INET6" }, "", { AF_UNIX, 99 }, { AF_INET, AF_INET6 } },
                { { "AF_UNIX", "AF_INET", "~AF_UNIX" }, "", { AF_INET }, { AF_UNIX } },
                { { "~AF_UNIX", "AF_UNIX" }, "", { AF_UNIX, AF_INET, 99 }, {} },
                { { "AF_UNIX", "" }, "", { AF_UNIX, AF_INET, 99 }, {} },
                { { "AF_UNIX" }, "AF_UNIX AF_INET", { AF_UNIX }, { AF_INET } },
                { { "~AF_UNIX" }, "~AF_INET", { AF_INET6 }, { AF_INET, AF_UNIX } },
                { { "AF_NETLINK AF_UNIX" }, "~AF_UNIX", { AF_NETLINK }, { AF_UNIX, 99 } },
        };
        static const struct {
                uint32_t arch, nr;
        } calls[] = { { AUDIT_ARCH_X86_64, 41 },
                      { AUDIT_ARCH_X86_64, X32 | 41 },
                      { AUDIT_ARCH_I386, 359 } };

        for (size_t i = 0; i < ELEMENTSOF(rows) * ELEMENTSOF(calls); i++) {
                const uint64_t *some = rows[i / 3].some, *none = rows[i / 3].none;
                uint32_t arch = calls[i % 3].arch, nr = calls[i % 3].nr;
                FamilyList list = {}, untrusted = {};
                SeccompPlan p;

                for (size_t j = 0; j < 3 && rows[i / 3].lists[j]; j++)
                        assert_int_equal(family_list_parse(rows[i / 3].lists[j], &list, NULL), 0);
                assert_int_equal(family_list_parse(rows[i / 3].untrusted, &untrusted, NULL), 0);
                SeccompRequest q = { .families = family_list_both(&list, &untrusted) };
                assert_int_equal(seccomp_plan(&q, &p, NULL), 0);
                for (; *some; some++)
                        CHECK_EQ(ask_args(&p, arch, nr, *some, SOCK_RAW, 0), ALLOW, "row %zu: %u",
                                 i / 3, (unsigned) *some);
                for (; *none; none++)
                        CHECK_EQ(ask_args(&p, arch, nr, *none, SOCK_RAW, 0), FAIL(EAFNOSUPPORT),
                                 "row %zu: %u", i / 3, (unsigned) *none);
                CHECK_EQ(ask_args(&p, arch, nr, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT),
                         FAIL(EAFNOSUPPORT), "row %zu", i / 3);
                if (q.families.mode == FAMILIES_ALL)
                        continue;
                /* What would go round it: socketcall(SYS_SOCKET) of i386, and io_uring. */
                CHECK_EQ(ask_args(&p, AUDIT_ARCH_I386, 102, 1, 0, 0), FAIL(EAFNOSUPPORT), "%zu", i);
                CHECK_EQ(ask_args(&p, AUDIT_ARCH_I386, 102, 2, 0, 0), ALLOW, "%zu", i);
                CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 425), FAIL(EPERM), "io_uring_setup %zu", i);
        }
}

static void test_suppressed_sync(void **state) {
        static const struct {
                uint32_t arch, nr;
                uint64_t a, b, c;
                uint32_t want;
        } rows[] = {
                { AUDIT_ARCH_X86_64, 74, 3, 0, 0, FAIL(0) },        /* fsync */
                { AUDIT_ARCH_X86_64, 74, UINT32_MAX, 0, 0, ALLOW }, /* EBADF is the kernel's */
                { AUDIT_ARCH_X86_64, 74, 1ULL << 40 | 3, 0, 0, FAIL(0) }, /* an int */
                { AUDIT_ARCH_X86_64, 75, 3, 0, 0, FAIL(0) },              /* fdatasync */
                { AUDIT_ARCH_X86_64, 162, 0, 0, 0, FAIL(0) },             /* sync */
                { AUDIT_ARCH_X86_64, 306, 3, 0, 0, FAIL(0) },             /* syncfs */
                { AUDIT_ARCH_X86_64, 277, 3, 0, 0, FAIL(0) },             /* sync_file_range */
                { AUDIT_ARCH_X86_64, 26, 0, 0, 4, FAIL(0) },              /* msync MS_SYNC */
                { AUDIT_ARCH_X86_64, 26, 0, 0, 1, ALLOW },                /* MS_ASYNC */
                { AUDIT_ARCH_X86_64, X32 | 74, 3, 0, 0, FAIL(0) },
                { AUDIT_ARCH_I386, 118, 3, 0, 0, FAIL(0) },
                { AUDIT_ARCH_I386, 36, 0, 0, 0, FAIL(0) },
                { AUDIT_ARCH_I386, 144, 0, 0, 4, FAIL(0) },
                { AUDIT_ARCH_X86_64, 1, 1, 0, 0, ALLOW },
                { AUDIT_ARCH_X86_64, 167, 0, 0, 0, FAIL(EPERM) },
                { AUDIT_ARCH_X86_64, 75 + 1000, 0, 0, 0, FAIL(ENOSYS) },
        };
        SeccompList list = {};
        SeccompPlan p;

        assert_int_equal(seccomp_plan(&(SeccompRequest){ .suppress_sync = true }, &p, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_EQ(ask_args(&p, rows[i].arch, rows[i].nr, rows[i].a, rows[i].b, rows[i].c),
                         rows[i].want, "row %zu", i);

        assert_int_equal(seccomp_list_parse("~fsync", &list, NULL), 0);
        SeccompRequest q = { .suppress_sync = true, .calls = &list };
        assert_int_equal(seccomp_plan(&q, &p, NULL), 0);
        CHECK_EQ(ask_args(&p, AUDIT_ARCH_X86_64, 74, 3, 0, 0), FAIL(EPERM), "denied is denied");
}

static void test_keys(void **state) {
        static const uint32_t rows[][2] = {
                { AUDIT_ARCH_X86_64, 248 }, { AUDIT_ARCH_X86_64, 249 },
                { AUDIT_ARCH_X86_64, 250 }, { AUDIT_ARCH_I386, 286 },
                { AUDIT_ARCH_I386, 288 },   { AUDIT_ARCH_X86_64, X32 | 250 }
        };
        SeccompList list = {};
        SeccompPlan own, host, listed;

        plan(UINT64_MAX, &own);
        SeccompRequest q = { .caps = UINT64_MAX, .host_users = true };
        assert_int_equal(seccomp_plan(&q, &host, NULL), 0);
        assert_int_equal(seccomp_list_parse("@keyring", &list, NULL), 0);
        q.calls = &list;
        assert_int_equal(seccomp_plan(&q, &listed, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CHECK_EQ(ask(&own, rows[i][0], rows[i][1]), ALLOW, "row %zu", i);
                CHECK_EQ(ask(&host, rows[i][0], rows[i][1]), FAIL(EPERM), "row %zu", i);
                CHECK_EQ(ask(&listed, rows[i][0], rows[i][1]), ALLOW, "row %zu", i);
        }
        assert_in_range(host.n, 1, 180);
}

static void test_foreign_arch(void **state) {
        SeccompPlan p;

        plan(UINT64_MAX, &p);
        CHECK_EQ(ask(&p, AUDIT_ARCH_AARCH64, 63), SECCOMP_RET_KILL_PROCESS, "aarch64");
        CHECK_EQ(ask(&p, 0, 0), SECCOMP_RET_KILL_PROCESS, "no arch");
}

static const char *verdict(uint32_t ret) {
        switch (ret) {
        case ALLOW:
                return "allow";
        case FAIL(EPERM):
                return "EPERM";
        case FAIL(ENOSYS):
                return "ENOSYS";
        default:
                return "?";
        }
}

static void dump_arch(const SeccompPlan *p, const char *name, uint32_t arch, Buf *out) {
        uint32_t first = 0, end = 1000;

        for (uint32_t nr = 1; nr <= end; nr++) {
                if (nr < end && ask(p, arch, nr) == ask(p, arch, first))
                        continue;
                assert_int_equal(buf_printf(out, "%s %u-%u %s\n", name, first, nr - 1,
                                            verdict(ask(p, arch, first))),
                                 0);
                first = nr;
        }
}

/* What a machine with the default capabilities may do: a change to that is meant to be seen. Run with
 * UPDATE_GOLDEN=1 to write it down anew. */
static void test_golden(void **state) {
        _cleanup_(buf_done) Buf out = {};
        _cleanup_free_ char *want = NULL;
        const char *path = getenv("GOLDEN");
        SeccompPlan p;

        if (!path)
                skip();

        plan(DEFAULT_CAPS, &p);
        dump_arch(&p, "x86-64", AUDIT_ARCH_X86_64, &out);
        dump_arch(&p, "x86", AUDIT_ARCH_I386, &out);

        if (getenv("UPDATE_GOLDEN"))
                CHECK_EQ(file_write(AT_FDCWD, path, out.p, O_CREAT | O_TRUNC, 0644), 0, "%s", path);
        CHECK_EQ(file_read(AT_FDCWD, path, 64 * 1024, &want, NULL), 0, "%s", path);
        CHECK_STR(out.p, want, "%s", path);
}

/* Short and shallow: the kernel walks the tree for every number while it loads the program. */
static void test_budget(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(cap_sets); i++) {
                unsigned steps = 0, most = 0;
                SeccompPlan p;

                plan(cap_sets[i], &p);
                assert_in_range(p.n, 1, 170);
                for (uint32_t nr = 0; nr < 600; nr++)
                        for (int j = 0; j < 2; j++) {
                                (void) run(&p,
                                           &(struct seccomp_data){ .arch = j ? AUDIT_ARCH_I386
                                                                             : AUDIT_ARCH_X86_64,
                                                                   .nr = (int) nr },
                                           &steps);
                                most = MAX(most, steps);
                        }
                assert_in_range(most, 1, 17);
        }
}
#endif

static void test_format(void **state) {
        _cleanup_(buf_done) Buf out = {};
        size_t lines = 0;
        SeccompPlan p;

        plan(DEFAULT_CAPS, &p);
        CHECK_EQ(seccomp_plan_format(&p, &out), 0, "format");
        for (const char *s = out.p; (s = strchr(s, '\n')); s++)
                lines++;
        CHECK_EQ(lines, p.n, "one line an instruction");
        assert_non_null(strstr(out.p, "  0: load arch\n"));
        assert_non_null(strstr(out.p, "fail with EAFNOSUPPORT\n"));
        assert_non_null(strstr(out.p, "load word 0 of argument 2\n"));
        assert_null(strstr(out.p, ": code "));
        assert_null(strstr(out.p, ": return "));
}

static int errno_of(long r) {
        return r < 0 ? errno : 0;
}

#ifdef __x86_64__
/* A call by the 32-bit entry, from 64-bit code; pointers are not needed by what is tried. */
static int errno_of_int80(long nr, long a, long b, long c) {
        long r;

        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(nr), "b"(a), "c"(b), "d"(c)
                         : "memory", "r8", "r9", "r10", "r11");
        return (int) r < 0 ? -(int) r : 0;
}
#endif

/* In the child. Return: 0, or the number of the check that failed. */
static int try_loaded(void) {
        SeccompPlan p;
        Error e = {};
        int fd;

        plan(DEFAULT_CAPS, &p);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || seccomp_plan_load(p.filter, p.n, &e) < 0)
                return 1;
        if (errno_of(syscall(999)) != ENOSYS)
                return 2;
        if (errno_of(syscall(SYS_swapon, "/nowhere", 0)) != EPERM)
                return 3;
        if (errno_of(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0)) != EPERM)
                return 4;
        if (errno_of(socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT)) != EAFNOSUPPORT)
                return 5;
        fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
        if (fd < 0)
                return 6;
        (void) close(fd);
        if (getppid() <= 0 || errno_of(open("/", O_RDONLY | O_CLOEXEC)) != 0)
                return 7;
#ifdef __x86_64__
        /* A kernel without IA32 emulation kills on int 0x80; the parent has found out. */
        if (getenv("TRY_INT80")) {
                if (errno_of_int80(20, 0, 0, 0) != 0) /* getpid */
                        return 8;
                if (errno_of_int80(87, 0, 0, 0) != EPERM) /* swapon */
                        return 9;
                if (errno_of_int80(999, 0, 0, 0) != ENOSYS)
                        return 10;
                if (errno_of_int80(359, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) != EAFNOSUPPORT)
                        return 11;
        }
#endif
        return 0;
}

static int status_of(int (*child)(void)) {
        int status;
        pid_t pid;

        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                _exit(child());

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#ifdef __x86_64__
static int try_int80(void) {
        return errno_of_int80(20, 0, 0, 0);
}
#endif

static void test_loaded(void **state) {
#ifdef __x86_64__
        if (status_of(try_int80) == 0)
                assert_int_equal(setenv("TRY_INT80", "1", true), 0);
#endif
        CHECK_EQ(status_of(try_loaded), 0, "check of the loaded filter");
}

static int try_refused(void) {
        const struct sock_filter bad = { .code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW };
        Error e = {};

        if (setresuid(65534, 65534, 65534) < 0)
                return 77;
        return seccomp_plan_load(&bad, 1, &e) == -EACCES && strstr(e.text, "no_new_privs") ? 0 : 1;
}

static void test_load_refused(void **state) {
        Error e = {};
        int r;

        CHECK_EQ(seccomp_plan_load(NULL, 0, &e), 0, "no filter");
        CHECK_EQ(seccomp_plan_load(NULL, BPF_MAXINSNS + 1, &e), -E2BIG, "too long");
        assert_non_null(strstr(e.text, "4097 instructions"));

        r = status_of(try_refused);
        if (r != 77)
                CHECK_EQ(r, 0, "without privileges");
}

int main(void) {
        const struct CMUnitTest tests[] = {
#ifdef __x86_64__
                cmocka_unit_test(test_x86_64),
                cmocka_unit_test(test_i386),
                cmocka_unit_test(test_x32),
                cmocka_unit_test(test_known_rows),
                cmocka_unit_test(test_audit_socket),
                cmocka_unit_test(test_foreign_arch),
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_budget),
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_lists),
                cmocka_unit_test(test_worst_list),
                cmocka_unit_test(test_families),
                cmocka_unit_test(test_suppressed_sync),
#endif
                cmocka_unit_test(test_format),
                cmocka_unit_test(test_loaded),
                cmocka_unit_test(test_load_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
