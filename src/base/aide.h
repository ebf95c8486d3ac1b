/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Aides: small programs of ours that do what takes a library or reads foreign bytes, for a process that
 * is to carry neither. An aide is started with a handshake socket, does one thing, tells over the socket
 * how it went, and ends. Both sides of that are here. */
#pragma once

#include "base/handshake.h"

enum {
        AIDE_SOCKET = 3, /* the aide's end of the handshake socket */
        AIDE_FDS = 4,    /* descriptors that it is given: this one and those that follow */
        AIDE_FDS_MAX = 16,
};

typedef struct Aide {
        const char *name;
        int sock; /* our end */
        int pidfd;
} Aide;

#define AIDE_NULL ((Aide){ .sock = -EBADF, .pidfd = -EBADF })

/** aide_start() - start one
 *
 * It gets our standard streams, AIDE_SOCKET and @fds, nothing else that is open, and dies with the
 * thread that started it.
 * @name:  of the program, static; in $SKEP_LIBEXECDIR, else where skep is installed
 * @argv:  arguments after its name, NULL-terminated
 * @fds:   @n_fds descriptors, which stay ours
 * Return: 0; -errno. That the program is not there comes as -ENOPKG with @e saying so. */
int aide_start(Aide *a, const char *name, char *const *argv, const int *fds, size_t n_fds,
               Error *e);
/** aide_finish() - wait for its last word and its end
 * Return: 0 it has done what it was for; what it failed with; -EPIPE it died. */
int aide_finish(Aide *a, Error *e);
/** aide_done() - kill it if it still runs, and free what is held; for after aide_finish() too */
void aide_done(Aide *a);

/** aide_end() - in the aide: tell how it went
 * @r: 0 or more, or what @e is about
 * Return: exit status for main(). */
int aide_end(int r, const Error *e);
