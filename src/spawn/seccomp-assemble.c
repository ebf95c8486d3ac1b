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
#include <sys/socket.h>

/* What a jump may skip, less the two instructions that bringing both of its targets near can take. */
#define REACH (255U - 2U)

/* Isolated numbers inside a longer stretch are asked for one by one after the tree, which costs one
 * instruction each where two more splits would cost two. Longer chains would make the tree's
 * depth uneven. */
#define HOLES_MAX 3U

#define STRETCHES_MAX 256U
#define ARCHES_MAX    8U

typedef struct Assembler {
        struct sock_filter *insn; /* the room; filled from the end */
        size_t size;
        size_t height;                    /* instructions so far; beyond size = does not fit */
        size_t leaf[_SECCOMP_ACTION_MAX]; /* height of the newest copy of an action; 0 = none yet */
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

static size_t emit_socket(Assembler *a) {
        size_t t, allow = leaf(a, SECCOMP_ACTION_ALLOW);

        t = emit_return(a, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
        (void) emit_jump(a, BPF_JEQ, NETLINK_AUDIT, t, allow);
        t = emit_load(a, argument(2));
        (void) emit_jump(a, BPF_JEQ, AF_NETLINK, t, allow);
        return emit_load(a, argument(0));
}

/* The newest copy of an action that a jump written next can reach. */
static size_t leaf(Assembler *a, SeccompAction action) {
        static const uint32_t returns[_SECCOMP_ACTION_MAX] = {
                [SECCOMP_ACTION_ALLOW] = SECCOMP_RET_ALLOW,
                [SECCOMP_ACTION_EPERM] = SECCOMP_RET_ERRNO | EPERM,
                [SECCOMP_ACTION_ENOSYS] = SECCOMP_RET_ERRNO | ENOSYS,
        };
        size_t t = a->leaf[action];

        if (t > 0)
                t = bring_near(a, t);
        else if (action == SECCOMP_ACTION_SOCKET)
                t = emit_socket(a);
        else
                t = emit_return(a, returns[action]);

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
                     const SeccompAction actions[static _SECCOMP_KIND_MAX], struct sock_filter *ret,
                     size_t size) {
        Assembler a = { .insn = ret, .size = size };
        size_t root[ARCHES_MAX], t;

        if (n_arches > ARCHES_MAX)
                return -E2BIG;

        for (size_t i = n_arches; i > 0; i--) {
                const SeccompArch *arch = arches + i - 1;
                Stretch stretches[STRETCHES_MAX];
                size_t n = find_stretches(arch, segments, actions, stretches);

                if (n == 0)
                        return -E2BIG;

                t = emit_tree(&a, stretches, n);
                if (t != a.height) /* what is written next falls into what was written last */
                        (void) emit(&a, BPF_JMP | BPF_JA, 0, 0, (uint32_t) (a.height - t));
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
