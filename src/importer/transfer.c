/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transfers and their files, see transfer.h. Knows neither bus nor event loop. */
#include "importer/transfer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/proc.h"

#define LOG_NAME_MAX 32

static const char *log_name(uint32_t id, char buffer[static LOG_NAME_MAX]) {
        (void) snprintf(buffer, LOG_NAME_MAX, "%u.log", id);
        return buffer;
}

Transfer *transfer_free(Transfer *t) {
        if (!t)
                return NULL;
        free(t->local);
        (void) fd_close(t->pidfd);
        (void) fd_close(t->log_fd);
        buf_done(&t->log);
        free(t);
        return NULL;
}

static Transfer *transfer_new(uint32_t id, ImageClass class, const char *local) {
        Transfer *t = calloc(1, sizeof *t);

        if (!t)
                return NULL;
        *t = (Transfer){
                .id = id,
                .class = class,
                .local = strdup(local),
                .pidfd = -EBADF,
                .progress = -1,
                .done = RECORD_UNKNOWN,
                .total = RECORD_UNKNOWN,
                .log_fd = -EBADF,
        };
        return t->local ? t : transfer_free(t);
}

static int save(int state_fd, const Transfer *t) {
        _cleanup_free_ char *local = str_escape(t->local, "\"");
        _cleanup_(buf_done) Buf b = {};
        char name[LOG_NAME_MAX];
        int r = local ? 0 : -ENOMEM;

        if (r >= 0)
                r = buf_printf(&b, "LOCAL=%s\nCLASS=%s\nPID=%d\nCANCELED=%d\n", local,
                               image_class_name(t->class), t->pid, t->canceled);
        (void) snprintf(name, sizeof name, "%u", t->id);
        return r < 0 ? r : file_write_atomic(state_fd, name, b.p, b.n, 0600);
}

