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
        SECCOMP_ACTION_SOCKET, /* look at the arguments: audit netlink is EAFNOSUPPORT, else allow */
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
 * @ret:       the program
 * @size:      room in @ret, in instructions
 * Return: number of instructions; -E2BIG if there is not enough room. */
int seccomp_assemble(const SeccompArch *arches, size_t n_arches, const uint32_t *segments,
                     const SeccompAction actions[static _SECCOMP_KIND_MAX], struct sock_filter *ret,
                     size_t size);
