/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From rules to a filter program, see seccomp-rules.h. Each call gets a list of what decides about it; calls
 * with the same list share one leaf of the tree, and so do architectures. What a leaf is made of is found in
 * the rules again when it is written. */
#include "spawn/seccomp-rules.h"

#include <endian.h>
#include <linux/audit.h>
#include <linux/seccomp.h>

#include "spawn/seccomp-tree.h"

#define VERDICTS_MAX  256U
#define LISTS_MAX     2048U
#define LEAVES_MAX    (VERDICTS_MAX + 2 * LISTS_MAX)
#define NUMBERS_MAX   (SECCOMP_LOW_MAX + SECCOMP_FAR_MAX)
#define STRETCHES_MAX (NUMBERS_MAX + 2)
#define NONE          UINT32_MAX

/* One entry of the list of a call. */
typedef struct Entry {
        uint32_t rule;
        uint32_t condition; /* that one alone; NONE = all of the rule */
        uint32_t first;     /* what the first argument must be instead, see below; NONE = nothing */
        uint32_t before;    /* the entry that is asked before this one; NONE = this is the first */
} Entry;

/* What decides about one call. */
typedef struct Call {
        uint32_t last;    /* of the entries with conditions; NONE = there are none */
        uint32_t verdict; /* what an entry without says */
        bool has_verdict;
        bool is_named; /* by any rule, one that says what is so anyway as well */
        uint16_t leaf; /* for wide arguments; + 1 for narrow ones if the list has entries */
} Call;

typedef struct Maker {
        SeccompTree tree; /* first: the leaves are given this */
        const SeccompRules *rules;
        Entry *entries;
        size_t n_entries, size_entries;
        Call *calls; /* as seccomp_calls[] */
        size_t n_lists;
        uint32_t list_call[LISTS_MAX]; /* the call that a list is the list of */
        uint32_t verdicts[VERDICTS_MAX];
        size_t n_verdicts;
        size_t leaf[LEAVES_MAX];
} Maker;

void seccomp_rules_done(SeccompRules *rules) {
        for (size_t i = 0; i < rules->n; i++)
                free(rules->v[i].conditions);
        free(rules->v);
        *rules = (SeccompRules){};
}

static int verdict_leaf(Maker *m, uint32_t verdict) {
        for (size_t i = 0; i < m->n_verdicts; i++)
                if (m->verdicts[i] == verdict)
                        return (int) i;
        if (m->n_verdicts >= VERDICTS_MAX)
                return -E2BIG;
        m->verdicts[m->n_verdicts] = verdict;
        return (int) m->n_verdicts++;
}

/* Where the two halves of an argument are. */
static size_t half(unsigned argument, bool high) {
        bool big = __BYTE_ORDER == __BIG_ENDIAN;

        return offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t) +
               (high != big ? sizeof(uint32_t) : 0);
}

static size_t write_masked(SeccompTree *t, const SeccompCondition *c, bool narrow, size_t yes,
                           size_t no) {
        uint32_t low = (uint32_t) c->value, high = narrow ? 0 : (uint32_t) (c->value >> 32);

        (void) seccomp_tree_jump(t, BPF_JEQ, (uint32_t) c->second & low, yes, no);
        (void) seccomp_tree_add(t, BPF_ALU | BPF_AND | BPF_K, low);
        yes = seccomp_tree_load(t, half(c->argument, false));
        if (high == 0)
                return yes;
        (void) seccomp_tree_jump(t, BPF_JEQ, (uint32_t) (c->second >> 32) & high, yes, no);
        (void) seccomp_tree_add(t, BPF_ALU | BPF_AND | BPF_K, high);
        return seccomp_tree_load(t, half(c->argument, true));
}

static size_t write_equal(SeccompTree *t, const SeccompCondition *c, bool narrow, size_t yes,
                          size_t no) {
        (void) seccomp_tree_jump(t, BPF_JEQ, (uint32_t) c->value, yes, no);
        yes = seccomp_tree_load(t, half(c->argument, false));
        if (narrow)
                return yes;
        (void) seccomp_tree_jump(t, BPF_JEQ, (uint32_t) (c->value >> 32), yes, no);
        return seccomp_tree_load(t, half(c->argument, true));
}

/* @compare: BPF_JGT or BPF_JGE */
static size_t write_greater(SeccompTree *t, const SeccompCondition *c, bool narrow,
                            uint16_t compare, size_t yes, size_t no) {
        (void) seccomp_tree_jump(t, compare, (uint32_t) c->value, yes, no);
        size_t low = seccomp_tree_load(t, half(c->argument, false));
        if (narrow)
                return low;
        size_t same = seccomp_tree_jump(t, BPF_JEQ, (uint32_t) (c->value >> 32), low, no);
        (void) seccomp_tree_jump(t, BPF_JGT, (uint32_t) (c->value >> 32), yes, same);
        return seccomp_tree_load(t, half(c->argument, true));
}

