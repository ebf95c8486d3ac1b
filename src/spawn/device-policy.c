/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device policy as a BPF program, see device-policy.h: a row of comparisons for each device. The
 * kernel asks it at mknod(2), open(2) and access(2), of devices alone. It has no jumps: the kernel checks a
 * program along all ways through it before it takes it, and with a dozen devices that would take longer
 * than anything else in a start. */
#include "spawn/device-policy.h"

#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"

#define ANY_MINOR UINT32_MAX
#define RULE_MAX  16 /* instructions of one rule */

/* Registers: what is asked for, as device_policy_make() takes it from the context. REFUSED is 1 until a rule
 * holds. */
enum { RESULT = BPF_REG_0, CONTEXT, DIFFERS, TYPE, ACCESS, MAJOR, MINOR, REFUSED, SCRATCH };

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

/* 64-bit arithmetic of two registers */
static struct bpf_insn both(unsigned operation, unsigned to, unsigned from) {
        return (struct bpf_insn){ .code = (unsigned char) (BPF_ALU64 | operation | BPF_X),
                                  .dst_reg = to & 15,
                                  .src_reg = from & 15 };
}

static uint32_t kernel_access(unsigned access) {
        return (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0) |
               (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
               (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}

/* Bits that are set in DIFFERS where @what is not @value. */
static void compare(DevicePolicy *p, unsigned what, uint32_t value) {
        add(p, both(BPF_MOV, SCRATCH, what));
        add(p, with(BPF_XOR, SCRATCH, value));
        add(p, both(BPF_OR, DIFFERS, SCRATCH));
}

static void add_rule(DevicePolicy *p, const Rule *r) {
        /* What is asked for and not allowed must be nothing. */
        add(p, both(BPF_MOV, DIFFERS, ACCESS));
        add(p, with(BPF_AND, DIFFERS, ~kernel_access(r->access)));
        compare(p, TYPE, r->block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
        compare(p, MAJOR, r->major);
        if (r->minor != ANY_MINOR)
                compare(p, MINOR, r->minor);
        /* The highest bit of x | -x is set unless x is 0. */
        add(p, both(BPF_MOV, SCRATCH, DIFFERS));
        add(p, with(BPF_NEG, SCRATCH, 0));
        add(p, both(BPF_OR, DIFFERS, SCRATCH));
        add(p, with(BPF_RSH, DIFFERS, 63));
        add(p, both(BPF_AND, REFUSED, DIFFERS));
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
        DevicePolicy p = { .insns = calloc(rules * RULE_MAX + 12, sizeof *p.insns) };

        if (!p.insns)
                return -ENOMEM;
        add(&p, load(ACCESS, offsetof(struct bpf_cgroup_dev_ctx, access_type)));
        add(&p, both(BPF_MOV, TYPE, ACCESS));
        add(&p, with(BPF_AND, TYPE, 0xffff));
        add(&p, with(BPF_RSH, ACCESS, 16));
        add(&p, load(MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major)));
        add(&p, load(MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor)));
        add(&p, with(BPF_MOV, REFUSED, 1));
        add_devices(&p, given);
        add_devices(&p, bound);
        for (size_t i = 0; i < ELEMENTSOF(always); i++)
                add_rule(&p, always + i);
        for (size_t i = 0; i < dev->n; i++)
                if (S_ISCHR(dev->nodes[i].mode) || S_ISBLK(dev->nodes[i].mode))
                        add_rule(&p, &(Rule){ S_ISBLK(dev->nodes[i].mode), dev->nodes[i].major,
                                              dev->nodes[i].minor, R | W | M });
        add(&p, both(BPF_MOV, RESULT, REFUSED));
        add(&p, with(BPF_XOR, RESULT, 1));
        add(&p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
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
