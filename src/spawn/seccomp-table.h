/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the build leaves behind of the system call lists: for each architecture the line of numbers,
 * cut into segments of one kind. Written by gen/seccomp-gen.c, read by seccomp-plan.c. No includes of
 * ours: the generator is compiled for the building machine. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Kinds that ask for a capability: name and the CAP_* number. A call of such a kind is allowed while
 * the capability is in the bounding set, and fails with EPERM otherwise. */
#define SECCOMP_CAP_KINDS(K)                                                                       \
        K(CLOCK, 25)   /* CAP_SYS_TIME: set the clocks */                                          \
        K(MODULE, 16)  /* CAP_SYS_MODULE: load and unload modules */                               \
        K(RAW_IO, 17)  /* CAP_SYS_RAWIO: ports and PCI configuration space */                      \
        K(MEMLOCK, 14) /* CAP_IPC_LOCK: lock memory */                                             \
        K(ACCT, 20)    /* CAP_SYS_PACCT: process accounting */                                     \
        K(PTRACE, 19)  /* CAP_SYS_PTRACE: look into other processes */                             \
        K(REBOOT, 22)  /* CAP_SYS_BOOT: reboot(2), which in a PID namespace ends its init */       \
        K(SYSLOG, 34)  /* CAP_SYSLOG: the kernel's log */                                          \
        K(VHANGUP, 26) /* CAP_SYS_TTY_CONFIG: hang up the terminal */                              \
        K(BPF, 39)     /* CAP_BPF */

typedef enum SeccompKind {
        SECCOMP_KIND_UNKNOWN, /* no such call when this was built: ENOSYS */
        SECCOMP_KIND_DENIED,  /* known, not for machines: EPERM */
        SECCOMP_KIND_ALLOWED,
        SECCOMP_KIND_SOCKET, /* socket(2): allowed but for audit netlink */
#define K(name, cap) SECCOMP_KIND_##name,
        SECCOMP_CAP_KINDS(K)
#undef K
                _SECCOMP_KIND_MAX,
} SeccompKind;

/* A segment starts at a system call number and reaches up to the next one's start; packed as
 * number << 8 | SeccompKind, so that the tables hold no padding. */
#define SECCOMP_SEGMENT(start, kind) ((uint32_t) (start) << 8 | (uint32_t) (kind))
#define SECCOMP_SEGMENT_START(s)     ((s) >> 8)
#define SECCOMP_SEGMENT_KIND(s)      ((SeccompKind) ((s) &0xffU))

typedef struct SeccompArch {
        uint32_t audit_arch; /* AUDIT_ARCH_* of linux/audit.h */
        uint32_t ignore;     /* bits of the number that do not count (x32's marker) */
        uint16_t first; /* index of the first segment in seccomp_segments[], which starts at 0 */
        uint16_t n;     /* number of segments */
} SeccompArch;

/* In the order of likelihood. Offsets instead of pointers: nothing to relocate at start. */
extern const SeccompArch seccomp_arches[];
extern const size_t seccomp_n_arches;
extern const uint32_t seccomp_segments[];
