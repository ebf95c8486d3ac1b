/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lending the console of a machine that runs to somebody who comes along.
 *
 * A keeper that gets SIGUSR1 makes a socket, /run/skep/attach/NAME. Whoever connects to it, and is root, is sent
 * our side of the terminal, and has it until they close the connection: meanwhile the keeper reads and writes
 * nothing of it. Nobody asks, no socket: a machine whose console is never asked for costs nothing. The keeper
 * sends HANDSHAKE_ERROR to who comes when somebody else is there, HANDSHAKE_FD to who may have it, and
 * HANDSHAKE_ID with the exit status when the machine has ended. */
#pragma once

#include "spawn/run.h"

#define ATTACH_DIR    "/run/skep/attach"
#define ATTACH_SIGNAL SIGUSR1

typedef struct Attach {
        int listen_fd; /* -EBADF = nobody has asked yet */
        int holder_fd; /* connection of who has the console; -EBADF = we have it */
        pid_t holder;
} Attach;

#define ATTACH_NULL ((Attach){ .listen_fd = -EBADF, .holder_fd = -EBADF })

/** attach_listen() - make the socket, unless it is there
 * Return: 0 or -errno. */
int attach_listen(Attach *a, const char *machine, Run *run);
/** attach_accept() - see who has come; the console goes to them if it is ours to give
 * @busy: who has it if nobody was lent it, for the message; NULL = it can be had
 * Return: 1 it was given away; 0 not. */
int attach_accept(Attach *a, int console_fd, const char *busy);
/** attach_end() - tell the holder how the machine ended, and close all
 * @front_fd: a holder that stays for the next boot; -EBADF = there is none
 * @status:   exit status, or -1 it reboots */
void attach_end(Attach *a, const char *machine, int front_fd, int status);
/** attach_remove() - what a dead keeper left: its socket, by its path */
void attach_remove(const char *path);

/** attach_command() - skep-spawn --attach=: be at the console of a machine
 * ^] three times goes away again; ^] ^] p and ^] ^] r as at the terminal that a machine was started at.
 * @ret_status: of the machine, if it ends meanwhile; else 0
 * Return: 0; -ENXIO no such machine; -EBUSY its console is in use; -errno. */
int attach_command(const char *machine, int *ret_status, Error *e);
