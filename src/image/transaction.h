/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to many files as one: written down first, then done. Whoever is killed in between has either changed
 * nothing, or left a note by which transaction_recover() does the rest. */
#pragma once

#include "base/text.h"

/* Names of the notes, regular files in a directory of the pool. */
#define TRANSACTION_PREFIX ".skep-change."
/* What a thing is called while what goes with it is on its way: no image, for us and for systemd. */
#define TRANSACTION_HOLD ".sysupdate.skep-change."

typedef enum StepKind {
        STEP_MOVE,
        STEP_REMOVE,
        STEP_SWAP, /* @from and @to, both of which are there, each get the name of the other */
        STEP_LINK, /* the symlink @from shall point to @to */
        _STEP_MAX,
} StepKind;

typedef struct Step {
        StepKind kind;
        bool is_immutable; /* the directory is marked so again where it arrives */
        uint64_t
                inode; /* of what is meant: something else of the same name is left alone; not for links */
        char *from;
        char *to; /* NULL when it is removed */
} Step;

typedef struct Transaction {
        size_t n;
        Step *steps;
} Transaction;

/** step_kind_name() - "move", "remove", "swap" or "link" */
const char *step_kind_name(StepKind k);
/** transaction_done() - free it */
void transaction_done(Transaction *t);
/** transaction_add() - one more step, as it is given. Return: 0 or -ENOMEM. */
int transaction_add(Transaction *t, const Step *step);
/** transaction_move() - rename what is at @from, if there is something
 * Return: 1; 0 nothing there; -EEXIST there is something at @to; -errno. */
int transaction_move(Transaction *t, const char *from, const char *to, Error *e);
/** transaction_swap() - put what is at @from in place of what is at @to, which then is at @from
 * Return: 1; 0 nothing there, at one of them; -errno. */
int transaction_swap(Transaction *t, const char *from, const char *to, Error *e);
/** transaction_identify() - the number by which a step knows what is at @path now
 * Return: 1; 0 nothing there; -errno. */
int transaction_identify(const char *path, uint64_t *ret, Error *e);
/** transaction_remove() - remove what is at @from, if there is something, with all that is in it
 * Return: 1; 0 nothing there; -errno. */
int transaction_remove(Transaction *t, const char *from, Error *e);

/** transaction_commit() - do it all
 * A step that cannot be done undoes the moves before it. What cannot be removed does not: the rest is done, and
 * the first failure returned.
 * @directory: where the note goes, on the file system that the main thing is on
 * Return: 0 or -errno. */
int transaction_commit(const Transaction *t, const char *directory, Error *e);
/** transaction_recover() - finish what was left in the middle in a directory
 * Return: number of transactions finished; the first -errno after having tried all. */
int transaction_recover(const char *directory, Error *e);

/** transaction_format() - as it is written down. Return: 0 or -ENOMEM. */
int transaction_format(const Transaction *t, Buf *out);
/** transaction_parse() - the opposite. Return: 0; -EINVAL; -ENOMEM. */
int transaction_parse(const char *text, size_t n, Transaction *ret, Error *e);
