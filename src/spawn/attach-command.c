/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-spawn --attach=: the side of lending a console that comes along, see attach.h. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "app/pty-forward.h"
#include "app/report.h"
#include "base/handshake.h"
#include "base/name.h"
#include "base/path.h"
#include "base/proc.h"
#include "spawn/attach.h"
#include "spawn/runtime.h"

/* How long a keeper has to make its socket. */
#define CONNECT_USEC ((uint64_t) 3 * 1000000)
#define ANSWER_USEC  ((uint64_t) 3 * 1000000)

static int connect_once(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path));
        if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* What an earlier keeper of that name left refuses, until this one takes its place. */
static int connect_to(const char *path, int keeper) {
        const uint64_t until = now_usec() + CONNECT_USEC;

        for (useconds_t pause = 500;; pause = MIN(pause * 2, (useconds_t) 50000)) {
                int fd = connect_once(path);
                if (fd != -ENOENT && fd != -ECONNREFUSED)
                        return fd;
                if (!proc_pidfd_is_alive(keeper))
                        return -ESRCH;
                if (now_usec() > until)
                        return -ETIMEDOUT;
                (void) usleep(pause);
        }
}

/* Return: the keeper's pidfd, once it is one that understands us; -errno. */
static int find_keeper(const char *machine, pid_t *ret_leader, Error *e) {
        pid_t pid, again;
        int r = runtime_find(machine, &pid, NULL);

        if (r == -ENOENT)
                return error_set(e, ENXIO, "no machine '%s' of skep-spawn is running", machine);
        if (r < 0)
                return error_set(e, r, "cannot look for machine '%s': %m", machine);
        _cleanup_fd_ int pidfd = proc_pidfd_open(pid);
        if (pidfd < 0 || runtime_find(machine, &again, NULL) < 0 || again != pid)
                return error_set(e, ESRCH, "machine '%s' is just ending", machine);
        /* Whoever does not wait for the signal would die of it. */
        if (runtime_leader(pid, ret_leader) < 0 || proc_takes_signal(pid, ATTACH_SIGNAL) != 1)
                return error_set(e, EAGAIN, "machine '%s' is just starting", machine);
        return TAKE_FD(pidfd);
}

/* One that starts, or reboots, is there in a moment. */
static int await_keeper(const char *machine, pid_t *ret_leader, Error *e) {
        const uint64_t until = now_usec() + CONNECT_USEC;

        for (;;) {
                int fd = find_keeper(machine, ret_leader, e);
                if (fd != -EAGAIN || now_usec() > until)
                        return fd;
                if (e)
                        *e = (Error){};
                (void) usleep(20000);
        }
}

static int ask_for_console(const char *machine, int keeper, int *ret_sock, int *ret_console,
                           Error *e) {
        _cleanup_free_ char *path = path_join(ATTACH_DIR, machine);

        if (!path)
                return error_oom(e);
        int r = proc_pidfd_signal(keeper, ATTACH_SIGNAL);
        _cleanup_fd_ int sock = r < 0 ? r : connect_to(path, keeper);
        if (sock < 0)
                return error_set(e, sock, "cannot reach who keeps machine '%s': %m", machine);
        if (fd_wait(sock, POLLIN, ANSWER_USEC) == 0)
                return error_set(e, ETIMEDOUT, "who keeps machine '%s' does not answer", machine);
        r = handshake_expect(sock, HANDSHAKE_FD, 0, ret_console, NULL, e);
        if (r < 0)
                return r == -EPIPE ? error_set(e, EPERM, "who keeps machine '%s' refuses", machine)
                                   : error_wrap(e, r, "machine '%s'", machine);
        *ret_sock = TAKE_FD(sock);
        return 0;
}

/* Where lines end in "\n" alone for a file, they would not on a screen. Return: whether it was so. */
static bool set_line_ends(int console, bool on) {
        struct termios t;

        if (tcgetattr(console, &t) < 0 || !(t.c_oflag & ONLCR) == !on)
                return false;
        t.c_oflag = on ? t.c_oflag | ONLCR : t.c_oflag & ~(tcflag_t) ONLCR;
        return tcsetattr(console, TCSANOW, &t) >= 0;
}

static int be_there(const char *machine, pid_t leader, int sock, int console, int *ret_status,
                    Error *e) {
        bool changed = isatty(STDOUT_FILENO) && set_line_ends(console, true);
        int leader_fd = proc_pidfd_open(leader), r;
        PtyForward f;

        r = pty_forward_init(&f, STDIN_FILENO, STDOUT_FILENO, console,
                             PTY_FORWARD_HOLD | PTY_FORWARD_KEEP_KEYS, e);
        if (r >= 0) {
                while ((r = pty_forward_run(&f, sock, e)) == PTY_FORWARD_KEY_POWEROFF ||
                       r == PTY_FORWARD_KEY_REBOOT)
                        (void) proc_pidfd_signal(leader_fd, r == PTY_FORWARD_KEY_POWEROFF
                                                                    ? SIGRTMIN + 4
                                                                    : SIGRTMIN + 5);
                pty_forward_done(&f);
        }
        (void) fd_close(leader_fd);
        if (changed)
                (void) set_line_ends(console, false);
        if (r < 0)
                return r;
        if (r != PTY_FORWARD_STOPPED) {
                report_note("gone from the console of '%s', which runs on", machine);
                return 0;
        }
        uint64_t status;
        if (handshake_expect(sock, HANDSHAKE_ID, 0, NULL, &status, NULL) < 0)
                return error_set(e, EPIPE, "who keeps machine '%s' was killed", machine);
        report_note((int) status < 0 ? "machine '%s' reboots" : "machine '%s' has ended", machine);
        *ret_status = (int) status < 0 ? 0 : (int) status;
        return 0;
}

int attach_command(const char *machine, int *ret_status, Error *e) {
        _cleanup_fd_ int keeper = -EBADF, sock = -EBADF, console = -EBADF;
        pid_t leader = 0;
        int r;

        *ret_status = 125;
        if (!hostname_is_valid(machine))
                return error_set(e, EINVAL, "'%.80s' is no name of a machine", machine);
        keeper = await_keeper(machine, &leader, e);
        if (keeper < 0)
                return keeper;
        r = ask_for_console(machine, keeper, &sock, &console, e);
        if (r < 0)
                return r;
        report_note(
                "at the console of '%s'; ^] three times within a second goes away, ^] ^] p powers"
                " it off, ^] ^] r reboots it",
                machine);
        *ret_status = 0;
        r = be_there(machine, leader, sock, console, ret_status, e);
        if (r < 0)
                *ret_status = 125;
        return r;
}
