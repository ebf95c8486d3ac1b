/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sessions, see session.h. This is a worker's whole life; it answers the call as soon as the command runs
 * and stays until the command has ended, if somebody wants to know how. */
#include "machined/session.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/path.h"
#include "machined/guest-bus.h"
#include "machined/joined.h"

/* What the worker has at hand while it sets up. */
typedef struct Session {
        const SessionRequest *request;
        const WorkerOut *out;
        int root_fd;
        int pty; /* master */
        char *pty_path;
        int stdio[3];
        int slave; /* the same as stdio where there is a terminal */
        int status_read, status_write;
} Session;

static void session_done(Session *s) {
        (void) fd_close(s->root_fd);
        (void) fd_close(s->pty);
        (void) fd_close(s->slave);
        (void) fd_close(s->status_read);
        (void) fd_close(s->status_write);
        free(s->pty_path);
}

int session_end_format(const SessionEnd *end, Buf *ret) {
        switch (end->how) {
        case SESSION_EXITED:
                return buf_printf(ret, "exited %d\n", end->number);
        case SESSION_KILLED:
                return buf_printf(ret, "killed %d\n", end->number);
        default:
                return buf_printf(ret, "failed %s\n", end->error.text);
        }
}

static int open_terminal(Session *s, Error *e) {
        s->pty = target_open_pty(&s->request->target, s->root_fd, &s->pty_path, e);
        if (s->pty < 0)
                return s->pty;
        if (s->request->kind != SESSION_SHELL)
                return 0;

        s->slave = ioctl(s->pty, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (s->slave < 0)
                return error_set(e, errno, "cannot open the other end of the terminal: %m");
        for (unsigned i = 0; i < 3; i++)
                s->stdio[i] = s->slave;
        return 0;
}

/* A guest's service manager would report a command that is not there as if it had run. */
static int check_command(const Session *s, Error *e) {
        if (s->request->kind < SESSION_SHELL || !*s->request->path)
                return 0;
        _cleanup_fd_ int fd = path_open_in_root(s->root_fd, s->request->path, O_PATH, 0);
        if (fd < 0)
                return error_set(e, fd, "cannot run %s: %m", s->request->path);
        return 0;
}

static int prepare(Session *s, Error *e) {
        const SessionRequest *request = s->request;
        int r = 0;

        s->root_fd = target_open_root(&request->target, e);
        if (s->root_fd < 0)
                return s->root_fd;
        r = check_command(s, e);
        if (r < 0)
                return r;
        if (request->kind == SESSION_RUN)
                memcpy(s->stdio, request->stdio, sizeof s->stdio);
        else
                r = open_terminal(s, e);
        if (r >= 0 && request->wants_status) {
                int pair[2];
                if (pipe2(pair, O_CLOEXEC) < 0)
                        return error_set(e, errno, "cannot make a pipe: %m");
                s->status_read = pair[0];
                s->status_write = pair[1];
        }
        return r;
}

/* The caller gets its descriptors; we keep none of those that tell when others have closed theirs. */
static int give(Session *s, Error *e) {
        int r = 0;

        if (s->pty >= 0)
                r = handshake_send_fd(s->out->sock, 0, s->pty);
        if (r >= 0 && s->pty_path)
                r = operation_send_text(s->out, s->pty_path, strlen(s->pty_path));
        if (r >= 0 && s->status_read >= 0)
                r = handshake_send_fd(s->out->sock, 1, s->status_read);
        if (r >= 0)
                r = operation_ready(s->out);
        if (r < 0)
                return error_set(e, r, "cannot hand over the session: %m");
        s->pty = fd_close(s->pty);
        s->slave = fd_close(s->slave);
        s->status_read = fd_close(s->status_read);
        if (s->request->kind == SESSION_RUN)
                for (unsigned i = 0; i < 3; i++)
                        (void) fd_close(s->stdio[i]);
        return 0;
}

static void tell_end(Session *s, int r, SessionEnd *end, const Error *e) {
        _cleanup_(buf_done) Buf b = {};

        if (s->status_write < 0)
                return;
        if (r < 0)
                *end = (SessionEnd){ .how = SESSION_FAILED, .error = *e };
        if (session_end_format(end, &b) >= 0)
                (void) !write(s->status_write, b.p, b.n);
}

static int run_on_bus(Session *s, sd_bus *bus, Error *e) {
        _cleanup_free_ char *unit = NULL;
        SessionEnd end;
        int r = s->request->kind == SESSION_LOGIN
                        ? guest_bus_login(bus, s->pty_path, e)
                        : guest_bus_start(bus, s->request, s->stdio, s->pty_path, &unit, e);

        if (r >= 0)
                r = give(s, e);
        if (r < 0 || s->status_write < 0)
                return r;
        Error late = {};
        r = guest_bus_wait(bus, unit, s->status_write, &end, &late);
        tell_end(s, r, &end, &late);
        return 0;
}

/* The worker is not needed after that. */
static int run_joined(Session *s, Error *e) {
        _cleanup_(joined_done) Joined j = JOINED_NULL;
        unsigned number;
        int r = joined_start(s->request, &j, e);

        if (r < 0)
                return r;
        (void) fd_close(s->pty);
        s->pty = TAKE_FD(j.terminal_fd);
        if (s->pty >= 0) {
                free(s->pty_path);
                s->pty_path = ioctl(s->pty, TIOCGPTN, &number) < 0
                                      ? NULL
                                      : str_format("/dev/pts/%u", number);
                if (!s->pty_path)
                        return error_set(e, EIO, "cannot tell the number of the terminal");
        }
        (void) fd_close(s->status_read);
        s->status_read = TAKE_FD(j.control_fd);
        s->status_write = fd_close(s->status_write);
        return give(s, e);
}

int session_work(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(session_done) Session s = { .request = arg,
                                              .out = out,
                                              .root_fd = -EBADF,
                                              .pty = -EBADF,
                                              .slave = -EBADF,
                                              .status_read = -EBADF,
                                              .status_write = -EBADF };
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        if (s.request->joins)
                return run_joined(&s, e);
        int r = prepare(&s, e);

        if (r < 0)
                return r;
        if (s.request->kind == SESSION_PTY)
                return give(&s, e);

        r = guest_bus_open(&s.request->target, s.root_fd, &bus, e);
        if (r == -ENOENT && s.request->kind != SESSION_LOGIN) {
                if (e)
                        *e = (Error){};
                return run_joined(&s, e);
        }
        return r < 0 ? r : run_on_bus(&s, bus, e);
}