static size_t write_condition(SeccompTree *t, const SeccompCondition *c, bool narrow, size_t yes,
                              size_t no) {
        switch (c->compare) {
        case SECCOMP_EQ:
                return write_equal(t, c, narrow, yes, no);
        case SECCOMP_NE:
                return write_equal(t, c, narrow, no, yes);
        case SECCOMP_GE:
                return write_greater(t, c, narrow, BPF_JGE, yes, no);
        case SECCOMP_LT:
                return write_greater(t, c, narrow, BPF_JGE, no, yes);
        case SECCOMP_GT:
                return write_greater(t, c, narrow, BPF_JGT, yes, no);
        case SECCOMP_LE:
                return write_greater(t, c, narrow, BPF_JGT, no, yes);
        default:
                return write_masked(t, c, narrow, yes, no);
        }
}

/* The condition that a multiplexed call is this one comes in place of those on the first argument. */
static size_t write_entry(Maker *m, const Entry *entry, bool narrow, size_t no) {
        const SeccompRule *rule = m->rules->v + entry->rule;
        SeccompTree *t = &m->tree;
        size_t yes = seccomp_tree_leaf(t, (unsigned) verdict_leaf(m, rule->verdict));

        for (size_t i = rule->n; i > 0; i--) {
                const SeccompCondition *c = rule->conditions + i - 1;

                if (entry->condition != NONE && entry->condition != i - 1)
                        continue;
                if (entry->first != NONE && c->argument == 0)
                        continue;
                yes = write_condition(t, c, narrow, yes, no);
        }
        if (entry->first != NONE) {
                const SeccompCondition first = { .compare = SECCOMP_EQ, .value = entry->first };
                yes = write_condition(t, &first, narrow, yes, no);
        }
        return yes;
}

static size_t write_leaf(SeccompTree *t, unsigned i) {
        Maker *m = (Maker *) t;

        if (i < VERDICTS_MAX)
                return seccomp_tree_return(t, m->verdicts[i]);

        const Call *call = m->calls + m->list_call[(i - VERDICTS_MAX) / 2];
        size_t height = seccomp_tree_leaf(t, (unsigned) verdict_leaf(m, m->rules->verdict));
        for (uint32_t k = call->last; k != NONE && t->height <= t->size; k = m->entries[k].before)
                height = write_entry(m, m->entries + k, (i - VERDICTS_MAX) % 2, height);
        return height;
}

static int add_entry(Maker *m, size_t call, Entry entry) {
        Call *c = m->calls + call;

        if (m->n_entries >= m->size_entries) {
                size_t size = MAX(m->size_entries * 2, (size_t) 256);
                Entry *entries = reallocarray(m->entries, size, sizeof *entries);

                if (!entries)
                        return -ENOMEM;
                m->entries = entries;
                m->size_entries = size;
        }
        entry.before = c->last;
        m->entries[m->n_entries] = entry;
        c->last = (uint32_t) m->n_entries++;
        return 0;
}

static bool has_alternatives(const SeccompRule *rule) {
        unsigned seen = 0;

        for (size_t i = 0; i < rule->n; i++) {
                if (seen >> rule->conditions[i].argument & 1)
                        return true;
                seen |= 1U << rule->conditions[i].argument;
        }
        return false;
}

/* The first one that says so without any condition stays. */
static void add_verdict(Maker *m, size_t call, uint32_t verdict) {
        if (!m->calls[call].has_verdict)
                m->calls[call].verdict = verdict;
        m->calls[call].has_verdict = true;
}

static bool is_always(const SeccompCondition *c) {
        return c->compare == SECCOMP_MASKED_EQ && c->value == 0;
}

/* @condition: NONE = all of the rule
 * @first: as in Entry */
static int add_alternative(Maker *m, size_t call, size_t rule, uint32_t condition, uint32_t first) {
        const SeccompRule *r = m->rules->v + rule;
        bool always = first == NONE;

        for (size_t i = 0; i < r->n && always; i++)
                always = is_always(r->conditions + i) || (condition != NONE && condition != i);
        if (!always)
                return add_entry(m, call, (Entry){ (uint32_t) rule, condition, first, NONE });
        add_verdict(m, call, r->verdict);
        return 0;
}

