/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device policy as a BPF program, see device-policy.h: a row of comparisons for each group of devices.
 * The kernel asks it at mknod(2), open(2) and access(2), of devices alone. What it costs is that the kernel
 * checks it before it takes it: instruction by instruction, and along all ways through it. So it has no
 * jumps, and devices with one major number and nearby minor ones are one row with a bit for each. */
#include "spawn/device-policy.h"

#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "spawn/device-program.h"

#define ANY_MINOR UINT32_MAX
#define WINDOW                                                                                     \
        31 /* minor numbers that one rule can tell apart: as many as its constant has bits to spare */
#define RULE_MAX 19 /* instructions of one rule */

/* Registers: what is asked for, as device_policy_make() takes it from the context. REFUSED is 1 until a rule
 * holds. */
enum { RESULT = BPF_REG_0, CONTEXT, DIFFERS, KEY, ACCESS, MINOR, REFUSED, SCRATCH, BITS };

typedef struct Rule {
        bool block;
        uint32_t major, minor; /* the minor number that bit 0 stands for, or ANY_MINOR */
        uint32_t minors;       /* bits */
        unsigned access;       /* DeviceAccess */
} Rule;

typedef struct Rules {
        Rule *v;
        size_t n;
} Rules;

/* Type and major number of a device as one number. Major numbers have 12 bits. */
static uint32_t key_of(const Rule *r) {
        return r->major << 8 | (r->block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
}

/* Bits that are set in DIFFERS where the minor number is none of the rule's. Numbers below the first one wrap
 * around to huge ones; those past the window are shifted to where the constant's sign is. */
static void add_minors(DevicePolicy *p, const Rule *r) {
        device_program_add(p, device_program_both(BPF_MOV, SCRATCH, MINOR));
        device_program_add(p, device_program_with(BPF_SUB, SCRATCH, r->minor));
        device_program_add(p, device_program_with(BPF_MOV, BITS,
                                                  ~r->minors)); /* the kernel extends the sign */
        device_program_add(p, device_program_both(BPF_RSH, BITS, SCRATCH));
        device_program_add(p, device_program_with(BPF_AND, BITS, 1));
        device_program_add(p, device_program_both(BPF_OR, DIFFERS, BITS));
        /* What the shift takes no notice of. */
        device_program_add(p, device_program_with(BPF_RSH, SCRATCH, 6));
        device_program_add(p, device_program_both(BPF_OR, DIFFERS, SCRATCH));
}

static void add_rule(DevicePolicy *p, const Rule *r) {
        /* What is asked for and not allowed must be nothing. */
        device_program_add(p, device_program_both(BPF_MOV, DIFFERS, ACCESS));
        device_program_add(p, device_program_with(BPF_AND, DIFFERS,
                                                  ~device_program_access(r->access)));
        device_program_add(p, device_program_both(BPF_MOV, SCRATCH, KEY));
        device_program_add(p, device_program_with(BPF_XOR, SCRATCH, key_of(r)));
        device_program_add(p, device_program_both(BPF_OR, DIFFERS, SCRATCH));
        if (r->minor != ANY_MINOR)
                add_minors(p, r);
        /* The highest bit of x | -x is set unless x is 0. */
        device_program_add(p, device_program_both(BPF_MOV, SCRATCH, DIFFERS));
        device_program_add(p, device_program_with(BPF_NEG, SCRATCH, 0));
        device_program_add(p, device_program_both(BPF_OR, DIFFERS, SCRATCH));
        device_program_add(p, device_program_with(BPF_RSH, DIFFERS, 63));
        device_program_add(p, device_program_both(BPF_AND, REFUSED, DIFFERS));
}

/* Adds a device to the rule of its neighbours, or as one of its own. */
static void allow(Rules *rules, bool block, uint32_t major, uint32_t minor, unsigned access) {
        for (size_t i = 0; i < rules->n && minor != ANY_MINOR; i++) {
                Rule *r = rules->v + i;
                if (r->block != block || r->major != major || r->access != access ||
                    r->minor == ANY_MINOR || minor / WINDOW * WINDOW != r->minor)
                        continue;
                r->minors |= UINT32_C(1) << (minor - r->minor);
                return;
        }
        rules->v[rules->n++] = (Rule){
                .block = block,
                .major = major,
                .minor = minor == ANY_MINOR ? minor : minor / WINDOW * WINDOW,
                .minors = minor == ANY_MINOR ? 0 : UINT32_C(1) << minor % WINDOW,
                .access = access,
        };
}

static void allow_all(Rules *rules, const DeviceNodes *d) {
        for (size_t i = 0; i < d->n; i++)
                allow(rules, S_ISBLK(d->v[i].mode), major(d->v[i].number), minor(d->v[i].number),
                      d->v[i].policy);
}

static void collect(const NodePlan *dev, const DeviceNodes *given, const DeviceNodes *bound,
                    Rules *ret) {
        enum { R = DEVICE_READ, W = DEVICE_WRITE, M = DEVICE_MKNOD };

        allow_all(ret, given);
        allow_all(ret, bound);
        allow(ret, false, 5, 2, R | W | M);       /* /dev/ptmx */
        allow(ret, false, 136, ANY_MINOR, R | W); /* terminals */
        allow(ret, true, 0, 0, M);                /* what stands for a hidden one */
        for (size_t i = 0; i < dev->n; i++)
                if (S_ISCHR(dev->nodes[i].mode) || S_ISBLK(dev->nodes[i].mode))
                        allow(ret, S_ISBLK(dev->nodes[i].mode), dev->nodes[i].major,
                              dev->nodes[i].minor, R | W | M);
}

int device_policy_make(const NodePlan *dev, const DeviceNodes *given, const DeviceNodes *bound,
                       DevicePolicy *ret) {
        Rules rules = { .v = calloc(dev->n + given->n + bound->n + 3, sizeof *rules.v) };
        DevicePolicy p = {};

        if (!rules.v)
                return -ENOMEM;
        collect(dev, given, bound, &rules);
        p.insns = calloc(rules.n * RULE_MAX + 13, sizeof *p.insns);
        if (!p.insns) {
                free(rules.v);
                return -ENOMEM;
        }

        device_program_add(&p,
                           device_program_load(ACCESS, CONTEXT,
                                               offsetof(struct bpf_cgroup_dev_ctx, access_type)));
        device_program_add(&p, device_program_load(KEY, CONTEXT,
                                                   offsetof(struct bpf_cgroup_dev_ctx, major)));
        device_program_add(&p, device_program_with(BPF_LSH, KEY, 8));
        device_program_add(&p, device_program_both(BPF_MOV, SCRATCH, ACCESS));
        device_program_add(&p, device_program_with(BPF_AND, SCRATCH, 0xffff));
        device_program_add(&p, device_program_both(BPF_OR, KEY, SCRATCH));
        device_program_add(&p, device_program_with(BPF_RSH, ACCESS, 16));
        device_program_add(&p, device_program_load(MINOR, CONTEXT,
                                                   offsetof(struct bpf_cgroup_dev_ctx, minor)));
        device_program_add(&p, device_program_with(BPF_MOV, REFUSED, 1));
        for (size_t i = 0; i < rules.n; i++)
                add_rule(&p, rules.v + i);
        free(rules.v);
        device_program_add(&p, device_program_both(BPF_MOV, RESULT, REFUSED));
        device_program_add(&p, device_program_with(BPF_XOR, RESULT, 1));
        device_program_add(&p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
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
