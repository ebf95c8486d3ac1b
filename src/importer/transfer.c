/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transfers and their files, see transfer.h. Knows neither bus nor event loop. */
#include "importer/transfer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/proc.h"
#include "importer/transfer-state.h"

#define NAME_MAX_ 32
/* How long a worker may take from being forked to saying who it is. */
#define BIRTH_STEPS 50

static const char *name_of(const Transfer *t, const char *suffix, char buffer[static NAME_MAX_]) {
        (void) snprintf(buffer, NAME_MAX_, "%u%s", t->id, suffix);
        return buffer;
}

static uint64_t wall_usec(void) {
        struct timespec ts = {};

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

Transfer *transfer_free(Transfer *t) {
        if (!t)
                return NULL;
        transfer_request_done(&t->request);
        free(t->shown_remote);
        free(t->error);
        (void) fd_close(t->pidfd);
        (void) fd_close(t->log_fd);
        buf_done(&t->log);
        free(t);
        return NULL;
}

Transfer *transfer_new(uint32_t id) {
        Transfer *t = calloc(1, sizeof *t);

        if (!t)
                return NULL;
        *t = (Transfer){
                .id = id,
                .pidfd = -EBADF,
                .progress = -1,
                .done = RECORD_UNKNOWN,
                .total = RECORD_UNKNOWN,
                .log_fd = -EBADF,
        };
        return t;
}

static void remove_files(int state_fd, const Transfer *t) {
        static const char *const suffixes[] = { "", ".log", ".told" };
        char name[NAME_MAX_];

        /* What says that there is a transfer goes first. */
        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                (void) unlinkat(state_fd, name_of(t, suffixes[i], name), 0);
}

/* The standard input of a worker that pulls. */
static int write_remote(const char *remote, Error *e) {
        _cleanup_fd_ int fd = memfd_create("remote", MFD_CLOEXEC);

        if (fd < 0)
                return error_set(e, errno, "cannot make a file in memory: %m");
        int r = fd_write_all(fd, remote, strlen(remote));
        if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        return r < 0 ? error_set(e, r, "cannot write a file in memory: %m") : TAKE_FD(fd);
}

static int start_worker(int state_fd, Transfer *t, int fd, Error *e) {
        bool exports = transfer_kind_way(t->request.kind) == TRANSFER_WAY_EXPORT;
        _cleanup_strv_ char **argv = NULL, **arguments = NULL;
        _cleanup_fd_ int log_fd = -EBADF, remote_fd = -EBADF;
        char name[NAME_MAX_];

        if (strv_append(&argv, "--report=3") < 0 ||
            transfer_request_argv(&t->request, &arguments) < 0)
                return error_oom(e);
        STRV_FOREACH(a, arguments)
                if (strv_append(&argv, *a) < 0)
                        return error_oom(e);

        log_fd = openat(state_fd, name_of(t, ".log", name),
                        O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (log_fd < 0 || flock(log_fd, LOCK_EX | LOCK_NB) < 0)
                return error_set(e, errno, "cannot make the log of a transfer: %m");
        t->log_fd = openat(state_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (t->log_fd < 0)
                return error_set(e, errno, "cannot read the log of a transfer: %m");
        if (transfer_kind_way(t->request.kind) == TRANSFER_WAY_PULL) {
                remote_fd = write_remote(t->request.remote, e);
                if (remote_fd < 0)
                        return remote_fd;
                fd = remote_fd;
        }
        /* From here on the transfer is known, whatever becomes of this daemon. */
        int r = transfer_state_write(state_fd, name_of(t, "", name), t);
        if (r < 0)
                return error_set(e, r, "cannot note down a transfer: %m");
        return worker_start(argv, exports ? -EBADF : fd, exports ? fd : -EBADF, log_fd,
                            t->request.said & TRANSFER_SAID_CHECKSUM ? t->request.checksum_fd
                                                                     : -EBADF,
                            &t->pid, &t->pidfd, e);
}

int transfer_start(int state_fd, uint32_t id, const TransferRequest *request, int fd,
                   Transfer **ret, Error *e) {
        _cleanup_(transfer_freep) Transfer *t = transfer_new(id);

        if (!t || transfer_request_copy(request, &t->request) < 0)
                return error_oom(e);
        t->started = wall_usec();
        t->shown_remote = transfer_request_shown_remote(request);
        if (!t->shown_remote)
                return error_oom(e);
        int r = start_worker(state_fd, t, fd, e);
        if (r < 0) {
                remove_files(state_fd, t);
                return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

/* The first line of the log. Return: 1 it is there; 0 not yet; -errno. */
static int read_birth(Transfer *t) {
        char text[64];
        ssize_t n = pread(t->log_fd, text, sizeof text - 1, 0);
        char *newline = n > 0 ? memchr(text, '\n', (size_t) n) : NULL;
        Record record;

        if (n < 0)
                return -errno;
        if (!newline)
                return n < (ssize_t) sizeof text - 1 ? 0 : -EBADMSG;
        *newline = '\0';
        if (record_parse(text, &record) < 0 || record.type != RECORD_WORKER)
                return -EBADMSG;
        t->pid = record.pid;
        t->start = record.start;
        return 1;
}

/* Opens the process that has the worker's number, if it is the worker: it may have ended since, and another
 * process may have got the number. */
static int open_worker(const Transfer *t) {
        _cleanup_fd_ int pidfd = proc_pidfd_open(t->pid);
        uint64_t start;

        if (pidfd < 0)
                return pidfd;
        int r = proc_start_time(t->pid, &start);
        if (r < 0)
                return r;
        return start == t->start ? TAKE_FD(pidfd) : -ESRCH;
}

/* The worker holds a lock on its log, from before there is a worker until it is gone. */
static int find_worker(int state_fd, Transfer *t) {
        const struct timespec moment = { .tv_nsec = 10 * 1000000 };
        char name[NAME_MAX_];
        int r;

        t->log_fd = openat(state_fd, name_of(t, ".log", name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (t->log_fd < 0)
                return -errno;
        for (unsigned i = 0; i < BIRTH_STEPS; i++) {
                if (flock(t->log_fd, LOCK_EX | LOCK_NB) >= 0) {
                        r = read_birth(t);
                        return r == -EBADMSG || r == 0 ? 0 : MIN(r, 0);
                }
                if (errno != EWOULDBLOCK)
                        return -errno;
                r = read_birth(t);
                if (r > 0) {
                        t->pidfd = open_worker(t);
                        return t->pidfd < 0 && t->pidfd != -ESRCH ? t->pidfd : 0;
                }
                if (r < 0)
                        return r;
                /* The last daemon was killed the moment it had forked. */
                (void) nanosleep(&moment, NULL);
        }
        return -ETIMEDOUT;
}

static void load_told(int state_fd, Transfer *t) {
        _cleanup_free_ char *text = NULL;
        char name[NAME_MAX_];

        if (file_read_line(state_fd, name_of(t, ".told", name), &text) >= 0)
                (void) parse_u64(text, 0, UINT64_MAX, &t->told);
}

int transfer_load(int state_fd, const char *name, Transfer **ret, Error *e) {
        _cleanup_(transfer_freep) Transfer *t = NULL;
        uint32_t id;

        if (parse_u32(name, &id) < 0 || id == 0)
                return 0;
        t = transfer_new(id);
        if (!t)
                return error_oom(e);
        int r = transfer_state_read(state_fd, name, t, e);
        if (r < 0)
                return r;
        r = find_worker(state_fd, t);
        if (r < 0)
                return error_set(e, r, "cannot take over transfer %s: %m", name);
        load_told(state_fd, t);
        *ret = TAKE_PTR(t);
        return 1;
}

int transfer_load_ended(int state_fd, const char *name, Transfer **ret, Error *e) {
        _cleanup_(transfer_freep) Transfer *t = NULL;
        _cleanup_free_ char *number = NULL;
        uint32_t id;

        if (!str_has_suffix(name, ".ended"))
                return 0;
        number = strndup(name, strlen(name) - strlen(".ended"));
        if (!number)
                return error_oom(e);
        if (parse_u32(number, &id) < 0 || id == 0)
                return 0;
        t = transfer_new(id);
        if (!t)
                return error_oom(e);
        int r = transfer_state_read(state_fd, name, t, e);
        if (r < 0)
                return r;
        if (t->ended == 0 || t->result == RECORD_PROGRESS)
                return error_set(e, EBADMSG, "transfer %s did not end", name);
        *ret = TAKE_PTR(t);
        return 1;
}

void transfer_sweep(int state_fd, const char *name) {
        static const char *const suffixes[] = { ".log", ".told" };
        /* What was going to replace a file. */
        bool is_left = str_skip_prefix(name, ".#");

        for (size_t i = 0; i < ELEMENTSOF(suffixes) && !is_left; i++) {
                _cleanup_free_ char *number = NULL;

                if (!str_has_suffix(name, suffixes[i]))
                        continue;
                number = strndup(name, strlen(name) - strlen(suffixes[i]));
                is_left = number && faccessat(state_fd, number, F_OK, 0) < 0 && errno == ENOENT;
        }
        if (is_left)
                (void) unlinkat(state_fd, name, 0);
}

int transfer_end(int state_fd, Transfer *t) {
        char name[NAME_MAX_];

        if (t->ended == 0)
                t->ended = wall_usec();
        if (!t->error && streq(transfer_result(t), "failed"))
                t->error = strdup("its process ended without saying why");
        /* A crash in between does no harm: the transfer is found once more, and ends once more. */
        int r = transfer_state_write(state_fd, name_of(t, ".ended", name), t);
        remove_files(state_fd, t);
        t->pidfd = fd_close(t->pidfd);
        t->log_fd = fd_close(t->log_fd);
        buf_done(&t->log);
        return r;
}

void transfer_forget(int state_fd, const Transfer *t) {
        char name[NAME_MAX_];

        (void) unlinkat(state_fd, name_of(t, ".ended", name), 0);
}

/* The next complete line, cut off with a NUL. Return: 1; 0 = not there yet; -errno. */
static int read_line(Transfer *t, char **ret) {
        for (;;) {
                if (buf_reserve(&t->log, RECORD_LINE_MAX) < 0)
                        return -ENOMEM;

                char *start = t->log.p + t->log_end;
                char *newline = memchr(start, '\n', t->log.n - t->log_end);
                if (newline) {
                        *newline = '\0';
                        t->read += (uint64_t) (newline - start) + 1;
                        t->log_end = (size_t) (newline - t->log.p) + 1;
                        *ret = start;
                        return 1;
                }

                t->log.n -= t->log_end;
                memmove(t->log.p, start, t->log.n);
                t->log_end = 0;
                if (t->log.n > RECORD_LINE_MAX)
                        return -EBADMSG;
                ssize_t n = fd_read(t->log_fd, t->log.p + t->log.n,
                                    MIN(t->log.size - t->log.n, (size_t) RECORD_LINE_MAX));
                if (n <= 0)
                        return (int) n;
                t->log.n += (size_t) n;
        }
}

/* Return: 1 others may be told of it; 0 it is for us alone; -ENOMEM. */
static int take_record(Transfer *t, const Record *record) {
        switch (record->type) {
        case RECORD_WORKER:
                return 0;
        case RECORD_PROGRESS:
                t->progress = record->ratio;
                t->done = record->done;
                t->total = record->total;
                return 1;
        case RECORD_PHASE:
                t->phase = record->phase;
                return 1;
        case RECORD_LOG:
                return 1;
        case RECORD_FAILED:
                t->result = record->type;
                return str_replace(&t->error, record->text);
        default:
                t->result = record->type;
                return 0;
        }
}

int transfer_read(Transfer *t, Record *ret) {
        for (;;) {
                Record record;
                char *line = NULL;
                int r = read_line(t, &line);

                if (r <= 0)
                        return r;
                if (record_parse(line, &record) < 0)
                        continue;
                r = take_record(t, &record);
                if (r > 0)
                        *ret = record;
                if (r != 0)
                        return r;
        }
}

bool transfer_was_told(const Transfer *t) {
        return t->read <= t->told;
}

void transfer_tell(int state_fd, Transfer *t) {
        char name[NAME_MAX_], text[32];

        if (t->read <= t->told)
                return;
        t->told = t->read;
        (void) snprintf(text, sizeof text, "%llu\n", (unsigned long long) t->told);
        /* Numbers only grow, so that half a write is the worst that a crash can do to it: told twice. */
        (void) file_write(state_fd, name_of(t, ".told", name), text, O_CREAT | O_NOFOLLOW, 0600);
}

int transfer_cancel(int state_fd, Transfer *t, Error *e) {
        char name[NAME_MAX_];

        t->canceled = true;
        (void) transfer_state_write(state_fd, name_of(t, "", name), t);
        int r = t->pidfd < 0 ? -ESRCH : proc_pidfd_signal(t->pidfd, SIGTERM);
        return r < 0 ? error_set(e, r, "cannot cancel transfer %u: %m", t->id) : 0;
}

void transfer_kill(const Transfer *t) {
        if (t->pidfd >= 0)
                (void) proc_pidfd_signal(t->pidfd, SIGKILL);
}

const char *transfer_result(const Transfer *t) {
        return t->result == RECORD_DONE                      ? "done"
               : t->result == RECORD_CANCELED || t->canceled ? "canceled"
                                                             : "failed";
}
