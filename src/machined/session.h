/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A command, a shell or a login in a machine, as a worker carries it out: by the guest's own service manager
 * where it has one on a bus, else by joining the machine. */
#pragma once

#include "bus/operation.h"
#include "machined/enter.h"

typedef enum SessionKind {
        SESSION_PTY,   /* a terminal, nothing on it */
        SESSION_LOGIN, /* a terminal with a login prompt */
        SESSION_SHELL, /* a terminal with a command or shell */
        SESSION_RUN,   /* a command on descriptors of the caller's */
} SessionKind;

typedef struct SessionRequest {
        Target target;
        SessionKind kind;
        bool wants_status;
        bool joins;      /* whatever there is in the machine; only SESSION_SHELL and SESSION_RUN */
        const char *cwd; /* where a command that joins starts; NULL = "/" */
        uint16_t rows, columns; /* of a terminal that is made for it; 0 = not known */
        const char *user;       /* never empty */
        const char *path;       /* "" = the user's shell */
        char **args;            /* from argv[0] on; empty = the path alone */
        char **environment;
        int stdio[3]; /* SESSION_RUN */
} SessionRequest;

/* How a command ended. */
typedef struct SessionEnd {
        enum { SESSION_EXITED, SESSION_KILLED, SESSION_FAILED } how;
        int number; /* status or signal */
        Error error;
} SessionEnd;

/** session_work() - OperationKind.work: @arg is a SessionRequest
 * Descriptors sent: 0 the terminal, 1 what the status comes out of: a pipe, or the socket of joined.h. Text: the path of
 * the terminal. */
int session_work(const void *arg, const WorkerOut *out, Error *e);
/** session_end_format() - the line that tells the end, with newline. Return: 0 or -ENOMEM. */
int session_end_format(const SessionEnd *end, Buf *ret);
