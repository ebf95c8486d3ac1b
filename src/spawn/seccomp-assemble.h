/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From segments of system call numbers to a BPF program. */
#pragma once

#include <linux/filter.h>

#include "spawn/seccomp-table.h"

/* What a program does with a call. */
typedef enum SeccompAction {
        SECCOMP_ACTION_ALLOW,
        SECCOMP_ACTION_EPERM,
        SECCOMP_ACTION_ENOSYS,
        SECCOMP_ACTION_SOCKET,     /* look at the arguments: audit netlink and families that are not
                                  * allowed are EAFNOSUPPORT, else allow */
        SECCOMP_ACTION_SOCKETCALL, /* EAFNOSUPPORT if it is to make a socket, else allow */
        SECCOMP_ACTION_NOTHING,    /* return 0 */
        SECCOMP_ACTION_NOTHING_FD, /* return 0 unless the first argument, an int, is below zero */
        SECCOMP_ACTION_NOTHING_MSYNC, /* return 0 if the flags in the third argument say MS_SYNC */
        SECCOMP_ACTION_NETLINK,       /* part of SOCKET: the family is AF_NETLINK */
        SECCOMP_ACTION_EAFNOSUPPORT,
        _SECCOMP_ACTION_MAX,
} SeccompAction;

/** seccomp_assemble() - make the program that does with every call what its kind asks for
 *
 * The program is a decision tree per architecture: about log2 of the number of segments compares
 * deep. The kernel runs it once for every system call number while loading it, and on every call
 * that it cannot prove to be always allowed, so depth is what counts.
 *
 * @arches:    architectures, the most likely first; a call from another one kills the process
 * @n_arches:  how many; at most 8
 * @segments:  what the arches point into
 * @actions:   what to do with each SeccompKind
 * @families:  1 << AF_* of those that sockets may be of; UINT64_MAX = all, those beyond as well
 * @ret:       the program
 * @size:      room in @ret, in instructions
 * Return: number of instructions; -E2BIG if there is not enough room. */
int seccomp_assemble(const SeccompArch *arches, size_t n_arches, const uint32_t *segments,
                     const SeccompAction actions[static _SECCOMP_KIND_MAX], uint64_t families,
                     struct sock_filter *ret, size_t size);
