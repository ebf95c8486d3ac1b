/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hosts file of a machine while others come and go.
 *
 * It is mounted in the machine, so it has to stay the same file, and is changed while it is read. After a
 * head that never changes it has lines that all have one length: a line is changed in place, by one write
 * within one page, and no other moves. Who reads it sees each line as it was or as it is. */
#pragma once

#include "net/member.h"

#define HOSTS_LINE 128 /* bytes, with the line break */

/** hosts_head() - the part that does not change: the image's own lines, and localhost where those have none
 * @text, @n: the image's file; NULL = it has none
 * Return: 0 or -ENOMEM. */
int hosts_head(const char *text, size_t n, Buf *out);
/** hosts_lines() - the lines that a machine has now: its own names, the host's, those of its neighbours
 * @hostname: of the host; NULL = it has none to tell
 * Return: 0 or -ENOMEM. */
int hosts_lines(const MemberList *l, const Member *self, const char *hostname, char ***ret);
/** hosts_update() - change what differs
 * @fd:    the file, open for both
 * @head:  where our lines begin
 * Return: 0 or -errno. */
int hosts_update(int fd, size_t head, char *const *lines);

/** hosts_open() - the file of a machine, in a folder beside the records
 * @lock_fd: see member.h
 * @flags:   O_CREAT | O_TRUNC to make it, or 0
 * Return: a descriptor or -errno. */
int hosts_open(int lock_fd, const char *name, int flags);
/** hosts_path() - its path on the host; NULL = out of memory */
char *hosts_path(const char *name);
/** hosts_remove() - Return: 0, also if it is not there; -errno. */
int hosts_remove(int lock_fd, const char *name);
/** hosts_refresh() - bring the files up to date of all whom a change concerns
 * @name:    the machine that has come, changed or gone
 * @segment: that it shares with others; "" = with nobody */
void hosts_refresh(int lock_fd, const MemberList *l, const char *name, const char *segment);
