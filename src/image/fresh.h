/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes a copied tree a system of its own. */
#pragma once

#include "base/error.h"

/** fresh_tree() - take from a tree what is of one system alone: machine ID, SSH host keys, random seed, secret of
 * credentials; and give it a host name
 * Nothing in the tree is run. The system makes a new machine ID when it starts; new keys are made by what its
 * distribution has for that.
 * @tree_fd:  its top, for reading; it is not in use
 * @hostname: NULL = /etc/hostname is emptied
 * Return: 0 or -errno. */
int fresh_tree(int tree_fd, const char *hostname, Error *e);
