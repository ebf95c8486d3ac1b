/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Archives that have the system in a directory of its own, as "debian-12/etc/…" */
#pragma once

#include "base/error.h"

/** unwrap_tree() - if a directory is no OS tree and the one thing in it is, move that up
 * What the inner directory has (owner, mode, attributes, time) the outer one gets.
 * @fd: open for reading
 * Return: 1 done; 0 nothing to do; -errno, the tree is then half moved. */
int unwrap_tree(int fd, Error *e);
