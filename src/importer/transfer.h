/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One transfer as the daemon knows it. All of it is kept in files below /run, so that a daemon that starts
 * anew finds the transfers of the one before:
 *
 *   NUMBER        what it is (transfer-state.c); there before the worker is
 *   NUMBER.log    takes the worker's records and is locked (flock()) by it for as long as it lives
 *   NUMBER.told   how far in the log others have been told of it
 *   NUMBER.ended  in the place of all three, how it ended */
#pragma once

#include <sys/types.h>

#include "importer/record.h"
#include "importer/transfer-request.h"

typedef struct Transfer {
        uint32_t id;
        TransferRequest request;
        char *shown_remote; /* without what is secret */
        uint64_t started;   /* µs, CLOCK_REALTIME */
        bool canceled;      /* somebody has asked for that */

        pid_t pid;      /* the worker; 0 = not known */
        uint64_t start; /* when it was started, in ticks since boot */
        int pidfd;      /* likewise; -EBADF = it is gone */

        double progress; /* 0 to 1; below 0 = not known */
        uint64_t done;   /* bytes; RECORD_UNKNOWN */
        uint64_t total;  /* likewise */
        Phase phase;
        RecordType result; /* what the worker said last; RECORD_PROGRESS = nothing final yet */
        char *error;       /* why it failed */
        uint64_t ended;    /* µs, CLOCK_REALTIME; 0 = it has not */

        int log_fd;     /* for reading */
        Buf log;        /* what was read of it */
        size_t log_end; /* of the lines in it that were handed out */
        uint64_t read;  /* where in the file that is */
        uint64_t told;  /* as far as others have been told */
} Transfer;

/** transfer_new() - with nothing known but its number. Return: NULL = out of memory. */
Transfer *transfer_new(uint32_t id);
/** transfer_free() - forget, without ending the worker; takes NULL. Return: NULL. */
Transfer *transfer_free(Transfer *t);
DEFINE_CLEANUP(Transfer *, transfer_free)

/** transfer_start() - start the worker of a new transfer
 * @state_fd:  directory of the files, borrowed
 * @request:   checked, copied
 * @fd:        the other end, borrowed; -EBADF = it has none
 * Return: 0 or -errno; nothing is left then. */
int transfer_start(int state_fd, uint32_t id, const TransferRequest *request, int fd,
                   Transfer **ret, Error *e);
/** transfer_load() - find a transfer of an earlier daemon
 * @name: the file's name; names that are no numbers are no transfers
 * Return: 1; 0 = no transfer; -EBADMSG = the file makes no sense; -errno. A transfer whose worker has
 * ended meanwhile has no pidfd. */
int transfer_load(int state_fd, const char *name, Transfer **ret, Error *e);
/** transfer_load_ended() - the same for one that is over. Return: as above. */
int transfer_load_ended(int state_fd, const char *name, Transfer **ret, Error *e);
/** transfer_sweep() - remove a file that is left of a transfer which is none (any more), if @name is such a one */
void transfer_sweep(int state_fd, const char *name);
/** transfer_end() - note down how it ended, let go of the worker and of its log. Return: 0 or -errno. */
int transfer_end(int state_fd, Transfer *t);
/** transfer_forget() - remove the file of a transfer that is over */
void transfer_forget(int state_fd, const Transfer *t);

/** transfer_read() - take in what the worker has written since
 * Call again until it returns 0.
 * @ret: a log line, a phase or a progress; its text is valid until the next call
 * Return: 1 something to tell; 0 nothing more for now; -errno. */
int transfer_read(Transfer *t, Record *ret);
/** transfer_was_told() - whether an earlier daemon has passed on what transfer_read() just gave */
bool transfer_was_told(const Transfer *t);
/** transfer_tell() - all that was read has been passed on */
void transfer_tell(int state_fd, Transfer *t);

/** transfer_cancel() - ask the worker to give up, and remember that it was asked
 * Return: 0; -ESRCH = it is over. */
int transfer_cancel(int state_fd, Transfer *t, Error *e);
/** transfer_kill() - end a worker that does not give up by itself */
void transfer_kill(const Transfer *t);
/** transfer_result() - "done", "canceled" or "failed", once the worker is gone */
const char *transfer_result(const Transfer *t);

/** worker_start() - run skep-import
 * @argv:       arguments after the program's name
 * @in_fd:      becomes its standard input; -EBADF = nothing
 * @out_fd:     becomes its standard output; likewise
 * @report_fd:  becomes descriptor 3, and the worker's number is written to it; -EBADF = none
 * @checksum_fd: becomes WORKER_CHECKSUM_FD; -EBADF = none
 * Return: 0 or -errno. */
int worker_start(char *const *argv, int in_fd, int out_fd, int report_fd, int checksum_fd,
                 pid_t *ret_pid, int *ret_pidfd, Error *e);
