/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's side of a device policy, for tests of those who write one. */
#pragma once

#include "check.h"
#include "spawn/device-policy.h"

static inline uint64_t device_run_operation(unsigned operation, uint64_t a, uint64_t b) {
        switch (operation) {
        case BPF_MOV:
                return b;
        case BPF_SUB:
                return a - b;
        case BPF_MUL:
                return a * b;
        case BPF_AND:
                return a & b;
        case BPF_OR:
                return a | b;
        case BPF_XOR:
                return a ^ b;
        case BPF_LSH:
                return a << (b & 63);
        case BPF_RSH:
                return a >> (b & 63);
        case BPF_NEG:
                return -a;
        default:
                fail_msg("an operation that this test does not know: %x", operation);
                return 0;
        }
}

/* Return: what the program returns for that context. */
static inline uint64_t device_run(const DevicePolicy *p, const struct bpf_cgroup_dev_ctx *context) {
        uint64_t regs[11] = {};

        for (size_t i = 0; i < p->n; i++) {
                const struct bpf_insn *in = p->insns + i;

                if (in->code == (BPF_JMP | BPF_EXIT)) {
                        assert_int_equal(i, p->n - 1);
                        return regs[0];
                }
                if (in->code == (BPF_LDX | BPF_MEM | BPF_W)) {
                        uint32_t v;
                        memcpy(&v, (const char *) context + in->off, sizeof v);
                        regs[in->dst_reg] = v;
                        continue;
                }
                assert_int_equal(BPF_CLASS(in->code), BPF_ALU64);
                uint64_t b = BPF_SRC(in->code) == BPF_X ? regs[in->src_reg]
                                                        : (uint64_t) (int64_t) in->imm;
                regs[in->dst_reg] = device_run_operation(BPF_OP(in->code), regs[in->dst_reg], b);
        }
        fail_msg("the program does not end");
        return 0;
}
