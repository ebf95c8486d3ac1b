/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes of a unit as a tree of its control groups. */
#pragma once

#include "base/text.h"

typedef struct ProcessTree ProcessTree;

/** process_tree_new() - an empty tree
 * @root: control group that it grows from, "/machine.slice/x.service". Return: 0 or -ENOMEM. */
int process_tree_new(const char *root, ProcessTree **ret);
ProcessTree *process_tree_free(ProcessTree *t);
DEFINE_CLEANUP(ProcessTree *, process_tree_free)
/** process_tree_add() - add a process; one whose group is not below the root is passed over
 * Return: 0 or -ENOMEM. */
int process_tree_add(ProcessTree *t, const char *cgroup, uint32_t pid, const char *command);
/** process_tree_format() - one line per group and process: processes first, by number, then groups by
 * name
 * @prefix: before every line
 * @width:  columns of a line, the prefix not counted; 0 = as wide as need be
 * Return: 0 or -ENOMEM. */
int process_tree_format(ProcessTree *t, const char *prefix, unsigned width, bool ascii, Buf *out);
