/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Assembler of the default filter: segments of numbers become a tree of compares. Knows BPF and
 * nothing of capabilities, names or loading.
 *
 * Jumps of classic BPF only go forward, so the program is written from its end to its beginning: when
 * a jump is written its targets are already there. A place in the program is named by its height, the
 * number of instructions from it to the end. A conditional jump reaches 255 instructions; what lies
 * farther is brought near with a copy (of a return) or a long jump. */
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

/* What a jump may skip, less the two instructions that bringing both of its targets near can take. */
#define REACH (255U - 2U)

/* Isolated numbers inside a longer stretch are asked for one by one after the tree, which costs one
 * instruction each where two more splits would cost two. Longer chains would make the tree's
 * depth uneven. */
#define HOLES_MAX 3U

#define STRETCHES_MAX 512U
#define ARCHES_MAX    8U

typedef struct Assembler {
        struct sock_filter *insn; /* the room; filled from the end */
        size_t size;
        size_t height;                    /* instructions so far; beyond size = does not fit */
        size_t leaf[_SECCOMP_ACTION_MAX]; /* height of the newest copy of an action; 0 = none yet */
        uint64_t families;
} Assembler;

/* Numbers from start on, up to the next stretch, all meet one action but for a few single ones. */
typedef struct Stretch {
        uint32_t start;
        SeccompAction action;
        unsigned n_holes;
        uint32_t hole[HOLES_MAX];
        SeccompAction hole_action[HOLES_MAX];
} Stretch;

static struct sock_filter *at(Assembler *a, size_t height) {
        return a->insn + (a->size - height);
}

static size_t emit(Assembler *a, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k) {
        const struct sock_filter f = { .code = code, .jt = jt, .jf = jf, .k = k };

        a->height++;
        if (a->height <= a->size)
                *at(a, a->height) = f;

        return a->height;
}

static size_t emit_return(Assembler *a, uint32_t k) {
        return emit(a, BPF_RET | BPF_K, 0, 0, k);
}

static size_t emit_load(Assembler *a, size_t offset) {
        return emit(a, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t) offset);
}

static size_t bring_near(Assembler *a, size_t target) {
        if (a->height - target <= REACH || a->height > a->size)
                return target;

        if (BPF_CLASS(at(a, target)->code) == BPF_RET)
                return emit_return(a, at(a, target)->k);

        return emit(a, BPF_JMP | BPF_JA, 0, 0, (uint32_t) (a->height - target));
}

static size_t emit_jump(Assembler *a, uint16_t compare, uint32_t k, size_t yes, size_t no) {
        yes = bring_near(a, yes);
        no = bring_near(a, no);
        return emit(a, BPF_JMP | BPF_K | compare, (uint8_t) (a->height - yes),
                    (uint8_t) (a->height - no), k);
}

/* Low half of an argument; the upper one does not count, as the kernel takes these as int. */
static size_t argument(unsigned i) {
        size_t offset = offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);

        return offset + (__BYTE_ORDER == __BIG_ENDIAN ? sizeof(uint32_t) : 0);
}

static size_t leaf(Assembler *a, SeccompAction action);

static size_t emit_tree(Assembler *a, const Stretch *s, size_t n);

/* Makes what is written next fall into @target, which need not be what was written last. */
static void fall_into(Assembler *a, size_t target) {
        if (target != a->height)
                (void) emit(a, BPF_JMP | BPF_JA, 0, 0, (uint32_t) (a->height - target));
}

static size_t emit_netlink(Assembler *a) {
        size_t allow = leaf(a, SECCOMP_ACTION_ALLOW);
        size_t t = emit_return(a, SECCOMP_RET_ERRNO | EAFNOSUPPORT);

        (void) emit_jump(a, BPF_JEQ, NETLINK_AUDIT, t, allow);
        return emit_load(a, argument(2));
}

/* A tree over the families as there is one over the numbers. */
static size_t emit_families(Assembler *a) {
        Stretch s[64 + 1];
        size_t n = 0;

        for (uint32_t i = 0; i < 64; i++) {
                SeccompAction action = !(a->families >> i & 1) ? SECCOMP_ACTION_EAFNOSUPPORT
                                       : i == AF_NETLINK       ? SECCOMP_ACTION_NETLINK
                                                               : SECCOMP_ACTION_ALLOW;
                if (n == 0 || s[n - 1].action != action)
                        s[n++] = (Stretch){ .start = i, .action = action };
        }
        fall_into(a, emit_tree(a, s, n));
        return emit_load(a, argument(0));
}

static size_t emit_socket(Assembler *a) {
        if (a->families != UINT64_MAX)
                return emit_families(a);

        size_t allow = leaf(a, SECCOMP_ACTION_ALLOW), t = emit_netlink(a);
        (void) emit_jump(a, BPF_JEQ, AF_NETLINK, t, allow);
        return emit_load(a, argument(0));
}

/* The calls whose numbers say nothing of what they do. */
static size_t emit_compare(Assembler *a, unsigned i, uint16_t compare, uint32_t k,
                           SeccompAction yes, SeccompAction no) {
        size_t if_yes = leaf(a, yes), if_no = leaf(a, no);

        (void) emit_jump(a, compare, k, if_yes, if_no);
        return emit_load(a, argument(i));
}

/* SYS_SOCKET of linux/net.h, which does not go together with sys/socket.h. */
#define SOCKETCALL_SOCKET 1

