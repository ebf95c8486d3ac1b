/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules for devices as a BPF program, see oci-devices.h. It keeps the ways in which the device that is asked for
 * may be used, and each rule that speaks of it adds some or takes some away. As with other device policies
 * (device-policy.c) there are no jumps. */
#include "spawn/oci-devices.h"

#include "spawn/device-program.h"

#define RULE_MAX 18U /* instructions of one rule */
#define ENDS_MAX 16U /* of what comes before and after them */
#define RULES_MAX                                                                                  \
        4096U /* the kernel's limit for a program is a million; it checks each one when it loads it */

/* Registers. DIFFERS is 0 where a rule speaks of the device; ALLOWED has the kernel's bits for ways of use. */
enum { RESULT = BPF_REG_0, CONTEXT, DIFFERS, TYPE, ACCESS, MAJOR, MINOR, ALLOWED, SCRATCH };

enum { R = DEVICE_READ, W = DEVICE_WRITE, M = DEVICE_MKNOD };

typedef struct Rule {
        bool allow;
        int type;             /* OciDeviceType; unset: all */
        int64_t major, minor; /* -1 = all */
        unsigned access;      /* DeviceAccess */
} Rule;

static const Rule always[] = {
        { true, OCI_DEVICE_CHAR, -1, -1, M },       { true, OCI_DEVICE_BLOCK, -1, -1, M },
        { true, OCI_DEVICE_CHAR, 1, 3, R | W | M }, { true, OCI_DEVICE_CHAR, 1, 5, R | W | M },
        { true, OCI_DEVICE_CHAR, 1, 7, R | W | M }, { true, OCI_DEVICE_CHAR, 1, 8, R | W | M },
        { true, OCI_DEVICE_CHAR, 1, 9, R | W | M }, { true, OCI_DEVICE_CHAR, 5, 0, R | W | M },
        { true, OCI_DEVICE_CHAR, 5, 2, R | W | M }, { true, OCI_DEVICE_CHAR, 136, -1, R | W | M },
};

static void compare(DevicePolicy *p, unsigned what, uint32_t value) {
        device_program_add(p, device_program_both(BPF_MOV, SCRATCH, what));
        device_program_add(p, device_program_with(BPF_XOR, SCRATCH, value));
        device_program_add(p, device_program_both(BPF_OR, DIFFERS, SCRATCH));
}

