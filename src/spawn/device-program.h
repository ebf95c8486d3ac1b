/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instructions that device policies are made of. The programs have no jumps, so each is a word or two of
 * arithmetic. */
#pragma once

#include "spawn/device-policy.h"

/** device_program_add() - add an instruction; there is room for it */
static inline void device_program_add(DevicePolicy *p, struct bpf_insn insn) {
        p->insns[p->n++] = insn;
}

/** device_program_load() - a word at an offset of struct bpf_cgroup_dev_ctx, which @context points to */
static inline struct bpf_insn device_program_load(unsigned to, unsigned context, size_t offset) {
        return (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_W,
                                  .dst_reg = to & 15,
                                  .src_reg = context & 15,
                                  .off = (short) offset };
}

/** device_program_with() - 64-bit arithmetic with a constant, whose sign is extended */
static inline struct bpf_insn device_program_with(unsigned operation, unsigned to, uint32_t value) {
        return (struct bpf_insn){ .code = (unsigned char) (BPF_ALU64 | operation | BPF_K),
                                  .dst_reg = to & 15,
                                  .imm = (int) value };
}

/** device_program_both() - 64-bit arithmetic of two registers */
static inline struct bpf_insn device_program_both(unsigned operation, unsigned to, unsigned from) {
        return (struct bpf_insn){ .code = (unsigned char) (BPF_ALU64 | operation | BPF_X),
                                  .dst_reg = to & 15,
                                  .src_reg = from & 15 };
}

/** device_program_access() - DeviceAccess in the kernel's bits */
static inline uint32_t device_program_access(unsigned access) {
        return (access & DEVICE_READ ? BPF_DEVCG_ACC_READ : 0) |
               (access & DEVICE_WRITE ? BPF_DEVCG_ACC_WRITE : 0) |
               (access & DEVICE_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0);
}
