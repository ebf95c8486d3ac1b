/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /run/systemd/machines: one file per machine that libsystemd, nss and many others read, and that we
 * read again after a restart. "unit:UNIT" is a symlink to the machine that owns UNIT. */
#pragma once

#include "base/text.h"
#include "machined/machine.h"

#define STATE_DIRECTORY "/run/systemd/machines"

/** state_format() - the text of a machine's file. Return: 0 or -ENOMEM. */
int state_format(const Machine *m, Buf *ret);
/** state_parse() - a machine from the text of its file
 * The processes are numbers only, not pinned (fd -EBADF); the unit counts as owned unless there is a
 * subgroup, or its name says otherwise.
 * @name: name of the file; NAME= inside has to be the same
 * Return: 0; -EINVAL with @e set; -ENOMEM. */
int state_parse(const char *name, const char *text, size_t n, Machine **ret, Error *e);

/** state_open() - open the directory, making it where it is missing. Return: a descriptor, -errno. */
int state_open(Error *e);
/** state_save() - write a machine's file, in one step, and its symlink. Return: 0 or -errno. */
int state_save(int dir_fd, const Machine *m, Error *e);
/** state_remove() - remove the symlink and the file */
void state_remove(int dir_fd, const Machine *m);
/** state_names() - names of all machines that have a file. Return: 0 or -errno. */
int state_names(int dir_fd, char ***ret, Error *e);
/** state_sweep() - remove what an end at a bad moment leaves: files half written, symlinks to no machine */
void state_sweep(int dir_fd);
/** state_load() - read one file. Return: as state_parse(), or -errno. */
int state_load(int dir_fd, const char *name, Machine **ret, Error *e);
/** state_remove_name() - remove a file that cannot be read, and the symlinks that point to it */
void state_remove_name(int dir_fd, const char *name);
