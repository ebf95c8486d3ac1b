/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entry point of a program without a C library. */
#pragma once

#include "base/system-call.h"

#if defined(__x86_64__)

/* The stack holds argc, then argv; it is handed on as one pointer, aligned as the ABI wants it. */
__asm__(".globl _start\n"
        "_start:\n"
        "        xor %ebp, %ebp\n"
        "        mov %rsp, %rdi\n"
        "        and $-16, %rsp\n"
        "        call init_main\n");

#elif defined(__aarch64__)

__asm__(".globl _start\n"
        "_start:\n"
        "        mov x29, #0\n"
        "        mov x30, #0\n"
        "        mov x0, sp\n"
        "        bl init_main\n");

#elif defined(__riscv)

__asm__(".globl _start\n"
        "_start:\n"
        "        .option push\n"
        "        .option norelax\n"
        "        lla gp, __global_pointer$\n"
        "        .option pop\n"
        "        mv a0, sp\n"
        "        call init_main\n");

#else
#error "skep-init: say here where a program of this architecture starts"
#endif
