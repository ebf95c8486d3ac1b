/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries standard input, output and error to and from a command, see streams.h. The way with a terminal
 * is app/pty-forward.c. */
#include "ctl/streams.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/text.h"

#define STREAM_BUFFER ((size_t) 64 * 1024)
/* How long output may stay away after the command has ended, while something it left behind still
 * holds the pipe. */
#define LINGER_USEC UINT64_C(300000)

static bool is_anonymous_pipe(int fd) {
        struct statfs fs;
        struct stat st;

        return fstat(fd, &st) >= 0 && S_ISFIFO(st.st_mode) && fstatfs(fd, &fs) >= 0 &&
               fs.f_type == PIPEFS_MAGIC;
}

static int stream_init(Stream *s, int ours) {
        int p[2], in = ours == STDIN_FILENO;

        *s = (Stream){ .ours = ours, .near = -EBADF, .far = -EBADF };
        if (is_anonymous_pipe(ours)) {
                s->far = fcntl(ours, F_DUPFD_CLOEXEC, 3);
                return s->far < 0 ? -errno : 0;
        }
        if (in) {
                s->data = malloc(STREAM_BUFFER);
                if (!s->data)
                        return -ENOMEM;
        }
        if (pipe2(p, O_CLOEXEC) < 0)
                return -errno;
        s->near = p[in];
        s->far = p[!in];
        return fd_set_nonblock(s->near, true);
}

int streams_init(Streams *s, Error *e) {
        s->signals_fd = -EBADF;
        for (int i = 0; i < 3; i++)
                s->v[i] = (Stream){ .ours = i, .near = -EBADF, .far = -EBADF };
        for (int i = 0; i < 3; i++) {
                int r = stream_init(s->v + i, i);
                if (r < 0)
                        return error_set(e, r, "cannot make a pipe to the command: %m");
        }
        return 0;
}

void streams_close_far(Streams *s) {
        for (int i = 0; i < 3; i++)
                s->v[i].far = fd_close(s->v[i].far);
}

void streams_done(Streams *s) {
        s->signals_fd = fd_close(s->signals_fd);
        streams_close_far(s);
        for (int i = 0; i < 3; i++) {
                s->v[i].near = fd_close(s->v[i].near);
                free(s->v[i].data);
                s->v[i].data = NULL;
        }
}

static void stream_close(Stream *s) {
        s->near = fd_close(s->near);
}

/* Input: read when there is nothing left to write, write when there is. */
static void carry_in(Stream *s, bool readable, bool writable) {
        ssize_t n;

        if (readable && s->n == 0 && !s->ended) {
                n = read(s->ours, s->data, STREAM_BUFFER);
                if (n < 0 && (errno == EINTR || errno == EAGAIN))
                        return;
                s->at = 0;
                s->n = n > 0 ? (size_t) n : 0;
                s->ended = n <= 0;
                writable = true;
        }
        if (writable && s->n > 0) {
                n = write(s->near, s->data + s->at, s->n);
                if (n >= 0) {
                        s->at += (size_t) n;
                        s->n -= (size_t) n;
                } else if (errno != EAGAIN && errno != EINTR)
                        stream_close(s); /* it does not listen any more */
        }
        if (s->ended && s->n == 0)
                stream_close(s);
}

/* Output: what can be had is written at once; a reader of ours who is slow holds everything up, as it
 * would hold up the command itself. Return: whether something came. */
static bool carry_out(Stream *s) {
        char data[16384];
        ssize_t n = read(s->near, data, sizeof(data));

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0 || fd_write_all(s->ours, data, (size_t) n) < 0)
                stream_close(s);
        return n > 0;
}

enum {
        POLL_IN_OURS,
        POLL_IN_NEAR,
        POLL_OUT,
        POLL_ERR,
        POLL_STATUS,
        POLL_SIGNALS,
        _POLL_MAX,
};

