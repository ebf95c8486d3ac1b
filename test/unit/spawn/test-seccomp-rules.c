/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters that others wrote: libseccomp makes a program of the same rules, and both are asked about every
 * number with arguments at and around what the rules speak of. */
#include "spawn/seccomp-rules.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"
#include "seccomp-run.h"

#define X32     0x40000000U
#define ALLOW   SECCOMP_RET_ALLOW
#define FAIL(e) (SECCOMP_RET_ERRNO | (e))
#define RULES   40U
#define NAMES   12U
#define ROUNDS  60U
#define PROBES  24U

#ifdef __x86_64__
static const enum scmp_compare compares[_SECCOMP_COMPARE_MAX] = {
        [SECCOMP_NE] = SCMP_CMP_NE,
        [SECCOMP_LT] = SCMP_CMP_LT,
        [SECCOMP_LE] = SCMP_CMP_LE,
        [SECCOMP_EQ] = SCMP_CMP_EQ,
        [SECCOMP_GE] = SCMP_CMP_GE,
        [SECCOMP_GT] = SCMP_CMP_GT,
        [SECCOMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
};

/* What runc and crun do with a rule. Return: whether libseccomp took it. */
static bool add_peer(scmp_filter_ctx peer, const SeccompRule *rule, int call) {
        struct scmp_arg_cmp args[SECCOMP_ARGUMENTS];
        bool twice = false, ok = true;
        unsigned seen = 0;

        for (size_t i = 0; i < rule->n; i++) {
                const SeccompCondition *c = rule->conditions + i;

                twice = twice || seen >> c->argument & 1;
                seen |= 1U << c->argument;
        }
        for (size_t i = 0; i < rule->n; i++) {
                const SeccompCondition *c = rule->conditions + i;
                size_t k = twice ? 0 : i;

                args[k] = (struct scmp_arg_cmp){ c->argument, compares[c->compare], c->value,
                                                 c->second };
                if (twice)
                        ok = ok && seccomp_rule_add_array(peer, rule->verdict, call, 1, args) >= 0;
        }
        return twice ? ok
                     : seccomp_rule_add_array(peer, rule->verdict, call, (unsigned) rule->n,
                                              args) >= 0;
}

/* Return: its program; n == 0: it finds that the rules contradict each other. */
static SeccompProgram peer_program(const SeccompRules *rules) {
        scmp_filter_ctx peer = seccomp_init(rules->verdict);
        _cleanup_fd_ int fd = memfd_create("bpf", MFD_CLOEXEC);
        _cleanup_free_ char *bytes = NULL;
        bool ok = true;
        size_t n;

        assert_non_null(peer);
        STRV_FOREACH(arch, rules->arches) {
                _cleanup_free_ char *name = strdup(*arch + strlen("SCMP_ARCH_"));

                for (char *p = name; *p; p++)
                        *p = (char) (*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
                int r = seccomp_arch_add(peer, seccomp_arch_resolve_name(name));
                assert_true(r == 0 || r == -EEXIST);
        }
        for (size_t i = 0; i < rules->n; i++) {
                if (rules->v[i].verdict == rules->verdict)
                        continue;
                STRV_FOREACH(name, rules->v[i].calls) {
                        int call = seccomp_syscall_resolve_name(*name);
                        if (call != __NR_SCMP_ERROR)
                                ok = add_peer(peer, rules->v + i, call) && ok;
                }
        }
        if (!ok) {
                seccomp_release(peer);
                return (SeccompProgram){};
        }
        assert_int_equal(seccomp_export_bpf(peer, fd), 0);
        seccomp_release(peer);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(fd_read_all(fd, 1 << 20, &bytes, &n), 0);
        return (SeccompProgram){ .n = n / sizeof(struct sock_filter),
                                 .filter = (struct sock_filter *) TAKE_PTR(bytes) };
}

/* What libseccomp had made of rules that it then finds to contradict others, it forgets to free. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void) {
        return "leak:libseccomp";
}

static uint64_t random_next(uint64_t *state) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

static size_t random_below(uint64_t *state, size_t n) {
        return (size_t) (random_next(state) % n);
}

static const uint64_t values[] = {
        0,
        1,
        2,
        9,
        16,
        0x7fffffff,
        UINT32_MAX,
        1ULL << 31,
        8,
        0x7e020000,
        1ULL << 32,
        1ULL << 33,
        (1ULL << 32) + 1,
        (1ULL << 33) - 1,
        0xfffffffffffffffe,
        7,
        UINT64_MAX,
        0x20000,
        0x200000008,
        0x100000000,
        0xf0f0f0f0f0f0f0f0,
};

/* Of all kinds: everywhere, on one architecture alone, multiplexed, far apart in number, and unknown. The same
 * whatever libseccomp is at hand. */
static const char *const names[] = {
        "read",
        "write",
        "open",
        "openat",
        "close",
        "stat",
        "fstat",
        "mmap",
        "mmap2",
        "brk",
        "ioctl",
        "socket",
        "bind",
        "connect",
        "accept4",
        "sendmsg",
        "recvmsg",
        "socketpair",
        "semget",
        "semop",
        "shmat",
        "msgget",
        "clone",
        "clone3",
        "execve",
        "execveat",
        "wait4",
        "waitpid",
        "kill",
        "ptrace",
        "personality",
        "mount",
        "umount2",
        "umount",
        "chown",
        "chown32",
        "futex",
        "futex_time64",
        "time",
        "stime",
        "setuid",
        "setuid32",
        "_llseek",
        "lseek",
        "arch_prctl",
        "modify_ldt",
        "io_uring_setup",
        "openat2",
        "faccessat2",
        "close_range",
        "pidfd_open",
        "statx",
        "rseq",
        "keyctl",
        "bpf",
        "perf_event_open",
        "preadv2",
        "rt_sigaction",
        "getrandom",
        "arm_fadvise64_64",
        "no_such_call",
        "s390_pci_mmio_read",
        "",
        "sync_file_range",
};

typedef struct Profile {
        SeccompRules rules;
        SeccompRule rule[RULES];
        char *names[RULES][NAMES + 1];
        SeccompCondition conditions[RULES][4];
        char *arches[4];
} Profile;

static const uint32_t verdicts[] = { SCMP_ACT_ALLOW,       SCMP_ACT_ERRNO(1), SCMP_ACT_ERRNO(38),
                                     SCMP_ACT_TRAP,        SCMP_ACT_LOG,      SCMP_ACT_KILL_PROCESS,
                                     SCMP_ACT_KILL_THREAD, SCMP_ACT_TRACE(7), SCMP_ACT_NOTIFY,
                                     SCMP_ACT_ERRNO(4094) };

/* What rules look like. Where several rules for one call have conditions that hold at once, the order is up to
 * libseccomp, so that for comparison with it the conditional ones all say the same. It also mixes up alternatives
 * that are not all single comparisons for equality: then there is one such rule for a call, and each condition
 * is on an argument of its own. */
typedef enum Shape {
        SHAPE_EQUAL,
        SHAPE_UNEQUAL,
        SHAPE_ANY,
        _SHAPE_MAX,
} Shape;

static void random_condition(uint64_t *state, Shape shape, size_t k, SeccompCondition *ret) {
        *ret = (SeccompCondition){
                .argument = (unsigned) (shape == SHAPE_UNEQUAL
                                                ? k * 2 + random_below(state, 2)
                                                : random_below(state, SECCOMP_ARGUMENTS)),
                .compare = shape == SHAPE_EQUAL
                                   ? SECCOMP_EQ
                                   : (SeccompCompare) random_below(state, _SECCOMP_COMPARE_MAX),
                .value = values[random_below(state, ELEMENTSOF(values))],
                .second = values[random_below(state, ELEMENTSOF(values))],
        };
        if (shape == SHAPE_ANY)
                return;
        /* Where arguments have 32 bits libseccomp takes this for no condition, and so for the last word. */
        if (ret->compare == SECCOMP_MASKED_EQ && (uint32_t) ret->value == 0)
                ret->value = 3;
        /* There it makes nothing of this one, if it is not the first. */
        if (ret->compare == SECCOMP_LE && k > 0)
                ret->compare = SECCOMP_LT;
}

/* Whether an earlier rule with conditions names it too. */
static bool is_taken(const Profile *p, size_t rule, const char *call) {
        for (size_t i = 0; i < rule; i++)
                if (p->rule[i].n > 0 && strv_contains(p->names[i], call))
                        return true;
        return false;
}

static void random_profile(uint64_t *state, Shape shape, Profile *p) {
        static const char *const arches[] = { "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64",
                                              "SCMP_ARCH_X86_64" };
        uint32_t conditional = verdicts[random_below(state, ELEMENTSOF(verdicts))];
        size_t n_arches = 0;

        *p = (Profile){ .rules = { .verdict = verdicts[random_below(state, ELEMENTSOF(verdicts))],
                                   .n = 1 + random_below(state, RULES) } };
        for (size_t i = 0; i < ELEMENTSOF(arches) && n_arches < 3; i++)
                if (random_below(state, 2))
                        p->arches[n_arches++] = (char *) arches[i];
        p->rules.arches = p->arches;
        p->rules.v = p->rule;
        for (size_t i = 0; i < p->rules.n; i++) {
                SeccompRule *r = p->rule + i;
                size_t n = 1 + random_below(state, NAMES);

                bool conditions = random_below(state, 3) == 0;
                for (size_t k = 0; k < n; k++) {
                        const char *call = names[random_below(state, ELEMENTSOF(names))];

                        if (shape == SHAPE_UNEQUAL && conditions && is_taken(p, i, call))
                                call = "no_such_call";
                        p->names[i][k] = (char *) call;
                }
                r->calls = p->names[i];
                r->verdict = verdicts[random_below(state, ELEMENTSOF(verdicts))];
                r->conditions = p->conditions[i];
                if (!conditions)
                        continue;
                if (shape != SHAPE_ANY)
                        r->verdict = conditional;
                r->n = shape == SHAPE_EQUAL ? 1 : 1 + random_below(state, 3);
                for (size_t k = 0; k < r->n; k++)
                        random_condition(state, shape, k, r->conditions + k);
        }
}

static const char *name_of(uint32_t arch, uint32_t nr) {
        char *name = seccomp_syscall_resolve_num_arch(arch == AUDIT_ARCH_I386 ? SCMP_ARCH_X86
                                                      : nr & X32              ? SCMP_ARCH_X32
                                                                              : SCMP_ARCH_X86_64,
                                                      (int) nr);
        return strempty(name);
}

static void print_rules(const SeccompRules *rules, const char *call) {
        print_error("default %x, %s %s %s\n", rules->verdict, strempty(rules->arches[0]),
                    rules->arches[0] ? strempty(rules->arches[1]) : "", call);
        for (size_t i = 0; i < rules->n; i++) {
                if (!strv_contains(rules->v[i].calls, call))
                        continue;
                print_error("%x if", rules->v[i].verdict);
                for (size_t k = 0; k < rules->v[i].n; k++)
                        print_error(" %u:%d:%lx:%lx", rules->v[i].conditions[k].argument,
                                    rules->v[i].conditions[k].compare,
                                    rules->v[i].conditions[k].value,
                                    rules->v[i].conditions[k].second);
                print_error("\n");
        }
}

static void compare_at(const SeccompRules *rules, const SeccompProgram *ours,
                       const SeccompProgram *theirs, uint32_t arch, uint32_t nr, uint64_t *state,
                       size_t probes, size_t round) {
        for (size_t i = 0; i < probes; i++) {
                struct seccomp_data d = { .arch = arch, .nr = (int) nr };

                for (size_t k = 0; k < SECCOMP_ARGUMENTS; k++) {
                        d.args[k] = values[random_below(state, ELEMENTSOF(values))] +
                                    random_below(state, 3) - 1;
                        if (arch == AUDIT_ARCH_I386)
                                d.args[k] = (uint32_t) d.args[k];
                }
                uint32_t a = seccomp_run(ours->filter, ours->n, &d, NULL);
                uint32_t b = seccomp_run(theirs->filter, theirs->n, &d, NULL);
                if (a != b)
                        print_rules(rules, name_of(arch, nr));
                CHECK_EQ(a, b, "round %zu arch %x number %x args %llx %llx %llx %llx %llx %llx",
                         round, arch, nr, d.args[0], d.args[1], d.args[2], d.args[3], d.args[4],
                         d.args[5]);
        }
}

/* Return: whether there was something to compare with. */
static bool compare(const SeccompRules *rules, uint64_t *state, size_t probes, size_t round) {
        static const uint32_t more[] = { 1000,       1023,           1024,       4000,
                                         0xf0000,    0x3fffffff,     0x7fffffff, 0x80000000,
                                         X32 | 5000, UINT32_MAX - 1, UINT32_MAX };
        static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_PPC };
        SeccompProgram theirs = peer_program(rules), ours;
        Error e = {};

        CHECK_EQ(seccomp_rules_assemble(rules, &ours, &e), 0, "%s", e.text);
        if (theirs.n == 0) {
                free(ours.filter);
                return false;
        }
        for (size_t a = 0; a < ELEMENTSOF(arches); a++) {
                for (uint32_t nr = 0; nr < 560; nr++) {
                        compare_at(rules, &ours, &theirs, arches[a], nr, state, probes, round);
                        compare_at(rules, &ours, &theirs, arches[a], nr | X32, state, probes / 2,
                                   round);
                }
                for (size_t i = 0; i < ELEMENTSOF(more); i++)
                        compare_at(rules, &ours, &theirs, arches[a], more[i], state, 1, round);
        }
        free(ours.filter);
        free(theirs.filter);
        return true;
}

static void test_against_libseccomp(void **state) {
        uint64_t seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : 20;
        size_t n = 0;

        for (size_t i = 0; i < ROUNDS; i++) {
                Profile p;

                random_profile(&seed, i % 2 ? SHAPE_UNEQUAL : SHAPE_EQUAL, &p);
                n += compare(&p.rules, &seed, PROBES, i);
        }
        assert_in_range(n, ROUNDS / 3, ROUNDS);
}

static bool holds(const SeccompCondition *c, bool narrow, uint64_t a) {
        uint64_t value = narrow ? (uint32_t) c->value : c->value;
        uint64_t second = narrow ? (uint32_t) c->second : c->second;

        a = narrow ? (uint32_t) a : a;
        switch (c->compare) {
        case SECCOMP_NE:
                return a != value;
        case SECCOMP_LT:
                return a < value;
        case SECCOMP_LE:
                return a <= value;
        case SECCOMP_EQ:
                return a == value;
        case SECCOMP_GE:
                return a >= value;
        case SECCOMP_GT:
                return a > value;
        default:
                return (a & value) == (second & value);
        }
}

static bool is_no_condition(const SeccompCondition *c) {
        return c->compare == SECCOMP_MASKED_EQ && c->value == 0;
}

/* Whether a rule applies, going by what seccomp-rules.h says alone.
 * @always: whether it does without looking at the arguments */
static bool applies(const SeccompRule *r, bool narrow, const uint64_t *args, bool always) {
        bool all = true, any = false, twice = false;
        unsigned seen = 0;

        for (size_t i = 0; i < r->n; i++) {
                const SeccompCondition *c = r->conditions + i;
                bool yes = always ? is_no_condition(c) : holds(c, narrow, args[c->argument]);

                twice = twice || seen >> c->argument & 1;
                seen |= 1U << c->argument;
                all = all && yes;
                any = any || yes;
        }
        return twice ? any : all;
}

static uint32_t meaning(const SeccompRules *rules, const char *call, bool narrow,
                        const uint64_t *args) {
        for (int always = 1; always >= 0; always--)
                for (size_t i = 0; i < rules->n; i++)
                        if (strv_contains(rules->v[i].calls, call) &&
                            rules->v[i].verdict != rules->verdict &&
                            applies(rules->v + i, narrow, args, always))
                                return rules->v[i].verdict;
        return rules->verdict;
}

static void check_meaning(const SeccompRules *rules, const SeccompProgram *p, uint64_t *state,
                          size_t round) {
        for (size_t i = 0; i < 3000; i++) {
                const char *name = names[random_below(state, ELEMENTSOF(names))];
                int call = seccomp_call_find(name);
                size_t column = random_below(state, 2) ? 2 : 0;
                int32_t nr = call >= 0 ? seccomp_calls[call].number[column] : -1;
                bool covered = column == 0 || strv_contains(rules->arches, "SCMP_ARCH_X32");
                struct seccomp_data d = { .arch = AUDIT_ARCH_X86_64,
                                          .nr = nr | (int) seccomp_columns[column].marker };

                for (size_t k = 0; k < SECCOMP_ARGUMENTS; k++)
                        d.args[k] = (values[random_below(state, ELEMENTSOF(values))] +
                                     random_below(state, 3) - 1);
                if (nr < 0)
                        continue;
                CHECK_EQ(seccomp_run(p->filter, p->n, &d, NULL),
                         covered ? meaning(rules, name, column == 2, (const uint64_t *) d.args) : 0,
                         "round %zu %s", round, name);
        }
}

/* What libseccomp decides in an order of its own, or wrongly. */
static void test_meaning(void **state) {
        uint64_t seed = 7;

        for (size_t i = 0; i < 3 * ROUNDS; i++) {
                SeccompProgram program;
                Error e = {};
                Profile p;

                random_profile(&seed, (Shape) (i % _SHAPE_MAX), &p);
                CHECK_EQ(seccomp_rules_assemble(&p.rules, &program, &e), 0, "%s", e.text);
                check_meaning(&p.rules, &program, &seed, i);
                free(program.filter);
        }
}

static SeccompProgram program_of(const SeccompRules *rules) {
        SeccompProgram p;
        Error e = {};

        CHECK_EQ(seccomp_rules_assemble(rules, &p, &e), 0, "%s", e.text);
        return p;
}

static uint32_t ask(const SeccompProgram *p, uint32_t arch, uint32_t nr) {
        return seccomp_run(p->filter, p->n, &(struct seccomp_data){ .arch = arch, .nr = (int) nr },
                           NULL);
}

/* What is newer than all that is named, by number. */
static void test_fresh(void **state) {
        char *calls[] = { (char *) "read", (char *) "statx", NULL };
        char *arches[] = { (char *) "SCMP_ARCH_X32", NULL };
        SeccompRule rule = { .calls = calls, .verdict = ALLOW };
        SeccompRules rules = { .verdict = FAIL(1), .arches = arches, .v = &rule, .n = 1 };
        SeccompProgram p = program_of(&rules);

        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 333), FAIL(1), "as it is");
        free(p.filter);
        rules.fresh_is_enosys = true;
        p = program_of(&rules);
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 0), ALLOW, "read");
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 1), FAIL(1), "write");
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 332), ALLOW, "statx");
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 333), FAIL(38), "the next one");
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 5000), FAIL(38), "no call");
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, X32 | 332), ALLOW, "statx");
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, X32 | 333), FAIL(38), "the next one");
        CHECK_EQ(ask(&p, AUDIT_ARCH_I386, 3), SECCOMP_RET_KILL_THREAD, "not listed");
        free(p.filter);

        calls[1] = NULL;
        rule.verdict = FAIL(1); /* says what is so anyway, but says that it is known */
        p = program_of(&rules);
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 0), FAIL(1), "read");
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 1), FAIL(38), "write");
        free(p.filter);

        rules.n = 0;
        p = program_of(&rules);
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 500), FAIL(1), "none is named");
        free(p.filter);
}

