/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the build leaves behind of the system call lists: for each architecture the line of numbers,
 * cut into segments of one kind, for the default filter; and for changed ones the names with their
 * numbers, and the named sets. Written by gen/seccomp-gen.c, read by seccomp-plan.c and seccomp-list.c.
 * No includes of ours: the generator is compiled for the building machine. */
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
        SECCOMP_KIND_KEYS,   /* allowed with users of its own: keyrings of users go by those */
#define K(name, cap) SECCOMP_KIND_##name,
        SECCOMP_CAP_KINDS(K)
#undef K
        /* Not of the tables; what a setting makes of a call that is allowed. */
        SECCOMP_KIND_SOCKETCALL,    /* the old entry of i386: makes no sockets */
        SECCOMP_KIND_NOTHING,       /* is said to have succeeded, and not done */
        SECCOMP_KIND_NOTHING_FD,    /* the same, unless its first argument is below zero */
        SECCOMP_KIND_NOTHING_MSYNC, /* the same, where it is to wait for the disk */
        _SECCOMP_KIND_MAX,
} SeccompKind;

/* Where architectures keep their numbers: from 0 on, and ARM some private ones far up. */
#define SECCOMP_LOW_MAX   1024U
#define SECCOMP_FAR_FIRST 0xf0000U
#define SECCOMP_FAR_MAX   16U

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

/* The numbers of one name. Two columns can be of one architecture, where it has two kinds of programs. */
#define SECCOMP_COLUMNS 3
typedef struct SeccompCallRow {
        uint16_t name;                   /* where it begins in seccomp_call_names[] */
        int32_t number[SECCOMP_COLUMNS]; /* -1 = none; without the bits that are ignored */
} SeccompCallRow;

/* A kind of programs. */
typedef struct SeccompColumn {
        char name[20];   /* "SCMP_ARCH_…"; "" = there is no such column */
        uint8_t arch;    /* index of the architecture */
        uint8_t narrow;  /* its arguments are words of 32 bits */
        uint32_t marker; /* bits that its numbers have besides */
} SeccompColumn;

typedef struct SeccompSet {
        char name[18];
        uint16_t first, n; /* in seccomp_set_members[] */
} SeccompSet;

/* At most; seccomp-gen sees to it. */
#define SECCOMP_CALLS_MAX 1024

/* In the order of likelihood. Offsets instead of pointers: nothing to relocate at start. */
extern const SeccompArch seccomp_arches[];
extern const size_t seccomp_n_arches;
extern const uint32_t seccomp_segments[];
extern const char seccomp_call_names[];
extern const SeccompCallRow seccomp_calls[]; /* sorted by name */
extern const size_t seccomp_n_calls;
extern const SeccompColumn seccomp_columns[SECCOMP_COLUMNS];
extern const SeccompSet seccomp_sets[];
extern const size_t seccomp_n_sets;
extern const uint16_t seccomp_set_members[]; /* indices of calls */