static int add_rule(Maker *m, size_t call, size_t rule, uint32_t first) {
        const SeccompRule *r = m->rules->v + rule;
        int k = 0;

        if (!has_alternatives(r))
                return add_alternative(m, call, rule, NONE, first);
        for (size_t i = 0; i < r->n && k >= 0; i++)
                k = add_alternative(m, call, rule, (uint32_t) i, first);
        return k;
}

/* Some architectures have two ways to these calls: a number of their own, and one of two calls that take a
 * number as their first argument. */
static const struct {
        char name[14], by[11];
        uint8_t number;
} multiplexed[] = {
        { "socket", "socketcall", 1 },
        { "bind", "socketcall", 2 },
        { "connect", "socketcall", 3 },
        { "listen", "socketcall", 4 },
        { "accept", "socketcall", 5 },
        { "getsockname", "socketcall", 6 },
        { "getpeername", "socketcall", 7 },
        { "socketpair", "socketcall", 8 },
        { "send", "socketcall", 9 },
        { "recv", "socketcall", 10 },
        { "sendto", "socketcall", 11 },
        { "recvfrom", "socketcall", 12 },
        { "shutdown", "socketcall", 13 },
        { "setsockopt", "socketcall", 14 },
        { "getsockopt", "socketcall", 15 },
        { "sendmsg", "socketcall", 16 },
        { "recvmsg", "socketcall", 17 },
        { "accept4", "socketcall", 18 },
        { "recvmmsg", "socketcall", 19 },
        { "sendmmsg", "socketcall", 20 },
        { "semop", "ipc", 1 },
        { "semget", "ipc", 2 },
        { "semctl", "ipc", 3 },
        { "semtimedop", "ipc", 4 },
        { "msgsnd", "ipc", 11 },
        { "msgrcv", "ipc", 12 },
        { "msgget", "ipc", 13 },
        { "msgctl", "ipc", 14 },
        { "shmat", "ipc", 21 },
        { "shmdt", "ipc", 22 },
        { "shmget", "ipc", 23 },
        { "shmctl", "ipc", 24 },
};

static int add_multiplexed(Maker *m, const char *name, size_t rule) {
        for (size_t i = 0; i < ELEMENTSOF(multiplexed); i++) {
                int call = streq(name, multiplexed[i].name) ? seccomp_call_find(multiplexed[i].by)
                                                            : -ENOENT;
                if (call >= 0)
                        return add_rule(m, (size_t) call, rule, multiplexed[i].number);
        }
        return 0;
}

static int check_rule(const SeccompRule *rule, Error *e) {
        for (size_t i = 0; i < rule->n; i++)
                if (rule->conditions[i].argument >= SECCOMP_ARGUMENTS)
                        return error_set(e, EINVAL,
                                         "system calls have no argument %u, they are 0 to %u",
                                         rule->conditions[i].argument, SECCOMP_ARGUMENTS - 1);
        return 0;
}

static int collect(Maker *m, Error *e) {
        for (size_t i = 0; i < m->rules->n; i++) {
                const SeccompRule *rule = m->rules->v + i;
                int r = check_rule(rule, e);

                if (r < 0)
                        return r;
                STRV_FOREACH(name, rule->calls) {
                        int call = seccomp_call_find(*name);

                        if (call >= 0)
                                m->calls[call].is_named = true;
                        if (rule->verdict == m->rules->verdict)
                                continue;
                        r = call < 0 ? 0 : add_rule(m, (size_t) call, i, NONE);
                        if (r >= 0)
                                r = add_multiplexed(m, *name, i);
                        if (r < 0)
                                return error_oom(e);
                }
        }
        return 0;
}

static bool lists_are_same(const Maker *m, uint32_t a, uint32_t b) {
        for (; a != NONE && b != NONE; a = m->entries[a].before, b = m->entries[b].before) {
                const Entry *x = m->entries + a, *y = m->entries + b;

                if (x->rule != y->rule || x->condition != y->condition || x->first != y->first)
                        return false;
        }
        return a == b;
}

static int list_leaf(Maker *m, size_t call) {
        size_t i = 0;

        while (i < m->n_lists &&
               !lists_are_same(m, m->calls[m->list_call[i]].last, m->calls[call].last))
                i++;
        if (i >= LISTS_MAX)
                return -E2BIG;
        if (i == m->n_lists)
                m->list_call[m->n_lists++] = (uint32_t) call;
        return (int) (VERDICTS_MAX + 2 * i);
}

