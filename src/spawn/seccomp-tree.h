/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A writer of filter programs: numbers become a tree of compares whose leaves are somebody else's.
 *
 * Jumps of classic BPF only go forward, so a program is written from its end to its beginning: when a jump is
 * written its targets are already there. A place in the program is named by its height, the number of
 * instructions from it to the end. A conditional jump reaches 255 instructions; what lies farther is brought
 * near with a copy (of a return) or a long jump. */
#pragma once

#include <linux/filter.h>

#include "base/macro.h"

typedef struct SeccompTree SeccompTree;

struct SeccompTree {
        struct sock_filter *insn; /* the room; filled from the end */
        size_t size;
        size_t height; /* instructions so far; beyond size = does not fit */
        size_t *leaf;  /* height of the newest copy of each leaf; 0 = none yet */
        /* Writes leaf @i; it may use other leaves. Return: its height. */
        size_t (*write_leaf)(SeccompTree *t, unsigned i);
};

/* Isolated numbers inside a longer stretch are asked for one by one after the tree, which costs one
 * instruction each where two more splits would cost two. Longer chains would make the tree's
 * depth uneven. */
#define SECCOMP_HOLES_MAX 3U

/* Numbers from start on, up to the next stretch, all meet one leaf but for a few single ones. */
typedef struct SeccompStretch {
        uint32_t start;
        uint16_t leaf;
        uint16_t n_holes;
        uint32_t hole[SECCOMP_HOLES_MAX];
        uint16_t hole_leaf[SECCOMP_HOLES_MAX];
} SeccompStretch;

/** seccomp_tree_add() - write one instruction before all there are. Return: its height. */
size_t seccomp_tree_add(SeccompTree *t, uint16_t code, uint32_t k);
/** seccomp_tree_return() - end with a verdict, SECCOMP_RET_* */
size_t seccomp_tree_return(SeccompTree *t, uint32_t verdict);
/** seccomp_tree_load() - load the word at an offset of struct seccomp_data; what is there falls through */
size_t seccomp_tree_load(SeccompTree *t, size_t offset);
/** seccomp_tree_jump() - compare with @k
 * @compare: BPF_JEQ, BPF_JGE, BPF_JGT or BPF_JSET
 * @yes, @no: heights */
size_t seccomp_tree_jump(SeccompTree *t, uint16_t compare, uint32_t k, size_t yes, size_t no);
/** seccomp_tree_fall_into() - make what is written next fall into @target, wherever that is */
void seccomp_tree_fall_into(SeccompTree *t, size_t target);
/** seccomp_tree_leaf() - the newest copy of a leaf that a jump written next can reach */
size_t seccomp_tree_leaf(SeccompTree *t, unsigned i);

/** seccomp_tree_stretch() - add a stretch to a list in ascending order, or make the last one longer
 * @n, @size: entries there are, and there is room for
 * Return: 0 or -E2BIG. */
int seccomp_tree_stretch(SeccompStretch *list, size_t *n, size_t size, uint32_t start,
                         unsigned leaf);
/** seccomp_tree_write() - the tree over @n > 0 stretches: which one the loaded word lies in */
size_t seccomp_tree_write(SeccompTree *t, const SeccompStretch *list, size_t n);

/** seccomp_tree_done() - move the program to the start of the room
 * Return: number of instructions; -E2BIG if there was not enough room. */
int seccomp_tree_done(SeccompTree *t);
