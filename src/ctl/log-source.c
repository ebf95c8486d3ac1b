/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that read journals, see log-source.h. A record is a time, a length and a text; one of length 0
 * says that what follows has happened since. */
#include "ctl/log-source.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>
#include <time.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/fd.h"
#include "ctl/journal.h"

#define NOBODY    65534
#define WAIT_MSEC 200
#define CHUNK     (64 * 1024)

typedef struct Head {
        JournalTime at;
        uint64_t n;
} Head;

static int tell(int fd, const JournalTime *at, const char *text, size_t n) {
        const Head h = { *at, n };
        int r = fd_write_all(fd, &h, sizeof h);

        return r < 0 || n == 0 ? r : fd_write_all(fd, text, n);
}

static int seek_end(sd_journal *j, const LogRequest *q) {
        return q->until_usec > 0 ? sd_journal_seek_realtime_usec(j, q->until_usec + 1)
                                 : sd_journal_seek_tail(j);
}

/* Go to where the telling begins: behind what is not wanted. Return: as sd_journal_next(). */
static int begin(sd_journal *j, const LogRequest *q) {
        uint64_t at;
        int r;

        if (q->lines == 0) {
                r = sd_journal_seek_tail(j);
                /* At the last one; the next is new. */
                return r < 0 ? r : (r = sd_journal_previous(j)) < 0 ? r : sd_journal_next(j);
        }
        if (q->lines == UINT_MAX) {
                r = q->since_usec > 0 ? sd_journal_seek_realtime_usec(j, q->since_usec)
                                      : sd_journal_seek_head(j);
                return r < 0 ? r : sd_journal_next(j);
        }
        r = seek_end(j, q);
        if (r >= 0)
                r = sd_journal_previous_skip(j, q->lines);
        while (r > 0 && q->since_usec > 0 && sd_journal_get_realtime_usec(j, &at) >= 0 &&
               at < q->since_usec)
                r = sd_journal_next(j);
        return r;
}

/* Tells all there is, and what comes. */
static int run(sd_journal *j, const LogRequest *q, bool has_events, int out) {
        int r = begin(j, q);

        for (bool is_current = false; r >= 0;) {
                for (; r > 0; r = sd_journal_next(j)) {
                        _cleanup_(buf_done) Buf text = {};
                        JournalTime at;

                        r = journal_format_entry(j, q->mode, &at, &text);
                        if (r >= 0 && q->until_usec > 0 && at.realtime > q->until_usec)
                                return 0;
                        if (r >= 0 && text.n > 0 && text.n <= LOG_ENTRY_MAX)
                                r = tell(out, &at, text.p, text.n);
                        if (r < 0)
                                return r;
                }
                if (r < 0 || !q->follow)
                        return r;
                if (!is_current && (r = tell(out, &(JournalTime){}, NULL, 0)) < 0)
                        return r;
                is_current = true;
                if (has_events)
                        (void) sd_journal_wait(j, (uint64_t) -1);
                else
                        (void) poll(NULL, 0, WAIT_MSEC);
                r = sd_journal_next(j);
        }
        return r;
}

/* What reading files that are open already takes. */
static const ConfineCall calls[] = {
        { SYS_read, 0 },          { SYS_write, 0 },  { SYS_pread64, 0 }, { SYS_lseek, 0 },
        { SYS_close, 0 },         { SYS_futex, 0 },  { SYS_fcntl, 0 },   { SYS_ppoll, 0 },
        { SYS_clock_gettime, 0 }, { SYS_gettid, 0 }, { SYS_getpid, 0 },
#ifdef SYS_poll
        { SYS_poll, 0 },
#endif
#ifdef SYS__llseek
        { SYS__llseek, 0 },
#endif
#ifdef SYS_fcntl64
        { SYS_fcntl64, 0 },
#endif
#ifdef SYS_fstat
        { SYS_fstat, 0 },
#endif
#ifdef SYS_fstat64
        { SYS_fstat64, 0 },
#endif
#ifdef SYS_fstatfs
        { SYS_fstatfs, 0 },
#endif
#ifdef SYS_fstatfs64
        { SYS_fstatfs64, 0 },
#endif
#ifdef SYS_newfstatat
        { SYS_newfstatat, 0 },
#endif
#ifdef SYS_statx
        { SYS_statx, 0 },
#endif
};

/* From here on the process has the files and the pipe. */
static int give_up_all(Error *e) {
        static const char *const compressors[] = { "libzstd.so.1", "liblz4.so.1", "liblzma.so.5" };

        /* What libsystemd may load when it meets a compressed field, and the time zone. */
        for (size_t i = 0; i < ELEMENTSOF(compressors); i++)
                (void) dlopen(compressors[i], RTLD_NOW | RTLD_GLOBAL);
        tzset();

        int r = confine_privileges(e);
        if (r >= 0 && geteuid() == 0 &&
            (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
             setresuid(NOBODY, NOBODY, NOBODY) < 0))
                r = error_set(e, errno, "cannot become nobody: %m");
        if (r >= 0)
                r = confine_capabilities(0, e);
        if (r >= 0)
                r = confine_paths(-EBADF, e);
        return r < 0 ? r : confine_calls(calls, ELEMENTSOF(calls), e);
}

static int match_unit(sd_journal *j, const char *unit) {
        static const struct {
                const char *field, *with;
        } fields[] = {
                { "_SYSTEMD_UNIT", NULL },
                { "UNIT", "_PID=1" },
                { "OBJECT_SYSTEMD_UNIT", "_UID=0" },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(fields) && r >= 0; i++) {
                _cleanup_free_ char *s = str_format("%s=%s", fields[i].field, unit);

                r = s ? sd_journal_add_match(j, s, 0) : -ENOMEM;
                if (r >= 0 && fields[i].with)
                        r = sd_journal_add_match(j, fields[i].with, 0);
                if (r >= 0)
                        r = sd_journal_add_disjunction(j);
        }
        return r;
}