/* Which leaf each call has, and that every verdict has one. */
static int assign_leaves(Maker *m) {
        int leaf = verdict_leaf(m, m->rules->verdict);

        for (size_t i = 0; i < m->rules->n && leaf >= 0; i++)
                leaf = verdict_leaf(m, m->rules->v[i].verdict);
        for (size_t i = 0; i < seccomp_n_calls && leaf >= 0; i++) {
                Call *c = m->calls + i;

                leaf = c->has_verdict    ? verdict_leaf(m, c->verdict)
                       : c->last != NONE ? list_leaf(m, i)
                                         : verdict_leaf(m, m->rules->verdict);
                c->leaf = (uint16_t) leaf;
        }
        return MIN(leaf, 0);
}

/* The newest call of a column that the rules name. Return: its number; -1 = none. */
static int32_t newest(const Maker *m, size_t column) {
        int32_t last = -1;

        for (size_t i = 0; i < seccomp_n_calls; i++)
                if (m->calls[i].is_named && seccomp_calls[i].number[column] > last)
                        last = seccomp_calls[i].number[column];
        return last;
}

static int fill_numbers(Maker *m, size_t column, uint16_t leaves[static NUMBERS_MAX]) {
        int otherwise = verdict_leaf(m, m->rules->verdict), fresh = otherwise;
        int32_t last = m->rules->fresh_is_enosys ? newest(m, column) : -1;

        if (last >= 0)
                fresh = verdict_leaf(m, SECCOMP_RET_ERRNO | ENOSYS);
        if (fresh < 0)
                return fresh;
        for (uint32_t i = 0; i < NUMBERS_MAX; i++) {
                uint32_t n = i < SECCOMP_LOW_MAX ? i : SECCOMP_FAR_FIRST + i - SECCOMP_LOW_MAX;
                leaves[i] = (uint16_t) (last >= 0 && n > (uint32_t) last ? fresh : otherwise);
        }
        for (size_t i = 0; i < seccomp_n_calls; i++) {
                uint32_t n = (uint32_t) seccomp_calls[i].number[column];
                const Call *c = m->calls + i;
                bool narrow = c->leaf >= VERDICTS_MAX && seccomp_columns[column].narrow;

                if (!c->has_verdict && c->last == NONE)
                        continue;
                if (n < SECCOMP_LOW_MAX)
                        leaves[n] = (uint16_t) (c->leaf + narrow);
                else if (n - SECCOMP_FAR_FIRST < SECCOMP_FAR_MAX)
                        leaves[SECCOMP_LOW_MAX + n - SECCOMP_FAR_FIRST] = (uint16_t) (c->leaf +
                                                                                      narrow);
        }
        return fresh;
}

/* The tree of one kind of programs. Return: its height; -errno. */
static int write_column(Maker *m, size_t column) {
        _cleanup_free_ SeccompStretch *stretches = calloc(STRETCHES_MAX, sizeof *stretches);
        uint16_t leaves[NUMBERS_MAX];
        int fresh = fill_numbers(m, column, leaves), r = 0;
        size_t n = 0;

        if (!stretches)
                return -ENOMEM;
        if (fresh < 0)
                return fresh;
        for (uint32_t i = 0; i < SECCOMP_LOW_MAX && r >= 0; i++)
                r = seccomp_tree_stretch(stretches, &n, STRETCHES_MAX, i, leaves[i]);
        for (uint32_t i = 0; i < SECCOMP_FAR_MAX && r >= 0; i++)
                r = seccomp_tree_stretch(stretches, &n, STRETCHES_MAX, SECCOMP_FAR_FIRST + i,
                                         leaves[SECCOMP_LOW_MAX + i]);
        if (r >= 0)
                r = seccomp_tree_stretch(stretches, &n, STRETCHES_MAX,
                                         SECCOMP_FAR_FIRST + SECCOMP_FAR_MAX, (unsigned) fresh);
        return r < 0 ? r : (int) seccomp_tree_write(&m->tree, stretches, n);
}

/* All columns of one architecture; where there is one with a marker (x32) its bits tell which. */
static int write_arch(Maker *m, unsigned columns, size_t arch, size_t bad) {
        SeccompTree *t = &m->tree;
        size_t plain = bad, marked = bad;
        uint32_t marker = 0;

        for (size_t c = 0; c < SECCOMP_COLUMNS; c++) {
                const SeccompColumn *column = seccomp_columns + c;

                if (!column->name[0] || column->arch != arch)
                        continue;
                marker |= column->marker;
                if (!(columns >> c & 1))
                        continue;
                int r = write_column(m, c);
                if (r < 0)
                        return r;
                if (!column->marker) {
                        plain = (size_t) r;
                        continue;
                }
                seccomp_tree_fall_into(t, (size_t) r);
                marked = seccomp_tree_add(t, BPF_ALU | BPF_AND | BPF_K, ~column->marker);
        }
        /* -1 is not of any kind: who traces a program calls that to have it call nothing. */
        if (marker && marked == bad)
                marked = seccomp_tree_jump(t, BPF_JEQ, UINT32_MAX, plain, bad);
        if (marker)
                (void) seccomp_tree_jump(t, BPF_JGE, marker, marked, plain);
        else
                seccomp_tree_fall_into(t, plain);
        return (int) seccomp_tree_load(t, offsetof(struct seccomp_data, nr));
}