/* More than the kernel takes is said, not cut off; as much as it takes goes, jumps over all of it included. */
static void test_long(void **state) {
        char *calls[] = { (char *) "read", NULL };
        SeccompCondition c[2000];
        SeccompRule rule = { .calls = calls, .verdict = ALLOW, .conditions = c, .n = 2000 };
        SeccompRules rules = { .verdict = FAIL(1), .v = &rule, .n = 1 };
        SeccompProgram p;
        Error e = {};

        for (size_t i = 0; i < ELEMENTSOF(c); i++)
                c[i] = (SeccompCondition){ .compare = SECCOMP_EQ, .value = i * 2 };
        CHECK_EQ(seccomp_rules_assemble(&rules, &p, &e), -E2BIG, "too long");
        assert_non_null(strstr(e.text, "4096 instructions"));

        rule.n = 1000;
        p = program_of(&rules);
        assert_in_range(p.n, 4000, BPF_MAXINSNS);
        for (uint64_t i = 0; i < 2010; i++) {
                struct seccomp_data d = { .arch = AUDIT_ARCH_X86_64, .args = { i } };
                CHECK_EQ(seccomp_run(p.filter, p.n, &d, NULL),
                         i % 2 == 0 && i < 2000 ? ALLOW : FAIL(1), "%d", (int) i);
        }
        CHECK_EQ(ask(&p, AUDIT_ARCH_X86_64, 1), FAIL(1), "another");
        free(p.filter);
}

