/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system call filter: what the tables of the build mean under given capabilities and settings, and the
 * call that puts a program in force. Which calls belong where is said in gen/seccomp-groups.c; how
 * the tree of compares is made, in seccomp-assemble.c. The default filter takes the segments as they are;
 * for another one they are written out number by number, changed, and put together again. */
#include "spawn/seccomp-plan.h"

#include <inttypes.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spawn/seccomp-assemble.h"

static bool has_cap(uint64_t caps, unsigned cap) {
        return caps >> cap & 1;
}

/* The kinds of one architecture's numbers, to be changed. What lies between the two ranges is unknown. */
typedef struct Numbers {
        uint8_t low[SECCOMP_LOW_MAX];
        uint8_t far[SECCOMP_FAR_MAX];
} Numbers;

static void read_numbers(const SeccompArch *arch, Numbers *ret) {
        const uint32_t *segment = seccomp_segments + arch->first, *end = segment + arch->n;

        for (uint32_t i = 0; i < SECCOMP_LOW_MAX + SECCOMP_FAR_MAX; i++) {
                uint32_t number = i < SECCOMP_LOW_MAX ? i
                                                      : SECCOMP_FAR_FIRST + (i - SECCOMP_LOW_MAX);
                while (segment + 1 < end && SECCOMP_SEGMENT_START(segment[1]) <= number)
                        segment++;
                uint8_t kind = (uint8_t) SECCOMP_SEGMENT_KIND(*segment);
                if (i < SECCOMP_LOW_MAX)
                        ret->low[i] = kind;
                else
                        ret->far[i - SECCOMP_LOW_MAX] = kind;
        }
}

/* Return: number of segments written, at most as many as there are numbers and one. */
static size_t write_numbers(const Numbers *numbers, uint32_t *ret) {
        size_t n = 0;

        for (uint32_t i = 0; i < SECCOMP_LOW_MAX; i++)
                if (n == 0 || SECCOMP_SEGMENT_KIND(ret[n - 1]) != (SeccompKind) numbers->low[i])
                        ret[n++] = SECCOMP_SEGMENT(i, numbers->low[i]);
        for (uint32_t i = 0; i < SECCOMP_FAR_MAX; i++)
                if (SECCOMP_SEGMENT_KIND(ret[n - 1]) != (SeccompKind) numbers->far[i])
                        ret[n++] = SECCOMP_SEGMENT(SECCOMP_FAR_FIRST + i, numbers->far[i]);
        return n;
}

static uint8_t *number_at(Numbers *numbers, int32_t number) {
        uint32_t n = (uint32_t) number;

        if (n < SECCOMP_LOW_MAX)
                return numbers->low + n;
        if (n - SECCOMP_FAR_FIRST < SECCOMP_FAR_MAX)
                return numbers->far + (n - SECCOMP_FAR_FIRST);
        return NULL;
}

typedef struct Change {
        const SeccompRequest *request;
        const SeccompAction *actions;
} Change;

