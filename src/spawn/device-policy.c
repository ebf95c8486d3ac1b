/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device policy as a BPF program, see device-policy.h: a row of comparisons for each device. The
 * kernel asks it at mknod(2), open(2) and access(2), of devices alone. */
#include "spawn/device-policy.h"

#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

#define ANY_MINOR UINT32_MAX
#define RULE_MAX  8 /* instructions of one rule */

/* Registers: what is asked for, as device_policy_make() takes it from the context. */
enum { RESULT = BPF_REG_0, CONTEXT, SCRATCH, TYPE, ACCESS, MAJOR, MINOR };

typedef struct Rule {
        bool block;
        uint32_t major, minor;
        unsigned access; /* DeviceAccess */
} Rule;

static void add(DevicePolicy *p, struct bpf_insn insn) {
        p->insns[p->n++] = insn;
}

static struct bpf_insn load(unsigned to, size_t offset) {
        return (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
                                  .dst_reg = to & 15,
                                  .src_reg = CONTEXT,
                                  .off = (short) offset };
}

/* 64-bit arithmetic with a constant */
static struct bpf_insn with(unsigned operation, unsigned to, uint32_t value) {
        return (struct bpf_insn){ .code = (unsigned char) (BPF_ALU64 | operation | BPF_K),
                                  .dst_reg = to & 15,
                                  .imm = (int) value };
}

static struct bpf_insn copy(unsigned to, unsigned from) {
        return (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X,
                                  .dst_reg = to & 15,
                                  .src_reg = from & 15 };
}

/* Over the next @n instructions unless a register has the value. */
static struct bpf_insn skip_unless(unsigned what, uint32_t value, size_t n) {
        return (struct bpf_insn){
                .code = BPF_JMP | BPF_JNE | BPF_K,
                .dst_reg = what & 15,
                .off = (short) n,
                .imm = (int) value,
        };
}

static void end(DevicePolicy *p, bool allow) {
        add(p, with(BPF_MOV, RESULT, allow));
        add(p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

static uint32_t kernel_access(unsigned access) {
        return (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0) |
               (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
               (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

static void add_rule(DevicePolicy *p, const Rule *r) {
        size_t after = p->n + (r->minor == ANY_MINOR ? RULE_MAX - 1 : RULE_MAX);

        add(p, skip_unless(TYPE, r->block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
                           after - p->n - 1));
        add(p, skip_unless(MAJOR, r->major, after - p->n - 1));
        if (r->minor != ANY_MINOR)
                add(p, skip_unless(MINOR, r->minor, after - p->n - 1));
        /* What is asked for and not allowed must be nothing. */
        add(p, copy(SCRATCH, ACCESS));
        add(p, with(BPF_AND, SCRATCH, ~kernel_access(r->access)));
        add(p, skip_unless(SCRATCH, 0, after - p->n - 1));
        end(p, true);
}

static void add_devices(DevicePolicy *p, const DeviceNodes *d) {
        for (size_t i = 0; i < d->n; i++)
                add_rule(p, &(Rule){ S_ISBLK(d->v[i].mode), major(d->v[i].number),
                                     minor(d->v[i].number), d->v[i].policy });
}

int device_policy_make(const NodePlan *dev, const DeviceNodes *given, const DeviceNodes *bound,
                       DevicePolicy *ret) {
        enum { R = DEVICE_READ, W = DEVICE_WRITE, M = DEVICE_MKNOD };
        static const Rule always[] = {
                { false, 5, 2, R | W | M },       /* /dev/ptmx */
                { false, 136, ANY_MINOR, R | W }, /* terminals */
                { true, 0, 0, M },                /* what stands for a hidden one */
        };
        size_t rules = ELEMENTSOF(always) + dev->n + given->n + bound->n;
        DevicePolicy p = { .insns = calloc(rules * RULE_MAX + 8, sizeof *p.insns) };

        if (!p.insns)
                return -ENOMEM;
        add(&p, load(SCRATCH, offsetof(struct bpf_cgroup_dev_ctx, access_type)));
        add(&p, copy(TYPE, SCRATCH));
        add(&p, with(BPF_AND, TYPE, 0xffff));
        add(&p, copy(ACCESS, SCRATCH));
        add(&p, with(BPF_RSH, ACCESS, 16));
        add(&p, load(MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major)));
        add(&p, load(MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor)));
        add_devices(&p, given);
        add_devices(&p, bound);
        for (size_t i = 0; i < ELEMENTSOF(always); i++)
                add_rule(&p, always + i);
        for (size_t i = 0; i < dev->n; i++)
                if (S_ISCHR(dev->nodes[i].mode) || S_ISBLK(dev->nodes[i].mode))
                        add_rule(&p, &(Rule){ S_ISBLK(dev->nodes[i].mode), dev->nodes[i].major,
                                              dev->nodes[i].minor, R | W | M });
        end(&p, false);
        *ret = p;
        return 0;
}

void device_policy_done(DevicePolicy *p) {
        free(p->insns);
        *p = (DevicePolicy){};
}

int device_policy_attach(const DevicePolicy *p, int cgroup_fd, Error *e) {
        union bpf_attr program = { .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                                   .insns = (uintptr_t) p->insns,
                                   .insn_cnt = (uint32_t) p->n,
                                   .license = (uintptr_t) "LGPL-2.1-or-later" };
        _cleanup_fd_ int fd = (int) syscall(SYS_bpf, BPF_PROG_LOAD, &program, sizeof program);

        if (fd < 0)
                return error_set(e, errno, "cannot make a device policy: %m");
        union bpf_attr where = { .target_fd = (uint32_t) cgroup_fd,
                                 .attach_bpf_fd = (uint32_t) fd,
                                 .attach_type = BPF_CGROUP_DEVICE,
                                 .attach_flags = BPF_F_ALLOW_MULTI };
        if (syscall(SYS_bpf, BPF_PROG_ATTACH, &where, sizeof where) < 0)
                return error_set(e, errno, "cannot put a device policy on the control group: %m");
        return 0;
}
