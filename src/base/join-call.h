/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the registry asks skep-join to do: run a command in a machine. The request is text in a file in
 * memory; it goes over a handshake socket with the descriptors that it is about. */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

#define JOIN_CALL_SOCKET   "/run/skep/join" /* SOCK_SEQPACKET, root's; one call a connection */
#define JOIN_CALL_TEXT_MAX ((size_t) 4 << 20)

/* Descriptors and numbers as they are sent. */
enum {
        JOIN_CALL_STDIN, /* to skep-join: unless the command gets a terminal */
        JOIN_CALL_STDOUT,
        JOIN_CALL_STDERR,
        JOIN_CALL_LEADER,  /* to skep-join: pidfd of the machine's first process */
        JOIN_CALL_TEXT,    /* to skep-join: the file with the request */
        JOIN_CALL_CONTROL, /* to skep-join: takes signals, and tells how the command ended;
                            * without it, the command ends as it likes */
        _JOIN_CALL_FD_MAX,
        JOIN_CALL_TERMINAL = 0, /* to the caller: the terminal's master side */
        JOIN_CALL_STATUS = 0,   /* to the caller, a number: 126 or 127 if that is why it failed */
        JOIN_CALL_SENT = 0,     /* phase: all is sent */
        JOIN_CALL_RUNS = 1,     /* phase: the command runs */
};

typedef struct JoinCall {
        char *machine;          /* its name, for messages */
        pid_t leader;           /* of the same process as the pidfd */
        char *user;             /* name or number, as the machine knows them */
        char *cwd;              /* NULL = "/", or the user's home for a shell */
        char **command;         /* empty = the user's login shell */
        char *program;          /* what to execute, if it is not command[0]; NULL = it is */
        char **environment;     /* assignments that win over all */
        bool terminal;          /* a new terminal on its stdio */
        uint16_t rows, columns; /* of it; 0 = unknown */
        bool at_home;           /* it starts in the user's home, if that can be entered */
} JoinCall;

/** join_call_done() - free what it holds */
void join_call_done(JoinCall *c);
/** join_call_format() - as text. Return: 0 or -ENOMEM. */
int join_call_format(const JoinCall *c, Buf *ret);
/** join_call_parse() - the opposite
 * Return: 0; -EBADMSG with @e saying what is wrong; -ENOMEM. */
int join_call_parse(const char *text, size_t n, JoinCall *ret, Error *e);
