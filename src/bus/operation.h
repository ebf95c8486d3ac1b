/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work that may take long, or that touches what a guest controls, is done by a forked worker; the daemon
 * gets descriptors, numbers and a text back, or one Error, and answers the call then. */
#pragma once

#include "base/text.h"
#include "bus/daemon.h"

#define OPERATIONS_MAX    64
#define OPERATION_FDS_MAX 2
/* Bytes. Statistics of a machine take 200 here, and four times as many in the answer, for which a system bus
 * takes 32 MiB. */
#define OPERATION_TEXT_MAX (8 * 1024 * 1024)

/* What a worker has to give to the daemon. */
typedef struct WorkerOut {
        int sock;  /* handshake: HANDSHAKE_FD and HANDSHAKE_ID, numbered from 0 */
        int text;  /* file in memory for a text */
        Buf *here; /* takes the text where nothing was forked */
} WorkerOut;

typedef struct OperationResult {
        int fds[OPERATION_FDS_MAX]; /* -EBADF = not sent */
        uint64_t ids[OPERATION_FDS_MAX];
        char *text; /* NUL-terminated, never NULL */
        size_t n_text;
} OperationResult;

typedef struct OperationKind {
        const char *what; /* for messages: "reading the addresses" */
        /* In the worker: does it; must not touch the daemon's connections. With @is_session it tells
         * that the result is complete by operation_ready() and goes on living. */
        int (*work)(const void *arg, const WorkerOut *out, Error *e);
        /* In the daemon: answers the call. */
        int (*finish)(sd_bus_message *call, const OperationResult *result, Error *e);
        uint64_t timeout_usec; /* 0 = none */
        bool is_session;
        /* In the daemon, in the place of finish() for what nobody has called for: @r is 0 with @result, or
         * a negative code with @e. It is not called if the owner ends before. */
        void (*done)(void *userdata, void *owner, int r, const OperationResult *result,
                     const Error *e);
        /* The same for what has no owner, but a subject. */
        void (*done_subject)(void *userdata, const char *subject, int r,
                             const OperationResult *result, const Error *e);
} OperationKind;

typedef struct Operation Operation;

/* All work of a daemon. */
typedef struct Operations {
        Daemon *daemon; /* whose loop it is, and who can tell who calls */
        void *userdata; /* for done() */
        const char *(*owner_name)(const void *owner);
        Operation *first;
        unsigned n; /* those that somebody still waits for */
        uint64_t last_id;
} Operations;

/* What others may know of work that somebody waits for. */
typedef struct OperationInfo {
        uint64_t id; /* never comes again */
        const char *what;
        const char *subject; /* its owner's name, or what was set; "" = nothing */
        uid_t uid;           /* who called for it */
        bool has_owner;
        uint64_t started;     /* µs, CLOCK_REALTIME */
        uint64_t done, total; /* bytes written by now, and in all; UINT64_MAX = unknown */
} OperationInfo;

/** operation_start() - fork a worker
 * @kind:    static
 * @call:    answered when the worker is done; the reference is taken
 * @owner:   what operation_forget() is told of when it ends; may be NULL
 * @arg:     for the work, as it is now
 * @keep_fds, @n_keep: descriptors that @arg needs; all others are closed in the worker
 * Return: 1; 0 the call comes again when it is known whose it is; -ENOBUFS too many are running; -errno. */
int operation_start(Operations *all, const OperationKind *kind, sd_bus_message *call, void *owner,
                    const void *arg, const int *keep_fds, size_t n_keep, Error *e);
/** operation_start_own() - the same for the daemon itself: no call, not listed, kind->done() gets the outcome */
int operation_start_own(Operations *all, const OperationKind *kind, void *owner, const void *arg,
                        const int *keep_fds, size_t n_keep, Error *e);
/** operation_set_subject() - say what the work that was just started is about, if it has no owner */
void operation_set_subject(Operations *all, const char *subject);
/** operation_each() - look at all work that somebody waits for, till @f does not return 0
 * Return: what @f returned last; 0 if there is none. */
int operation_each(Operations *all, int (*f)(const OperationInfo *info, void *userdata),
                   void *userdata);
/** operation_cancel() - end work and tell who waits for it. Return: 1; 0 there is none of that number. */
int operation_cancel(Operations *all, uint64_t id);
/** operation_cancel_of() - the same for all that one connection has asked for
 * @call: of that connection. Return: how many there were. */
unsigned operation_cancel_of(Operations *all, sd_bus_message *call);
/** operation_here() - do the work at once and in the daemon, where all that is looked at is the host's own
 * Return: 0; what the work or the answer returned. */
int operation_here(const OperationKind *kind, sd_bus_message *call, const void *arg, Error *e);
/** operation_forget() - an owner goes: whoever waits for work on it is told so */
void operation_forget(Operations *all, const void *owner, int r, const Error *e);
/** operation_done_all() - kill the workers that somebody waits for; sessions stay */
void operation_done_all(Operations *all);

/** operation_send_text() - in the worker: give a text. Return: 0 or -errno. */
int operation_send_text(const WorkerOut *out, const void *text, size_t n);
/** operation_send_total() - in the worker: tell how many bytes it will write. Return: 0 or -errno. */
int operation_send_total(const WorkerOut *out, uint64_t bytes);
/** operation_ready() - in the worker of a session: the result is complete. Return: 0 or -errno. */
int operation_ready(const WorkerOut *out);

/* Adds one entry of a list from what follows in a worker's text, @n bytes with a NUL behind. Return: how many bytes
 * that took; 0 what is there makes no entry; -errno. */
typedef int (*OperationAppend)(sd_bus_message *reply, const char *at, size_t n);
/** operation_reply_list() - answer with an array
 * @contents: signature of an entry
 * Return: > 0, or a negative code with @e set. */
int operation_reply_list(sd_bus_message *call, const OperationResult *result, const char *contents,
                         OperationAppend append, Error *e);
