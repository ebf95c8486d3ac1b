/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing filter programs backwards, see seccomp-tree.h. Knows BPF and nothing of system calls. */
#include "spawn/seccomp-tree.h"

/* What a jump may skip, less the two instructions that bringing both of its targets near can take. */
#define REACH (255U - 2U)

static struct sock_filter *at(SeccompTree *t, size_t height) {
        return t->insn + (t->size - height);
}

static size_t emit(SeccompTree *t, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k) {
        const struct sock_filter f = { .code = code, .jt = jt, .jf = jf, .k = k };

        t->height++;
        if (t->height <= t->size)
                *at(t, t->height) = f;

        return t->height;
}

size_t seccomp_tree_add(SeccompTree *t, uint16_t code, uint32_t k) {
        return emit(t, code, 0, 0, k);
}

size_t seccomp_tree_return(SeccompTree *t, uint32_t verdict) {
        return emit(t, BPF_RET | BPF_K, 0, 0, verdict);
}

size_t seccomp_tree_load(SeccompTree *t, size_t offset) {
        return emit(t, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t) offset);
}

static size_t bring_near(SeccompTree *t, size_t target) {
        if (t->height - target <= REACH || t->height > t->size)
                return target;

        if (BPF_CLASS(at(t, target)->code) == BPF_RET)
                return seccomp_tree_return(t, at(t, target)->k);

        return emit(t, BPF_JMP | BPF_JA, 0, 0, (uint32_t) (t->height - target));
}

size_t seccomp_tree_jump(SeccompTree *t, uint16_t compare, uint32_t k, size_t yes, size_t no) {
        yes = bring_near(t, yes);
        no = bring_near(t, no);
        return emit(t, BPF_JMP | BPF_K | compare, (uint8_t) (t->height - yes),
                    (uint8_t) (t->height - no), k);
}

void seccomp_tree_fall_into(SeccompTree *t, size_t target) {
        if (target != t->height)
                (void) emit(t, BPF_JMP | BPF_JA, 0, 0, (uint32_t) (t->height - target));
}

size_t seccomp_tree_leaf(SeccompTree *t, unsigned i) {
        size_t height = t->leaf[i];

        height = height > 0 ? bring_near(t, height) : t->write_leaf(t, i);

        t->leaf[i] = height;
        return height;
}

/* Whether the numbers from @start on may continue @s, because only one number lies between: then that
 * number, which is the stretch after @s, becomes a hole in it. */
static bool stretch_continues(SeccompStretch *s, const SeccompStretch *between, uint32_t start,
                              unsigned leaf) {
        if (s->leaf != leaf || s->n_holes >= SECCOMP_HOLES_MAX)
                return false;
        if (between->n_holes > 0 || start - between->start != 1)
                return false;

        s->hole[s->n_holes] = between->start;
        s->hole_leaf[s->n_holes++] = between->leaf;
        return true;
}

int seccomp_tree_stretch(SeccompStretch *list, size_t *n, size_t size, uint32_t start,
                         unsigned leaf) {
        if (*n > 0 && list[*n - 1].leaf == leaf)
                return 0;
        if (*n > 1 && stretch_continues(list + *n - 2, list + *n - 1, start, leaf)) {
                (*n)--;
                return 0;
        }
        if (*n >= size)
                return -E2BIG;

        list[(*n)++] = (SeccompStretch){ .start = start, .leaf = (uint16_t) leaf };
        return 0;
}

size_t seccomp_tree_write(SeccompTree *t, const SeccompStretch *list, size_t n) {
        size_t low, high, height;

        if (n > 1) {
                high = seccomp_tree_write(t, list + n / 2, n - n / 2);
                low = seccomp_tree_write(t, list, n / 2);
                return seccomp_tree_jump(t, BPF_JGE, list[n / 2].start, high, low);
        }

        height = seccomp_tree_leaf(t, list->leaf);
        for (unsigned i = list->n_holes; i > 0; i--)
                height = seccomp_tree_jump(t, BPF_JEQ, list->hole[i - 1],
                                           seccomp_tree_leaf(t, list->hole_leaf[i - 1]), height);

        return height;
}

int seccomp_tree_done(SeccompTree *t) {
        if (t->height > t->size)
                return -E2BIG;

        memmove(t->insn, at(t, t->height), t->height * sizeof *t->insn);
        return (int) t->height;
}
