/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One transfer as the daemon knows it. All of it is kept in two files below /run, so that a daemon that
 * starts anew finds the transfers of the one before: NUMBER says what it is and who does it; NUMBER.log
 * takes the worker's records and is locked (flock()) by the worker for as long as it lives. */
#pragma once

#include <sys/types.h>

#include "base/text.h"
#include "importer/image-class.h"
#include "importer/record.h"

typedef enum TransferFlags {
        TRANSFER_FORCE = 1 << 0, /* bits as on the bus */
        TRANSFER_READ_ONLY = 1 << 1,
        _TRANSFER_FLAGS_ALL = (1 << 2) - 1,
} TransferFlags;

typedef struct Transfer {
        uint32_t id;
        ImageClass class;
        char *local; /* name of the image */
        pid_t pid;   /* the worker */
        int pidfd;   /* likewise; -EBADF = it is gone */
        bool canceled;
        double progress; /* 0 to 1; below 0 = not known */
        uint64_t done;   /* bytes; RECORD_UNKNOWN */
        uint64_t total;  /* likewise */
        Phase phase;
        RecordType result; /* what the worker said last; RECORD_PROGRESS = nothing final yet */

        int log_fd;     /* for reading */
        Buf log;        /* what was read of it */
        size_t log_end; /* of the lines in it that were handed out */
} Transfer;

/** transfer_free() - forget, without ending the worker; takes NULL. Return: NULL. */
Transfer *transfer_free(Transfer *t);
DEFINE_CLEANUP(Transfer *, transfer_free)

/** transfer_start() - start the worker of a new transfer
 * @state_fd:   directory of the files, borrowed
 * @source_fd:  the archive, borrowed
 * Return: 0 or -errno; nothing is left then. */
int transfer_start(int state_fd, uint32_t id, ImageClass class, const char *local,
                   TransferFlags flags, int source_fd, Transfer **ret, Error *e);
/** transfer_load() - find a transfer of an earlier daemon
 * @name: the file's name; names that are no numbers are no transfers
 * Return: 1; 0 = no transfer; -EBADMSG = the file makes no sense; -errno. A transfer whose worker has
 * ended meanwhile has no pidfd. */
int transfer_load(int state_fd, const char *name, Transfer **ret, Error *e);
/** transfer_remove() - remove the files of a transfer that is over */
void transfer_remove(int state_fd, const Transfer *t);

/** transfer_read() - take in what the worker has written since
 * Call again until it returns 0.
 * @ret: a log line or a progress; a phase or a progress; its text is valid until the next call
 * Return: 1 something to tell; 0 nothing more for now; -errno. */
int transfer_read(Transfer *t, Record *ret);
/** transfer_cancel() - ask the worker to give up, and remember that it was asked
 * Return: 0; -ESRCH = it is over. */
int transfer_cancel(int state_fd, Transfer *t, Error *e);
/** transfer_result() - "done", "canceled" or "failed", once the worker is gone */
const char *transfer_result(const Transfer *t);

/** worker_start() - run skep-import
 * @argv:       arguments after the program's name
 * @source_fd:  becomes its standard input; -EBADF = nothing
 * @report_fd:  becomes descriptor 3; -EBADF = none
 * Return: 0 or -errno. */
int worker_start(char *const *argv, int source_fd, int report_fd, pid_t *ret_pid, int *ret_pidfd,
                 Error *e);
