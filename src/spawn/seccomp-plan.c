/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The default system call filter: what the tables of the build mean under given capabilities, and the
 * call that puts a program in force. Which calls belong where is said in gen/seccomp-groups.c; how
 * the tree of compares is made, in seccomp-assemble.c. Filters from settings or a bundle are not
 * built here. */
#include "spawn/seccomp-plan.h"

#include <inttypes.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spawn/seccomp-assemble.h"

static bool has_cap(uint64_t caps, unsigned cap) {
        return caps >> cap & 1;
}

int seccomp_plan_default(uint64_t caps, SeccompPlan *ret, Error *e) {
        const SeccompAction actions[_SECCOMP_KIND_MAX] = {
                [SECCOMP_KIND_UNKNOWN] = SECCOMP_ACTION_ENOSYS,
                [SECCOMP_KIND_DENIED] = SECCOMP_ACTION_EPERM,
                [SECCOMP_KIND_ALLOWED] = SECCOMP_ACTION_ALLOW,
                [SECCOMP_KIND_SOCKET] = SECCOMP_ACTION_SOCKET,
#define K(name, cap)                                                                               \
        [SECCOMP_KIND_##name] = has_cap(caps, cap) ? SECCOMP_ACTION_ALLOW : SECCOMP_ACTION_EPERM,
                SECCOMP_CAP_KINDS(K)
#undef K
        };
        int n;

        n = seccomp_assemble(seccomp_arches, seccomp_n_arches, seccomp_segments, actions,
                             ret->filter, SECCOMP_PLAN_MAX);
        if (n < 0)
                return error_set(e, n, "the system call filter does not fit into %d instructions",
                                 SECCOMP_PLAN_MAX);

        ret->n = (size_t) n;
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
                return buf_printf(out, "if %s %" PRIu32 " go to %zu else %zu\n",
                                  f->code & BPF_JGE ? ">=" : "==", f->k, i + 1 + f->jt,
                                  i + 1 + f->jf);
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
        struct sock_fprog program = { .len = (unsigned short) n,
                                      .filter = (struct sock_filter *) filter };

        if (n == 0)
                return 0;
        if (n > BPF_MAXINSNS)
                return error_set(e, E2BIG,
                                 "the system call filter has %zu instructions, the kernel takes %d",
                                 n, BPF_MAXINSNS);

        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
                if (errno == EINVAL)
                        return error_set(e, EINVAL,
                                         "cannot load the system call filter: "
                                         "this kernel was built without seccomp filters");
                if (errno == EACCES)
                        return error_set(e, EACCES,
                                         "cannot load the system call filter: "
                                         "it needs no_new_privs or CAP_SYS_ADMIN");
                return error_set(e, errno, "cannot load the system call filter: %m");
        }

        return 0;
}
