/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network interfaces of the host that a machine is lent. They come home with the machine's end, also when the
 * supervisor is killed: most kinds would be destroyed with the namespace that they are in, and the rest come
 * home under whatever name the machine gave them. So there is a process that waits for the supervisor's end,
 * while anything is lent. */
#pragma once

#include "base/text.h"
#include "net/link.h"
#include "spawn/run.h"

typedef struct Lending Lending;

/** lending_start() - nothing is lent yet, and the process that watches over it is there
 * @netns_sock:  for netlink in the machine's namespace, borrowed
 * @n:           so many will be lent at most
 * Return: 0 or -errno. */
int lending_start(int netns_sock, size_t n, Lending **ret, Error *e);
/** lending_give() - move an interface to the machine
 * @run:     its runtime file is told of hardware
 * @sock:    for netlink on the host
 * @name:    of the interface
 * @inside:  what it is to be called there; "" = the same
 * Return: 0; -errno, and it is where it was. */
int lending_give(Lending *l, Run *run, int sock, const char *name, const char *inside, Error *e);
/** lending_end() - bring all home, by their old names or, where these are taken, by others
 * @notes:  gets a line for each of which there is something to say; may be NULL
 * Return: NULL. */
Lending *lending_end(Lending *l, Buf *notes);

/** lending_remove_noted() - for runtime.c: nobody was left to bring hardware home, so the kernel has done it, and not
 * given it back its name
 * @value:  "/NAME/MAC" */
void lending_remove_noted(const char *value);

/** lending_udev_is_done() - whether udev is through with an interface and not about to rename it
 * @record:  what it has written down of it; NULL = nothing yet */
bool lending_udev_is_done(const char *record);
