/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Assembler of the default filter: segments of numbers become a tree of compares (seccomp-tree.h) with
 * leaves that look at arguments where that is needed. Knows nothing of capabilities, names or loading. */
#include "spawn/seccomp-assemble.h"

#include <endian.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "spawn/seccomp-tree.h"

#define STRETCHES_MAX 512U
#define ARCHES_MAX    8U

typedef struct Assembler {
        SeccompTree tree; /* first: the leaves are given this */
        size_t leaf[_SECCOMP_ACTION_MAX];
        uint64_t families;
} Assembler;

/* Low half of an argument; the upper one does not count, as the kernel takes these as int. */
static size_t argument(unsigned i) {
        size_t offset = offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);

        return offset + (__BYTE_ORDER == __BIG_ENDIAN ? sizeof(uint32_t) : 0);
}

static size_t emit_netlink(SeccompTree *t) {
        size_t allow = seccomp_tree_leaf(t, SECCOMP_ACTION_ALLOW);
        size_t fail = seccomp_tree_return(t, SECCOMP_RET_ERRNO | EAFNOSUPPORT);

        (void) seccomp_tree_jump(t, BPF_JEQ, NETLINK_AUDIT, fail, allow);
        return seccomp_tree_load(t, argument(2));
}

/* A tree over the families as there is one over the numbers. */
static size_t emit_families(SeccompTree *t, uint64_t families) {
        SeccompStretch s[64 + 1];
        size_t n = 0;

        for (uint32_t i = 0; i < 64; i++) {
                SeccompAction action = !(families >> i & 1) ? SECCOMP_ACTION_EAFNOSUPPORT
                                       : i == AF_NETLINK    ? SECCOMP_ACTION_NETLINK
                                                            : SECCOMP_ACTION_ALLOW;
                if (n == 0 || s[n - 1].leaf != action)
                        s[n++] = (SeccompStretch){ .start = i, .leaf = (uint16_t) action };
        }
        seccomp_tree_fall_into(t, seccomp_tree_write(t, s, n));
        return seccomp_tree_load(t, argument(0));
}

static size_t emit_socket(SeccompTree *t) {
        uint64_t families = ((Assembler *) t)->families;

        if (families != UINT64_MAX)
                return emit_families(t, families);

        size_t allow = seccomp_tree_leaf(t, SECCOMP_ACTION_ALLOW), netlink = emit_netlink(t);
        (void) seccomp_tree_jump(t, BPF_JEQ, AF_NETLINK, netlink, allow);
        return seccomp_tree_load(t, argument(0));
}

/* The calls whose numbers say nothing of what they do. */
static size_t emit_compare(SeccompTree *t, unsigned i, uint16_t compare, uint32_t k,
                           SeccompAction yes, SeccompAction no) {
        size_t if_yes = seccomp_tree_leaf(t, yes), if_no = seccomp_tree_leaf(t, no);

        (void) seccomp_tree_jump(t, compare, k, if_yes, if_no);
        return seccomp_tree_load(t, argument(i));
}

/* SYS_SOCKET of linux/net.h, which does not go together with sys/socket.h. */
#define SOCKETCALL_SOCKET 1

static size_t write_leaf(SeccompTree *t, unsigned action) {
        switch (action) {
        case SECCOMP_ACTION_SOCKET:
                return emit_socket(t);
        case SECCOMP_ACTION_NETLINK:
                return emit_netlink(t);
        case SECCOMP_ACTION_SOCKETCALL:
                return emit_compare(t, 0, BPF_JEQ, SOCKETCALL_SOCKET, SECCOMP_ACTION_EAFNOSUPPORT,
                                    SECCOMP_ACTION_ALLOW);
        case SECCOMP_ACTION_NOTHING_FD:
                return emit_compare(t, 0, BPF_JGE, 1U << 31, SECCOMP_ACTION_ALLOW,
                                    SECCOMP_ACTION_NOTHING);
        case SECCOMP_ACTION_NOTHING_MSYNC:
                return emit_compare(t, 2, BPF_JSET, MS_SYNC, SECCOMP_ACTION_NOTHING,
                                    SECCOMP_ACTION_ALLOW);
        case SECCOMP_ACTION_EAFNOSUPPORT:
                return seccomp_tree_return(t, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
        case SECCOMP_ACTION_NOTHING:
                return seccomp_tree_return(t, SECCOMP_RET_ERRNO | 0);
        case SECCOMP_ACTION_EPERM:
                return seccomp_tree_return(t, SECCOMP_RET_ERRNO | EPERM);
        case SECCOMP_ACTION_ENOSYS:
                return seccomp_tree_return(t, SECCOMP_RET_ERRNO | ENOSYS);
        default:
                return seccomp_tree_return(t, SECCOMP_RET_ALLOW);
        }
}

/* Segments to stretches: same action merges, single numbers become holes. Return: how many, 0 if too
 * many. */
static size_t find_stretches(const SeccompArch *arch, const uint32_t *segments,
                             const SeccompAction *actions,
                             SeccompStretch ret[static STRETCHES_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < arch->n; i++) {
                uint32_t segment = segments[arch->first + i];
                SeccompAction action = actions[SECCOMP_SEGMENT_KIND(segment)];

                if (seccomp_tree_stretch(ret, &n, STRETCHES_MAX, SECCOMP_SEGMENT_START(segment),
                                         action) < 0)
                        return 0;
        }

        return n;
}

int seccomp_assemble(const SeccompArch *arches, size_t n_arches, const uint32_t *segments,
                     const SeccompAction actions[static _SECCOMP_KIND_MAX], uint64_t families,
                     struct sock_filter *ret, size_t size) {
        Assembler a = { .families = families };
        SeccompTree *t = &a.tree;
        size_t root[ARCHES_MAX], height;

        if (n_arches > ARCHES_MAX)
                return -E2BIG;

        *t = (SeccompTree){ .insn = ret, .size = size, .leaf = a.leaf, .write_leaf = write_leaf };
        for (size_t i = n_arches; i > 0; i--) {
                const SeccompArch *arch = arches + i - 1;
                SeccompStretch stretches[STRETCHES_MAX];
                size_t n = find_stretches(arch, segments, actions, stretches);

                if (n == 0)
                        return -E2BIG;

                seccomp_tree_fall_into(t, seccomp_tree_write(t, stretches, n));
                if (arch->ignore)
                        (void) seccomp_tree_add(t, BPF_ALU | BPF_AND | BPF_K, ~arch->ignore);
                root[i - 1] = seccomp_tree_load(t, offsetof(struct seccomp_data, nr));
        }

        height = seccomp_tree_return(t, SECCOMP_RET_KILL_PROCESS);
        for (size_t i = n_arches; i > 0; i--)
                height = seccomp_tree_jump(t, BPF_JEQ, arches[i - 1].audit_arch, root[i - 1],
                                           height);
        (void) seccomp_tree_load(t, offsetof(struct seccomp_data, arch));
        return seccomp_tree_done(t);
}
