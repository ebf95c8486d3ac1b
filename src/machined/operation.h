/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work that may take long, or that touches what a guest controls, is done by a forked worker; the daemon
 * gets descriptors, numbers and a text back, or one Error, and answers the call then. */
#pragma once

#include "base/text.h"
#include "machined/manager.h"

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
         * a negative code with @e. It is not called if the machine ends before. */
        void (*done)(Manager *m, Machine *machine, int r, const OperationResult *result,
                     const Error *e);
        /* The same for what is about no machine, but has a subject. */
        void (*done_subject)(Manager *m, const char *subject, int r, const OperationResult *result,
                             const Error *e);
} OperationKind;

/* What others may know of work that somebody waits for. */
typedef struct OperationInfo {
        uint64_t id; /* never comes again */
        const char *what;
        const char *subject; /* a machine's or an image's name; "" = neither */
        uid_t uid;           /* who called for it */
        bool is_on_machine;
        uint64_t started;     /* µs, CLOCK_REALTIME */
        uint64_t done, total; /* bytes written by now, and in all; UINT64_MAX = unknown */
} OperationInfo;

/** operation_start() - fork a worker
 * @kind:    static
 * @call:    answered when the worker is done; the reference is taken
 * @machine: a machine whose end ends the work; may be NULL
 * @arg:     for the work, as it is now
 * @keep_fds, @n_keep: descriptors that @arg needs; all others are closed in the worker
 * Return: 1; 0 the call comes again when it is known whose it is; -ENOBUFS too many are running; -errno. */
int operation_start(Manager *m, const OperationKind *kind, sd_bus_message *call, Machine *machine,
                    const void *arg, const int *keep_fds, size_t n_keep, Error *e);
/** operation_start_own() - the same for the daemon itself: no call, not listed, kind->done() gets the outcome */
int operation_start_own(Manager *m, const OperationKind *kind, Machine *machine, const void *arg,
                        const int *keep_fds, size_t n_keep, Error *e);
/** operation_set_subject() - say what the work that was just started is about, if it is no machine */
void operation_set_subject(Manager *m, const char *subject);
/** operation_each() - look at all work that somebody waits for, till @f does not return 0
 * Return: what @f returned last; 0 if there is none. */
int operation_each(Manager *m, int (*f)(const OperationInfo *info, void *userdata), void *userdata);
/** operation_cancel() - end work and tell who waits for it. Return: 1; 0 there is none of that number. */
int operation_cancel(Manager *m, uint64_t id);
/** operation_cancel_of() - the same for all that one connection has asked for
 * @call: of that connection. Return: how many there were. */
unsigned operation_cancel_of(Manager *m, sd_bus_message *call);
/** operation_here() - do the work at once and in the daemon, where all that is looked at is the host's own
 * Return: 0; what the work or the answer returned. */
int operation_here(const OperationKind *kind, sd_bus_message *call, const void *arg, Error *e);
/** operation_forget_machine() - a machine goes: whoever waits for work on it is told so */
void operation_forget_machine(Manager *m, const Machine *machine);
/** operation_done_all() - kill the workers that somebody waits for; sessions stay */
void operation_done_all(Manager *m);

/** operation_send_text() - in the worker: give a text. Return: 0 or -errno. */
int operation_send_text(const WorkerOut *out, const void *text, size_t n);
/** operation_send_total() - in the worker: tell how many bytes it will write. Return: 0 or -errno. */
int operation_send_total(const WorkerOut *out, uint64_t bytes);
/** operation_ready() - in the worker of a session: the result is complete. Return: 0 or -errno. */
int operation_ready(const WorkerOut *out);