static size_t emit_leaf(Assembler *a, SeccompAction action) {
        switch (action) {
        case SECCOMP_ACTION_SOCKET:
                return emit_socket(a);
        case SECCOMP_ACTION_NETLINK:
                return emit_netlink(a);
        case SECCOMP_ACTION_SOCKETCALL:
                return emit_compare(a, 0, BPF_JEQ, SOCKETCALL_SOCKET, SECCOMP_ACTION_EAFNOSUPPORT,
                                    SECCOMP_ACTION_ALLOW);
        case SECCOMP_ACTION_NOTHING_FD:
                return emit_compare(a, 0, BPF_JGE, 1U << 31, SECCOMP_ACTION_ALLOW,
                                    SECCOMP_ACTION_NOTHING);
        case SECCOMP_ACTION_NOTHING_MSYNC:
                return emit_compare(a, 2, BPF_JSET, MS_SYNC, SECCOMP_ACTION_NOTHING,
                                    SECCOMP_ACTION_ALLOW);
        case SECCOMP_ACTION_EAFNOSUPPORT:
                return emit_return(a, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
        case SECCOMP_ACTION_NOTHING:
                return emit_return(a, SECCOMP_RET_ERRNO | 0);
        case SECCOMP_ACTION_EPERM:
                return emit_return(a, SECCOMP_RET_ERRNO | EPERM);
        case SECCOMP_ACTION_ENOSYS:
                return emit_return(a, SECCOMP_RET_ERRNO | ENOSYS);
        default:
                return emit_return(a, SECCOMP_RET_ALLOW);
        }
}

/* The newest copy of an action that a jump written next can reach. */
static size_t leaf(Assembler *a, SeccompAction action) {
        size_t t = a->leaf[action];

        t = t > 0 ? bring_near(a, t) : emit_leaf(a, action);

        a->leaf[action] = t;
        return t;
}

/* The tree over the stretches [0, n). */
static size_t emit_tree(Assembler *a, const Stretch *s, size_t n) {
        size_t low, high, t;

        if (n > 1) {
                high = emit_tree(a, s + n / 2, n - n / 2);
                low = emit_tree(a, s, n / 2);
                return emit_jump(a, BPF_JGE, s[n / 2].start, high, low);
        }

        t = leaf(a, s->action);
        for (unsigned i = s->n_holes; i > 0; i--)
                t = emit_jump(a, BPF_JEQ, s->hole[i - 1], leaf(a, s->hole_action[i - 1]), t);

        return t;
}

/* Whether the segment of @action at @start may continue @s, because only one number lies between: then
 * that number, which is the stretch after @s, becomes a hole in it. */
static bool stretch_continues(Stretch *s, const Stretch *between, uint32_t start,
                              SeccompAction action) {
        if (s->action != action || s->n_holes >= HOLES_MAX)
                return false;
        if (between->n_holes > 0 || start - between->start != 1)
                return false;

        s->hole[s->n_holes] = between->start;
        s->hole_action[s->n_holes++] = between->action;
        return true;
}

/* Segments to stretches: same action merges, single numbers become holes. Return: how many, 0 if too
 * many. */
static size_t find_stretches(const SeccompArch *arch, const uint32_t *segments,
                             const SeccompAction *actions, Stretch ret[static STRETCHES_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < arch->n; i++) {
                uint32_t segment = segments[arch->first + i];
                uint32_t start = SECCOMP_SEGMENT_START(segment);
                SeccompAction action = actions[SECCOMP_SEGMENT_KIND(segment)];

                if (n > 0 && ret[n - 1].action == action)
                        continue;
                if (n > 1 && stretch_continues(ret + n - 2, ret + n - 1, start, action)) {
                        n--;
                        continue;
                }
                if (n >= STRETCHES_MAX)
                        return 0;

                ret[n++] = (Stretch){ .start = start, .action = action };
        }

        return n;
}

int seccomp_assemble(const SeccompArch *arches, size_t n_arches, const uint32_t *segments,
                     const SeccompAction actions[static _SECCOMP_KIND_MAX], uint64_t families,
                     struct sock_filter *ret, size_t size) {
        Assembler a = { .insn = ret, .size = size, .families = families };
        size_t root[ARCHES_MAX], t;

        if (n_arches > ARCHES_MAX)
                return -E2BIG;

        for (size_t i = n_arches; i > 0; i--) {
                const SeccompArch *arch = arches + i - 1;
                Stretch stretches[STRETCHES_MAX];
                size_t n = find_stretches(arch, segments, actions, stretches);

                if (n == 0)
                        return -E2BIG;

                fall_into(&a, emit_tree(&a, stretches, n));
                if (arch->ignore)
                        (void) emit(&a, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~arch->ignore);
                root[i - 1] = emit_load(&a, offsetof(struct seccomp_data, nr));
        }

        t = emit_return(&a, SECCOMP_RET_KILL_PROCESS);
        for (size_t i = n_arches; i > 0; i--)
                t = emit_jump(&a, BPF_JEQ, arches[i - 1].audit_arch, root[i - 1], t);
        (void) emit_load(&a, offsetof(struct seccomp_data, arch));

        if (a.height > a.size)
                return -E2BIG;

        memmove(ret, at(&a, a.height), a.height * sizeof(*ret));
        return (int) a.height;
}