static int read_units(char *const *units, const LogRequest *q, int out) {
        sd_journal *j;
        int r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY);

        STRV_FOREACH(unit, units)
                r = r < 0 ? r : match_unit(j, *unit);
        return r < 0 ? r : run(j, q, true, out);
}

/* Whether a file is one that libsystemd can read: one that is not would keep it from all others. */
static bool is_journal(int fd) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        sd_journal *j = NULL;
        bool is = copy >= 0 && sd_journal_open_files_fd(&j, &copy, 1, 0) >= 0;

        sd_journal_close(j);
        (void) fd_close(copy);
        return is;
}

static int read_files(const int *fds, size_t n, const LogRequest *q, int out) {
        int good[LOG_SOURCE_FILES_MAX];
        unsigned n_good = 0;
        sd_journal *j;
        int r = give_up_all(NULL);

        for (size_t i = 0; i < n && r >= 0; i++)
                if (is_journal(fds[i]))
                        good[n_good++] = fds[i];
        if (r < 0 || n_good == 0)
                return r;
        r = sd_journal_open_files_fd(&j, good, n_good, 0);
        return r < 0 ? r : run(j, q, false, out);
}

/* Return: 0 in the child, with the end of a pipe in @ret_out; the PID in the parent; -errno. */
static pid_t start(const LogRequest *q, LogSource *ret, int *ret_out, Error *e) {
        int pipes[2];

        if (pipe2(pipes, O_CLOEXEC) < 0)
                return error_set(e, errno, "cannot make a pipe: %m");
        pid_t pid = fork();
        if (pid < 0) {
                int r = error_set(e, errno, "cannot fork: %m");

                (void) close(pipes[0]);
                (void) close(pipes[1]);
                return r;
        }
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) close(pipes[0]);
                *ret_out = pipes[1];
                return 0;
        }
        (void) close(pipes[1]);
        (void) fd_set_nonblock(pipes[0], true);
        *ret = (LogSource){ .pid = pid, .fd = pipes[0], .is_binary = streq(q->mode, "export") };
        return pid;
}

int log_source_open_units(char *const *units, const LogRequest *q, LogSource *ret, Error *e) {
        int out;
        pid_t pid = start(q, ret, &out, e);

        if (pid == 0)
                _exit(read_units(units, q, out) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
        return pid < 0 ? (int) pid : 0;
}

int log_source_open_files(const int *fds, size_t n, const LogRequest *q, LogSource *ret, Error *e) {
        int out;

        assert_se(n > 0 && n <= LOG_SOURCE_FILES_MAX);
        pid_t pid = start(q, ret, &out, e);
        if (pid == 0) {
                int keep[LOG_SOURCE_FILES_MAX + 1];

                memcpy(keep, fds, n * sizeof *fds);
                keep[n] = out;
                _exit(fd_close_range_except(keep, n + 1) < 0 || read_files(fds, n, q, out) < 0
                              ? EXIT_FAILURE
                              : EXIT_SUCCESS);
        }
        return pid < 0 ? (int) pid : 0;
}

/* Whoever reads files of a machine may have been made to say anything: not what drives a terminal. */
static void make_harmless(char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (((unsigned char) s[i] < ' ' && s[i] != '\n' && s[i] != '\t' &&
                     !(s[i] == '\x1e' && i == 0)) ||
                    s[i] == '\x7f')
                        s[i] = '?';
}

/* Return: 1 a record was complete; 0 it is not; -EBADMSG; -ENOMEM. */
static int take_record(LogSource *s) {
        Head h;

        if (s->pending.n < sizeof h)
                return 0;
        memcpy(&h, s->pending.p, sizeof h);
        if (h.n > LOG_ENTRY_MAX)
                return -EBADMSG;
        if (s->pending.n < sizeof h + h.n)
                return 0;
        if (h.n == 0)
                s->is_current = true;
        else {
                s->next = (LogEntry){ h.at, malloc((size_t) h.n), (size_t) h.n };
                if (!s->next.text)
                        return -ENOMEM;
                memcpy(s->next.text, s->pending.p + sizeof h, s->next.n);
                if (!s->is_binary)
                        make_harmless(s->next.text, s->next.n);
        }
        s->pending.n -= sizeof h + (size_t) h.n;
        memmove(s->pending.p, s->pending.p + sizeof h + h.n, s->pending.n);
        return 1;
}

int log_source_read(LogSource *s) {
        char buffer[CHUNK];

        while (!s->next.text) {
                int r = take_record(s);
                if (r != 0)
                        return r;
                if (s->fd < 0)
                        return 1;
                ssize_t n = read(s->fd, buffer, sizeof buffer);
                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                if (n == 0)
                        s->fd = fd_close(s->fd);
                else if (buf_append(&s->pending, buffer, (size_t) n) < 0)
                        return -ENOMEM;
        }
        return 1;
}

LogEntry log_source_take(LogSource *s) {
        LogEntry entry = s->next;

        s->next = (LogEntry){};
        return entry;
}

bool log_source_done(LogSource *s) {
        bool was_reading = s->fd >= 0;
        int status = 0;

        if (s->pid > 0) {
                if (was_reading)
                        (void) kill(s->pid, SIGKILL);
                (void) waitpid(s->pid, &status, 0);
        }
        (void) fd_close(s->fd);
        buf_done(&s->pending);
        free(s->next.text);
        *s = (LogSource){ .fd = -EBADF };
        return was_reading || status == 0;
}