static void fill(const Streams *s, int status_fd, struct pollfd fds[static _POLL_MAX]) {
        const Stream *in = s->v;
        bool want_read = in->near >= 0 && in->n == 0 && !in->ended && status_fd >= 0;

        fds[POLL_IN_OURS] = (struct pollfd){ .fd = want_read ? in->ours : -1, .events = POLLIN };
        /* With no events asked for, the end of the reader still shows as POLLERR. */
        fds[POLL_IN_NEAR] = (struct pollfd){ .fd = status_fd >= 0 ? in->near : -1,
                                             .events = in->n > 0 ? POLLOUT : 0 };
        fds[POLL_OUT] = (struct pollfd){ .fd = s->v[1].near, .events = POLLIN };
        fds[POLL_ERR] = (struct pollfd){ .fd = s->v[2].near, .events = POLLIN };
        fds[POLL_STATUS] = (struct pollfd){ .fd = status_fd, .events = POLLIN };
        fds[POLL_SIGNALS] = (struct pollfd){ .fd = s->signals_fd, .events = POLLIN };
}

/* Return: whether output came. */
static bool carry(Streams *s, const struct pollfd fds[static _POLL_MAX]) {
        Stream *in = s->v;
        bool came = false;

        if (fds[POLL_IN_NEAR].revents & POLLERR)
                stream_close(in);
        else if (in->near >= 0 && (fds[POLL_IN_OURS].revents || fds[POLL_IN_NEAR].revents))
                carry_in(in, fds[POLL_IN_OURS].revents != 0, fds[POLL_IN_NEAR].revents & POLLOUT);
        for (int i = 1; i < 3; i++)
                if (fds[POLL_OUT + i - 1].revents && carry_out(s->v + i))
                        came = true;
        return came;
}

static void pass_signal(const Streams *s, int status_fd) {
        struct signalfd_siginfo si;

        while (read(s->signals_fd, &si, sizeof(si)) == sizeof(si))
                if (status_fd >= 0)
                        (void) dprintf(status_fd, "signal %u\n", si.ssi_signo);
}

int streams_run(Streams *s, int status_fd, char *text, size_t size, Error *e) {
        struct pollfd fds[_POLL_MAX];
        uint64_t last = 0;
        size_t n_text = 0;

        while (status_fd >= 0 || s->v[1].near >= 0 || s->v[2].near >= 0) {
                uint64_t now = now_usec();

                if (status_fd < 0 && now >= last + LINGER_USEC)
                        break;
                fill(s, status_fd, fds);
                int timeout = status_fd >= 0 ? -1 : (int) ((last + LINGER_USEC - now) / 1000 + 1);
                if (poll(fds, _POLL_MAX, timeout) < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot wait for the command: %m");

                if (carry(s, fds))
                        last = now_usec();
                if (fds[POLL_SIGNALS].revents)
                        pass_signal(s, status_fd);
                if (fds[POLL_STATUS].revents) {
                        ssize_t n = read(status_fd, text + n_text, size - 1 - n_text);

                        if (n > 0)
                                n_text += (size_t) n;
                        else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
                                status_fd = -1;
                                last = now_usec();
                                stream_close(s->v);
                        }
                }
        }
        text[n_text] = 0;
        return 0;
}

int exit_status_parse(const char *text, Error *e) {
        size_t n = strcspn(text, "\n");
        _cleanup_free_ char *one = strndup(text, n);
        const char *value;
        uint64_t v;

        if (!one)
                return error_oom(e);
        if ((value = str_skip_prefix(one, "exited ")) && parse_u64(value, 0, 255, &v) >= 0)
                return (int) v;
        if ((value = str_skip_prefix(one, "killed ")) && parse_u64(value, 1, 64, &v) >= 0)
                return 128 + (int) v;
        if ((value = str_skip_prefix(one, "failed ")) && *value)
                return error_set(e, EIO, "%s", value);
        return error_set(e, EPROTO,
                         "the connection to the command broke, its exit status is not known");
}
