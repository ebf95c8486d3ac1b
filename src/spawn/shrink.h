/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting in as little memory as can be. */
#pragma once

#include <poll.h>

/** shrink_and_wait() - let go of the program's code and constants, then poll(2)
 * They are unchanged copies of files: what is needed again comes back from the page cache when it is
 * touched, each page with a fault; so for idle times only. Free heap goes back to the kernel.
 * @msec: -1 = for ever
 * Return: as poll(2), but -errno. */
int shrink_and_wait(struct pollfd *fds, nfds_t n, int msec);