static int start_worker(int state_fd, Transfer *t, TransferFlags flags, int source_fd, Error *e) {
        _cleanup_free_ char *directory = NULL;
        _cleanup_strv_ char **argv = NULL;
        _cleanup_fd_ int log_fd = -EBADF;
        char name[LOG_NAME_MAX];
        int r = image_class_directory(t->class, &directory, e);

        if (r < 0)
                return r;
        if (strv_append(&argv, "--report=3") < 0 ||
            strv_append_format(&argv, "--image-root=%s", directory) < 0 ||
            ((flags & TRANSFER_FORCE) && strv_append(&argv, "--force") < 0) ||
            ((flags & TRANSFER_READ_ONLY) && strv_append(&argv, "--read-only") < 0) ||
            strv_append(&argv, "--") < 0 || strv_append(&argv, "import-tar") < 0 ||
            strv_append(&argv, "-") < 0 || strv_append(&argv, t->local) < 0)
                return error_oom(e);

        log_fd = openat(state_fd, log_name(t->id, name),
                        O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (log_fd < 0 || flock(log_fd, LOCK_EX | LOCK_NB) < 0)
                return error_set(e, errno, "cannot make the log of a transfer: %m");
        t->log_fd = openat(state_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (t->log_fd < 0)
                return error_set(e, errno, "cannot read the log of a transfer: %m");
        return worker_start(argv, source_fd, log_fd, &t->pid, &t->pidfd, e);
}

int transfer_start(int state_fd, uint32_t id, ImageClass class, const char *local,
                   TransferFlags flags, int source_fd, Transfer **ret, Error *e) {
        _cleanup_(transfer_freep) Transfer *t = transfer_new(id, class, local);
        int r;

        if (!t)
                return error_oom(e);
        r = start_worker(state_fd, t, flags, source_fd, e);
        if (r >= 0) {
                r = save(state_fd, t);
                if (r < 0) {
                        (void) proc_pidfd_signal(t->pidfd, SIGTERM);
                        (void) error_set(e, r, "cannot note down a transfer: %m");
                }
        }
        if (r < 0) {
                transfer_remove(state_fd, t);
                return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

/* Takes one line of a transfer's file. Unknown keys are those of a later version. */
static int load_line(Transfer *t, char *line) {
        char *value = strchr(line, '=');
        int r = 0;

        if (!value)
                return -EBADMSG;
        *value++ = '\0';
        if (streq(line, "LOCAL")) {
                free(t->local);
                t->local = NULL;
                r = str_unescape(value, &t->local);
        } else if (streq(line, "CLASS")) {
                t->class = image_class_parse(value);
                r = t->class < 0 ? -EBADMSG : 0;
        } else if (streq(line, "PID"))
                r = parse_pid(value, &t->pid);
        else if (streq(line, "CANCELED"))
                r = parse_bool(value, &t->canceled);
        return r;
}

/* The worker holds a lock on its log. While that is held, the PID is the worker's and no other's. */
static int find_worker(int state_fd, Transfer *t) {
        char name[LOG_NAME_MAX];
        _cleanup_fd_ int pidfd = proc_pidfd_open(t->pid);

        t->log_fd = openat(state_fd, log_name(t->id, name), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (t->log_fd < 0)
                return -errno;
        if (flock(t->log_fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return -errno;
                t->pidfd = TAKE_FD(pidfd);
        }
        return 0;
}

int transfer_load(int state_fd, const char *name, Transfer **ret, Error *e) {
        _cleanup_(transfer_freep) Transfer *t = NULL;
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        uint32_t id;
        int r;

        if (parse_u32(name, &id) < 0 || id == 0)
                return 0;
        t = transfer_new(id, IMAGE_CLASS_MACHINE, "");
        if (!t)
                return error_oom(e);
        r = file_read(state_fd, name, 64 * 1024, &text, NULL);
        if (r >= 0)
                r = str_split(text, "\n", &lines);
        if (r < 0)
                return error_set(e, r, "cannot read the state of transfer %s: %m", name);

        STRV_FOREACH(line, lines) {
                r = load_line(t, *line);
                if (r < 0)
                        return error_set(e, EBADMSG, "the state of transfer %s makes no sense",
                                         name);
        }
        r = t->pid > 0 && t->local[0] ? find_worker(state_fd, t) : -EBADMSG;
        if (r < 0)
                return error_set(e, r, "cannot take over transfer %s: %m", name);

        *ret = TAKE_PTR(t);
        return 1;
}

void transfer_remove(int state_fd, const Transfer *t) {
        char name[LOG_NAME_MAX];

        (void) unlinkat(state_fd, log_name(t->id, name), 0);
        (void) snprintf(name, sizeof name, "%u", t->id);
        (void) unlinkat(state_fd, name, 0);
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

int transfer_read(Transfer *t, Record *ret) {
        for (;;) {
                Record record;
                char *line = NULL;
                int r = read_line(t, &line);

                if (r <= 0)
                        return r;
                if (record_parse(line, &record) < 0)
                        continue;
                if (record.type == RECORD_PROGRESS) {
                        t->progress = record.ratio;
                        t->done = record.done;
                        t->total = record.total;
                } else if (record.type == RECORD_PHASE)
                        t->phase = record.phase;
                else if (record.type != RECORD_LOG) {
                        t->result = record.type;
                        continue;
                }
                *ret = record;
                return 1;
        }
}

int transfer_cancel(int state_fd, Transfer *t, Error *e) {
        t->canceled = true;
        (void) save(state_fd, t);
        int r = t->pidfd < 0 ? -ESRCH : proc_pidfd_signal(t->pidfd, SIGTERM);
        return r < 0 ? error_set(e, r, "cannot cancel transfer %u: %m", t->id) : 0;
}

const char *transfer_result(const Transfer *t) {
        return t->result == RECORD_DONE                      ? "done"
               : t->result == RECORD_CANCELED || t->canceled ? "canceled"
                                                             : "failed";
}