/* A list as long as those that engines come with is small and shallow. */
static void test_budget(void **state) {
        _cleanup_strv_ char **calls = NULL;
        char *arches[] = { (char *) "SCMP_ARCH_X86", (char *) "SCMP_ARCH_X32", NULL };
        SeccompRule rule = { .verdict = ALLOW };
        SeccompRules rules = { .verdict = FAIL(38), .arches = arches, .v = &rule, .n = 1 };
        SeccompProgram p;
        unsigned most = 0;

        for (size_t i = 0; i < seccomp_n_calls; i++)
                if (i % 12 != 5)
                        assert_int_equal(strv_append(&calls, seccomp_call_name(i)), 0);
        rule.calls = calls;
        p = program_of(&rules);
        assert_in_range(p.n, 100, 600);
        for (uint32_t nr = 0; nr < 600; nr++) {
                struct seccomp_data d = { .arch = AUDIT_ARCH_X86_64, .nr = (int) nr };
                unsigned steps;

                (void) seccomp_run(p.filter, p.n, &d, &steps);
                most = MAX(most, steps);
        }
        assert_in_range(most, 1, 20);
        free(p.filter);
}

#endif

static void test_refused(void **state) {
        char *calls[] = { (char *) "read", NULL };
        char *arches[] = { (char *) "SCMP_ARCH_RISCV64", (char *) "SCMP_ARCH_Z80", NULL };
        SeccompCondition c = { .argument = 6 };
        SeccompRule rule = { .calls = calls, .verdict = ALLOW, .conditions = &c, .n = 1 };
        SeccompRules rules = { .v = &rule, .n = 1 };
        SeccompProgram p;
        Error e = {};

        CHECK_EQ(seccomp_rules_assemble(&rules, &p, &e), -EINVAL, "argument");
        assert_non_null(strstr(e.text, "argument 6"));
        c.argument = 5;
        rules.arches = arches;
        CHECK_EQ(seccomp_rules_assemble(&rules, &p, &e), -EINVAL, "architecture");
        assert_non_null(strstr(e.text, "'SCMP_ARCH_Z80'"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#ifdef __x86_64__
                cmocka_unit_test(test_against_libseccomp),
                cmocka_unit_test(test_meaning),
                cmocka_unit_test(test_fresh),
                cmocka_unit_test(test_long),
                cmocka_unit_test(test_budget),
#endif
                cmocka_unit_test(test_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