/* Calls that wait for the disk, and what is made of them. */
static SeccompKind suppressed_kind(const char *name) {
        static const struct {
                char name[24];
                uint8_t kind;
        } rows[] = {
                { "sync", SECCOMP_KIND_NOTHING },
                { "fsync", SECCOMP_KIND_NOTHING_FD },
                { "fdatasync", SECCOMP_KIND_NOTHING_FD },
                { "syncfs", SECCOMP_KIND_NOTHING_FD },
                { "sync_file_range", SECCOMP_KIND_NOTHING_FD },
                { "sync_file_range2", SECCOMP_KIND_NOTHING_FD },
                { "arm_sync_file_range", SECCOMP_KIND_NOTHING_FD },
                { "msync", SECCOMP_KIND_NOTHING_MSYNC },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (streq(name, rows[i].name))
                        return (SeccompKind) rows[i].kind;
        return SECCOMP_KIND_ALLOWED;
}

static bool in_list(const uint64_t *bits, size_t i) {
        return bits[i / 64] >> i % 64 & 1;
}

/* What becomes of a call of one kind. */
static SeccompKind change_kind(const Change *c, size_t call, SeccompKind kind) {
        const SeccompRequest *q = c->request;
        const char *name = seccomp_call_name(call);

        if (q->calls && in_list(q->calls->allow, call) && kind != SECCOMP_KIND_SOCKET)
                kind = SECCOMP_KIND_ALLOWED;
        if (q->suppress_sync && kind == SECCOMP_KIND_ALLOWED)
                kind = suppressed_kind(name);
        if (q->families.mode != FAMILIES_ALL && c->actions[kind] == SECCOMP_ACTION_ALLOW) {
                /* Both make sockets without asking for a family that we could see. */
                if (streq(name, "socketcall"))
                        kind = SECCOMP_KIND_SOCKETCALL;
                if (streq(name, "io_uring_setup"))
                        kind = SECCOMP_KIND_DENIED;
        }
        return kind;
}

/* Where two kinds of programs share an architecture, one call can have two numbers: both change. */
static void change_numbers(const Change *c, size_t arch, bool denied, Numbers *numbers) {
        for (size_t i = 0; i < seccomp_n_calls; i++)
                for (size_t j = 0; j < SECCOMP_COLUMNS; j++) {
                        int32_t number = seccomp_calls[i].number[j];
                        uint8_t *kind = number_at(numbers, number);

                        if (!kind || seccomp_columns[j].arch != arch)
                                continue;
                        if (!denied)
                                *kind = (uint8_t) change_kind(c, i, (SeccompKind) *kind);
                        else if (c->request->calls && in_list(c->request->calls->deny, i))
                                *kind = SECCOMP_KIND_DENIED;
                }
}

#define ARCHES_MAX   8U
#define SEGMENTS_MAX (SECCOMP_LOW_MAX + SECCOMP_FAR_MAX + 1)

/* As the tables of the build, after the changes. */
static int assemble_changed(const Change *c, struct sock_filter *ret, Error *e) {
        _cleanup_free_ uint32_t *segments = calloc(seccomp_n_arches * SEGMENTS_MAX,
                                                   sizeof *segments);
        SeccompArch arches[ARCHES_MAX];
        size_t n = 0;

        if (!segments)
                return error_oom(e);
        for (size_t i = 0; i < seccomp_n_arches; i++) {
                Numbers numbers;

                read_numbers(seccomp_arches + i, &numbers);
                change_numbers(c, i, false, &numbers);
                change_numbers(c, i, true, &numbers); /* wins, whatever else a number is */
                arches[i] = seccomp_arches[i];
                arches[i].first = (uint16_t) n;
                arches[i].n = (uint16_t) write_numbers(&numbers, segments + n);
                n += arches[i].n;
        }
        return seccomp_assemble(arches, seccomp_n_arches, segments, c->actions,
                                family_list_allows(&c->request->families), ret, SECCOMP_PLAN_MAX);
}

int seccomp_plan(const SeccompRequest *request, SeccompPlan *ret, Error *e) {
        const SeccompAction actions[_SECCOMP_KIND_MAX] = {
                [SECCOMP_KIND_UNKNOWN] = SECCOMP_ACTION_ENOSYS,
                [SECCOMP_KIND_DENIED] = SECCOMP_ACTION_EPERM,
                [SECCOMP_KIND_ALLOWED] = SECCOMP_ACTION_ALLOW,
                [SECCOMP_KIND_SOCKET] = SECCOMP_ACTION_SOCKET,
                [SECCOMP_KIND_KEYS] = request->host_users ? SECCOMP_ACTION_EPERM
                                                          : SECCOMP_ACTION_ALLOW,
                [SECCOMP_KIND_SOCKETCALL] = SECCOMP_ACTION_SOCKETCALL,
                [SECCOMP_KIND_NOTHING] = SECCOMP_ACTION_NOTHING,
                [SECCOMP_KIND_NOTHING_FD] = SECCOMP_ACTION_NOTHING_FD,
                [SECCOMP_KIND_NOTHING_MSYNC] = SECCOMP_ACTION_NOTHING_MSYNC,
#define K(name, cap)                                                                               \
        [SECCOMP_KIND_##name] = has_cap(request->caps, cap) ? SECCOMP_ACTION_ALLOW                 \
                                                            : SECCOMP_ACTION_EPERM,
                SECCOMP_CAP_KINDS(K)
#undef K
        };
        const Change change = { .request = request, .actions = actions };
        int n;

        if (request->calls || request->families.mode != FAMILIES_ALL || request->suppress_sync)
                n = assemble_changed(&change, ret->filter, e);
        else
                n = seccomp_assemble(seccomp_arches, seccomp_n_arches, seccomp_segments, actions,
                                     UINT64_MAX, ret->filter, SECCOMP_PLAN_MAX);
        if (n == -ENOMEM)
                return n;
        if (n < 0)
                return error_set(e, n, "the system call filter does not fit into %d instructions",
                                 SECCOMP_PLAN_MAX);

        ret->n = (size_t) n;
        return 0;
}

int seccomp_plan_keep(const SeccompPlan *p, SeccompProgram *ret) {
        struct sock_filter *copy = calloc(p->n, sizeof *copy);

        if (!copy)
                return -ENOMEM;
        memcpy(copy, p->filter, p->n * sizeof *copy);
        *ret = (SeccompProgram){ .n = p->n, .filter = copy };
        return 0;
}

static int format_load(const struct sock_filter *f, Buf *out) {
        static const char *const fields[] = {
                [offsetof(struct seccomp_data, nr) / 4] = "number",
                [offsetof(struct seccomp_data, arch) / 4] = "arch",
                [offsetof(struct seccomp_data, args) / 4 + 5] = NULL,
        };
        size_t field = f->k / 4;

        if (field < ELEMENTSOF(fields) && fields[field])
                return buf_printf(out, "load %s\n", fields[field]);

        return buf_printf(out, "load word %zu of argument %zu\n",
                          (f->k - offsetof(struct seccomp_data, args)) / 4 % 2,
                          (f->k - offsetof(struct seccomp_data, args)) / 8);
}

static int format_return(uint32_t k, Buf *out) {
        switch (k & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_ALLOW:
                return buf_puts(out, "allow\n");
        case SECCOMP_RET_KILL_PROCESS:
                return buf_puts(out, "kill the process\n");
        case SECCOMP_RET_ERRNO:
                if ((k & SECCOMP_RET_DATA) == 0)
                        return buf_puts(out, "do nothing\n");
                return buf_printf(out, "fail with %s\n",
                                  strerrorname_np((int) (k & SECCOMP_RET_DATA)));
        default:
                return buf_printf(out, "return 0x%" PRIx32 "\n", k);
        }
}

static int format_instruction(const struct sock_filter *f, size_t i, Buf *out) {
        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS:
                return format_load(f, out);
        case BPF_ALU | BPF_AND | BPF_K:
                return buf_printf(out, "and 0x%" PRIx32 "\n", f->k);
        case BPF_RET | BPF_K:
                return format_return(f->k, out);
        case BPF_JMP | BPF_JA:
                return buf_printf(out, "go to %zu\n", i + 1 + f->k);
        case BPF_JMP | BPF_JEQ | BPF_K:
        case BPF_JMP | BPF_JGE | BPF_K:
        case BPF_JMP | BPF_JSET | BPF_K:
                return buf_printf(out, "if %s %" PRIu32 " go to %zu else %zu\n",
                                  BPF_OP(f->code) == BPF_JGE    ? ">="
                                  : BPF_OP(f->code) == BPF_JSET ? "has"
                                                                : "==",
                                  f->k, i + 1 + f->jt, i + 1 + f->jf);
        default:
                return buf_printf(out, "code 0x%x %u %u 0x%" PRIx32 "\n", f->code, f->jt, f->jf,
                                  f->k);
        }
}

int seccomp_plan_format(const SeccompPlan *p, Buf *out) {
        int r;

        for (size_t i = 0; i < p->n; i++) {
                r = buf_printf(out, "%3zu: ", i);
                if (r >= 0)
                        r = format_instruction(p->filter + i, i, out);
                if (r < 0)
                        return r;
        }

        return 0;
}

int seccomp_plan_load(const struct sock_filter *filter, size_t n, Error *e) {
        const SeccompProgram p = { .n = n, .filter = (struct sock_filter *) filter };

        return seccomp_program_load(&p, NULL, e);
}

int seccomp_program_load(const SeccompProgram *p, int *ret_listener, Error *e) {
        struct sock_fprog program = { .len = (unsigned short) p->n, .filter = p->filter };
        long fd;

        if (p->n == 0)
                return 0;
        if (p->n > BPF_MAXINSNS)
                return error_set(e, E2BIG,
                                 "the system call filter has %zu instructions, the kernel takes %d",
                                 p->n, BPF_MAXINSNS);

        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->flags, &program);
        if (fd < 0) {
                if (errno == EINVAL)
                        return error_set(
                                e, EINVAL,
                                "cannot load the system call filter: this kernel was built "
                                "without %s",
                                p->flags ? "all that it asks for" : "seccomp filters");
                if (errno == EACCES)
                        return error_set(e, EACCES,
                                         "cannot load the system call filter: "
                                         "it needs no_new_privs or CAP_SYS_ADMIN");
                return error_set(e, errno, "cannot load the system call filter: %m");
        }
        if (p->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)
                *ret_listener = (int) fd;
        return 0;
}
