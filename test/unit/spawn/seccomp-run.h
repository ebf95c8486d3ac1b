/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's side of a filter program, for tests of those who write one. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "check.h"

/* What the kernel does with a program; @ret_steps counts instructions. */
static inline uint32_t seccomp_run(const struct sock_filter *filter, size_t n,
                                   const struct seccomp_data *d, unsigned *ret_steps) {
        uint32_t a = 0;
        unsigned steps = 0;

        for (size_t pc = 0; pc < n; pc++) {
                const struct sock_filter *f = filter + pc;

                steps++;
                switch (f->code) {
                case BPF_LD | BPF_W | BPF_ABS:
                        assert_true(f->k % 4 == 0 && f->k < sizeof(*d));
                        memcpy(&a, (const uint8_t *) d + f->k, sizeof(a));
                        break;
                case BPF_ALU | BPF_AND | BPF_K:
                        a &= f->k;
                        break;
                case BPF_JMP | BPF_JA:
                        pc += f->k;
                        break;
                case BPF_JMP | BPF_JEQ | BPF_K:
                        pc += a == f->k ? f->jt : f->jf;
                        break;
                case BPF_JMP | BPF_JGT | BPF_K:
                        pc += a > f->k ? f->jt : f->jf;
                        break;
                case BPF_JMP | BPF_JGE | BPF_K:
                        pc += a >= f->k ? f->jt : f->jf;
                        break;
                case BPF_JMP | BPF_JSET | BPF_K:
                        pc += a & f->k ? f->jt : f->jf;
                        break;
                case BPF_RET | BPF_K:
                        if (ret_steps)
                                *ret_steps = steps;
                        return f->k;
                default:
                        fail_msg("unexpected instruction 0x%x", f->code);
                }
        }

        fail_msg("ran off the end");
        return 0;
}