static int find_columns(char *const *arches, unsigned *ret, Error *e) {
        /* Those of other kernels are known by name alone. */
        static const char *const others[] = {
                "X86",     "X86_64",      "X32",    "ARM",      "AARCH64",     "MIPS",
                "MIPS64",  "MIPS64N32",   "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC",
                "PPC64",   "PPC64LE",     "S390",   "S390X",    "PARISC",      "PARISC64",
                "RISCV64", "LOONGARCH64", "M68K",   "SH",       "SHEB",
        };

        *ret = 1;
        STRV_FOREACH(arch, arches) {
                const char *name = str_skip_prefix(*arch, "SCMP_ARCH_");
                bool known = false;

                for (size_t i = 0; i < ELEMENTSOF(others) && name; i++)
                        known = known || streq(name, others[i]);
                if (!known)
                        return error_set(e, EINVAL, "'%.60s' is not an architecture", *arch);
                for (size_t c = 0; c < SECCOMP_COLUMNS; c++)
                        if (streq(*arch, seccomp_columns[c].name))
                                *ret |= 1U << c;
        }
        return 0;
}

static int write_program(Maker *m, unsigned columns) {
        size_t root[SECCOMP_COLUMNS], height;
        SeccompTree *t = &m->tree;
        int kill = verdict_leaf(m, SECCOMP_RET_KILL_THREAD);
        unsigned arches = 0;

        if (kill < 0)
                return kill;
        for (size_t c = 0; c < SECCOMP_COLUMNS; c++)
                if (columns >> c & 1)
                        arches |= 1U << seccomp_columns[c].arch;
        for (size_t i = seccomp_n_arches; i > 0; i--) {
                if (!(arches >> (i - 1) & 1))
                        continue;
                int r = write_arch(m, columns, i - 1, seccomp_tree_leaf(t, (unsigned) kill));
                if (r < 0)
                        return r;
                root[i - 1] = (size_t) r;
        }
        height = seccomp_tree_return(t, SECCOMP_RET_KILL_THREAD);
        for (size_t i = seccomp_n_arches; i > 0; i--)
                if (arches >> (i - 1) & 1)
                        height = seccomp_tree_jump(t, BPF_JEQ, seccomp_arches[i - 1].audit_arch,
                                                   root[i - 1], height);
        (void) seccomp_tree_load(t, offsetof(struct seccomp_data, arch));
        return seccomp_tree_done(t);
}

static int assemble(Maker *m, unsigned columns, SeccompProgram *ret, Error *e) {
        _cleanup_free_ struct sock_filter *filter = calloc(BPF_MAXINSNS, sizeof *filter);
        struct sock_filter *kept;
        int r = assign_leaves(m);

        if (!filter)
                return error_oom(e);
        m->tree = (SeccompTree){
                .insn = filter, .size = BPF_MAXINSNS, .leaf = m->leaf, .write_leaf = write_leaf
        };
        if (r >= 0)
                r = write_program(m, columns);
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0)
                return error_set(
                        e, r,
                        "the system call filter does not fit into the %d instructions that "
                        "the kernel takes",
                        BPF_MAXINSNS);
        kept = reallocarray(filter, (size_t) r, sizeof *filter);
        *ret = (SeccompProgram){ .n = (size_t) r, .filter = kept ? kept : filter };
        filter = NULL;
        return 0;
}

int seccomp_rules_assemble(const SeccompRules *rules, SeccompProgram *ret, Error *e) {
        _cleanup_free_ Maker *m = calloc(1, sizeof *m);
        _cleanup_free_ Call *calls = calloc(seccomp_n_calls, sizeof *calls);
        unsigned columns;
        int r = find_columns(rules->arches, &columns, e);

        if (r < 0)
                return r;
        if (!m || !calls)
                return error_oom(e);
        m->rules = rules;
        m->calls = calls;
        for (size_t i = 0; i < seccomp_n_calls; i++)
                calls[i].last = NONE;
        r = collect(m, e);
        if (r >= 0)
                r = assemble(m, columns, ret, e);
        free(m->entries);
        return r;
}