static void add_rule(DevicePolicy *p, const Rule *r) {
        uint32_t access = device_program_access(r->access);

        device_program_add(p, device_program_with(BPF_MOV, DIFFERS, 0));
        if (r->type != OCI_DEVICE_UNSET)
                compare(p, TYPE,
                        r->type == OCI_DEVICE_BLOCK ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
        if (r->major >= 0)
                compare(p, MAJOR, (uint32_t) r->major);
        if (r->minor >= 0)
                compare(p, MINOR, (uint32_t) r->minor);
        /* The highest bit of x | -x is set unless x is 0. Times the access, not a mask of all bits or none: where
         * it sees one the kernel goes on for either, and would be at it for ever. */
        device_program_add(p, device_program_both(BPF_MOV, SCRATCH, DIFFERS));
        device_program_add(p, device_program_with(BPF_NEG, SCRATCH, 0));
        device_program_add(p, device_program_both(BPF_OR, DIFFERS, SCRATCH));
        device_program_add(p, device_program_with(BPF_RSH, DIFFERS, 63));
        device_program_add(p, device_program_with(BPF_XOR, DIFFERS, 1));
        device_program_add(p, device_program_with(BPF_MUL, DIFFERS, access));
        /* Adds the bits; what is to go is turned over after that. */
        device_program_add(p, device_program_both(BPF_OR, ALLOWED, DIFFERS));
        if (!r->allow)
                device_program_add(p, device_program_both(BPF_XOR, ALLOWED, DIFFERS));
}

static unsigned access_of(const char *s) {
        if (!s || !*s)
                return R | W | M;
        return (strchr(s, 'r') ? R : 0U) | (strchr(s, 'w') ? W : 0U) | (strchr(s, 'm') ? M : 0U);
}

static int number_of(const JsonInteger *n, int64_t *ret, Error *e) {
        *ret = n->set ? n->value : -1;
        return *ret >= -1 && *ret <= INT32_MAX
                       ? 0
                       : error_set(e, EINVAL, "linux.resources: devices have no number %jd",
                                   (intmax_t) *ret);
}

static int add_document_rule(DevicePolicy *p, const OciDeviceRule *d, Error *e) {
        Rule rule = { .allow = d->allow, .type = d->type, .access = access_of(d->access) };
        int r = number_of(&d->major, &rule.major, e);

        if (r >= 0)
                r = number_of(&d->minor, &rule.minor, e);
        if (r < 0 || d->type == OCI_DEVICE_FIFO) /* which nobody polices */
                return r;
        if (rule.type == OCI_DEVICE_UNBUFFERED)
                rule.type = OCI_DEVICE_CHAR;
        /* All devices: what else the rule says is not meant. */
        if (rule.type == OCI_DEVICE_ALL)
                rule = (Rule){ .allow = d->allow, .major = -1, .minor = -1, .access = R | W | M };
        add_rule(p, &rule);
        return 0;
}

static int add_device(DevicePolicy *p, const OciDevice *d, Error *e) {
        const OciDeviceRule rule = { true, d->type, d->major, d->minor, NULL };

        return d->type == OCI_DEVICE_ALL ? 0 : add_document_rule(p, &rule, e);
}

static void add_start(DevicePolicy *p) {
        device_program_add(p,
                           device_program_load(ACCESS, CONTEXT,
                                               offsetof(struct bpf_cgroup_dev_ctx, access_type)));
        device_program_add(p, device_program_both(BPF_MOV, TYPE, ACCESS));
        device_program_add(p, device_program_with(BPF_AND, TYPE, 0xffff));
        device_program_add(p, device_program_with(BPF_RSH, ACCESS, 16));
        device_program_add(p, device_program_load(MAJOR, CONTEXT,
                                                  offsetof(struct bpf_cgroup_dev_ctx, major)));
        device_program_add(p, device_program_load(MINOR, CONTEXT,
                                                  offsetof(struct bpf_cgroup_dev_ctx, minor)));
        device_program_add(p, device_program_with(BPF_MOV, ALLOWED, 0));
}

/* 1 if nothing that is asked for is not allowed. */
static void add_end(DevicePolicy *p) {
        device_program_add(p, device_program_with(BPF_XOR, ALLOWED, UINT32_MAX));
        device_program_add(p, device_program_both(BPF_AND, ALLOWED, ACCESS));
        device_program_add(p, device_program_both(BPF_MOV, RESULT, ALLOWED));
        device_program_add(p, device_program_with(BPF_NEG, RESULT, 0));
        device_program_add(p, device_program_both(BPF_OR, RESULT, ALLOWED));
        device_program_add(p, device_program_with(BPF_RSH, RESULT, 63));
        device_program_add(p, device_program_with(BPF_XOR, RESULT, 1));
        device_program_add(p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

int oci_devices_policy(const OciConfig *c, DevicePolicy *ret, Error *e) {
        const OciResources *resources = c->linux_.resources;
        size_t n = resources ? resources->devices.n : 0, own = n == 0 ? c->linux_.devices.n : 0;
        _cleanup_(device_policy_done) DevicePolicy p = {};

        if (n + own > RULES_MAX)
                return error_set(e, E2BIG, "linux.resources: %zu rules for devices, of at most %u",
                                 n + own, RULES_MAX);
        p.insns = calloc((n + own + ELEMENTSOF(always)) * RULE_MAX + ENDS_MAX, sizeof *p.insns);
        if (!p.insns)
                return error_oom(e);
        add_start(&p);
        for (size_t i = 0; i < n; i++) {
                int r = add_document_rule(&p, resources->devices.v + i, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < own; i++) {
                int r = add_device(&p, c->linux_.devices.v + i, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ELEMENTSOF(always); i++)
                add_rule(&p, always + i);
        add_end(&p);
        *ret = p;
        p = (DevicePolicy){};
        return 0;
}
