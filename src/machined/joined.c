/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Joining machines, see joined.h. A worker is in the daemon's sandbox, with system call filters that nobody
 * gets rid of; so all that is done here is to ask somebody who is not. A daemon that
 * was started by hand, or by a user, has nobody to ask and starts skep-join for the one request. */
#include "machined/joined.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/aide.h"
#include "base/join-call.h"
#include "base/path.h"
#include "bus/code.h"
#include "paths.h"

void joined_done(Joined *j) {
        j->terminal_fd = fd_close(j->terminal_fd);
        j->control_fd = fd_close(j->control_fd);
}

static _noreturn_ void become_helper(const char *path, int sock) {
        char *const argv[] = { (char *) path, (char *) "--once", NULL };
        int fd = fcntl(sock, F_DUPFD, 10), null = open("/dev/null", O_RDWR | O_CLOEXEC);

        (void) setsid();
        for (int i = 0; i < 3 && null >= 0; i++)
                (void) dup2(null, i);
        if (fd >= 0 && dup2(fd, AIDE_SOCKET) >= 0 &&
            close_range(AIDE_SOCKET + 1, ~0U, CLOSE_RANGE_CLOEXEC) >= 0)
                (void) execv(path, argv);
        _exit(127);
}

/* It is nobody's child: whoever asked may be gone long before the command is. */
static int start_helper(Error *e) {
        const char *dir = secure_getenv("SKEP_LIBEXECDIR");
        _cleanup_free_ char *path = path_join(dir ? dir : SKEP_LIBEXECDIR, "skep-join");
        int pair[2];

        if (!path)
                return error_oom(e);
        int r = handshake_pair(pair);
        if (r < 0)
                return error_set(e, r, "cannot make a socket: %m");
        pid_t pid = fork();
        if (pid == 0)
                become_helper(path, pair[1]);
        if (pid < 0)
                r = error_set(e, errno, "cannot fork: %m");
        (void) close(pair[1]);
        if (r < 0)
                (void) close(pair[0]);
        return r < 0 ? r : pair[0];
}

static int open_helper(Error *e) {
        const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = JOIN_CALL_SOCKET };
        _cleanup_fd_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (sock < 0)
                return error_set(e, errno, "cannot make a socket: %m");
        if (connect(sock, (const struct sockaddr *) &address, sizeof address) >= 0)
                return TAKE_FD(sock);
        if (errno != ENOENT && errno != ECONNREFUSED && errno != EACCES)
                return error_set(e, errno, "cannot ask %s: %m", JOIN_CALL_SOCKET);
        /* In the sandbox of the system's unit it could not do its work. */
        if (geteuid() == 0 && secure_getenv("INVOCATION_ID"))
                return error_set(e, errno, "cannot ask %s: %m (is skep-join.socket started?)",
                                 JOIN_CALL_SOCKET);
        return start_helper(e);
}

static int send_text(int sock, const SessionRequest *request, Error *e) {
        const JoinCall call = {
                .machine = (char *) request->target.name,
                .leader = request->target.pid,
                .user = (char *) request->user,
                .cwd = (char *) request->cwd,
                .command = request->args,
                .program = request->args && request->args[0] && *request->path
                                   ? (char *) request->path
                                   : NULL,
                .environment = request->environment,
                .terminal = request->kind == SESSION_SHELL,
                .rows = request->rows,
                .columns = request->columns,
                .at_home = !request->joins,
        };
        char *alone[] = { (char *) request->path, NULL };
        JoinCall with_path = call;
        _cleanup_(buf_done) Buf b = {};

        if (*request->path && !call.program)
                with_path.command = alone;
        _cleanup_fd_ int fd = memfd_create("skep-join", MFD_CLOEXEC);
        int r = fd < 0 ? -errno : join_call_format(&with_path, &b);
        if (r >= 0 && b.n > JOIN_CALL_TEXT_MAX)
                return error_set(e, E2BIG, "the command is too long");
        if (r >= 0)
                r = fd_write_all(fd, b.p, b.n);
        if (r >= 0)
                r = handshake_send_fd(sock, JOIN_CALL_TEXT, fd);
        return r < 0 ? error_set(e, r, "cannot send the request: %m") : 0;
}

static int ask(int sock, int control, const SessionRequest *request, Error *e) {
        int r = send_text(sock, request, e);

        if (r < 0)
                return r;
        for (unsigned i = 0; i < 3 && r >= 0 && request->kind == SESSION_RUN; i++)
                r = handshake_send_fd(sock, JOIN_CALL_STDIN + i, request->stdio[i]);
        if (r >= 0)
                r = handshake_send_fd(sock, JOIN_CALL_LEADER, request->target.pidfd);
        if (r >= 0 && control >= 0)
                r = handshake_send_fd(sock, JOIN_CALL_CONTROL, control);
        if (r >= 0)
                r = handshake_send_phase(sock, JOIN_CALL_SENT);
        /* It may have answered already that it will not. */
        return r < 0 && r != -EPIPE ? error_set(e, r, "cannot send the request: %m") : 0;
}

static int failed(const SessionRequest *request, const HandshakeMessage *m, uint64_t status,
                  Error *e) {
        int code = m->error.code;

        if (request->joins && status == 127)
                code = -ERR_COMMAND_NOT_FOUND;
        else if (request->joins && status == 126)
                code = -ERR_COMMAND_NOT_EXECUTABLE;
        return error_set(e, -code, "%s", m->error.text);
}

/* Return: 0 the command runs; -errno. */
static int hear(int sock, const SessionRequest *request, Joined *j, Error *e) {
        uint64_t status = 0;

        for (;;) {
                HandshakeMessage m;
                int r = handshake_receive(sock, &m);

                /* It has hung up before it had read all; what it said comes after that. */
                if (r == -ECONNRESET)
                        r = handshake_receive(sock, &m);
                if (r <= 0)
                        return error_set(e, r < 0 ? r : EIO, "skep-join ended without an answer");
                switch (m.type) {
                case HANDSHAKE_FD:
                        (void) fd_close(j->terminal_fd);
                        j->terminal_fd = m.fd;
                        break;
                case HANDSHAKE_ID:
                        status = m.value;
                        break;
                case HANDSHAKE_ERROR:
                        return failed(request, &m, status, e);
                default:
                        return 0;
                }
        }
}

int joined_start(const SessionRequest *request, Joined *ret, Error *e) {
        _cleanup_(joined_done) Joined j = JOINED_NULL;
        _cleanup_fd_ int sock = open_helper(e), theirs = -EBADF;
        int pair[2];

        if (sock < 0)
                return sock;
        if (request->wants_status) {
                if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                        return error_set(e, errno, "cannot make a socket: %m");
                j.control_fd = pair[0];
                theirs = pair[1];
        }
        int r = ask(sock, theirs, request, e);
        theirs = fd_close(theirs);
        if (r >= 0)
                r = hear(sock, request, &j, e);
        if (r < 0)
                return r;
        *ret = j;
        j = JOINED_NULL;
        return 0;
}
