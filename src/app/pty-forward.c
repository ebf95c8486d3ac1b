/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pump between a terminal and a pseudo terminal, see pty-forward.h. It knows neither machines nor
 * what the hotkeys are to do; whoever pumps decides. Descriptors that others share (our stdin and
 * stdout are also the shell's) are opened anew before they are made non-blocking, because the flag
 * belongs to the open file and not to the descriptor. */
#include "app/pty-forward.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define KEY_ESCAPE      0x1d /* ^] */
#define KEYS_USEC       (1000 * 1000)
#define KEYS_KEPT       2U
#define DRAIN_STOP_USEC (500 * 1000)

/* A descriptor of the same terminal or pipe whose flags are ours alone. What cannot be opened again is
 * used as it is, in pieces small enough that poll() promises not to block on them. */
static int reopen(int fd, int flags, bool *ret_ours, bool *ret_is_socket) {
        char path[FD_PATH_MAX];
        struct stat st;

        *ret_ours = *ret_is_socket = false;
        if (fd < 0)
                return -EBADF;
        if (fstat(fd, &st) < 0)
                return fd;
        *ret_is_socket = S_ISSOCK(st.st_mode);
        if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
                return fd;

        int own = open(fd_path(fd, path), flags | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (own < 0)
                return fd;
        *ret_ours = true;
        return own;
}

static void hold_peer(PtyForward *f) {
        f->peer_fd = fd_close(f->peer_fd);
        f->peer_fd = ioctl(f->master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (f->peer_fd < 0)
                f->peer_fd = -EBADF;
}

void pty_forward_resize(PtyForward *f) {
        struct winsize size;

        if ((f->out_fd >= 0 && ioctl(f->out_fd, TIOCGWINSZ, &size) >= 0) ||
            (f->in_fd >= 0 && ioctl(f->in_fd, TIOCGWINSZ, &size) >= 0))
                (void) ioctl(f->master_fd, TIOCSWINSZ, &size);
}

/* A terminal wants "\r\n", a file or a pipe does not. */
static void set_line_ends(PtyForward *f) {
        struct termios t;

        if (f->out_fd < 0 || isatty(f->out_fd) || tcgetattr(f->master_fd, &t) < 0)
                return;
        t.c_oflag &= ~(tcflag_t) ONLCR;
        (void) tcsetattr(f->master_fd, TCSANOW, &t);
}

static int enter_raw(PtyForward *f, Error *e) {
        struct termios raw;

        if (f->in_fd < 0 || (f->flags & PTY_FORWARD_READ_ONLY) ||
            tcgetattr(f->in_fd, &f->saved) < 0)
                return 0;
        raw = f->saved;
        cfmakeraw(&raw);
        if (!isatty(f->out_fd)) /* messages of ours that reach this terminal keep their line ends */
                raw.c_oflag = f->saved.c_oflag;
        if (tcsetattr(f->in_fd, TCSADRAIN, &raw) < 0)
                return error_set(e, errno, "cannot set the terminal to raw mode: %m");
        f->raw = true;
        return 0;
}

int pty_forward_init(PtyForward *f, int in_fd, int out_fd, int master_fd, PtyForwardFlags flags,
                     Error *e) {
        bool in_is_socket;

        f->master_fd = master_fd;
        f->peer_fd = -EBADF;
        f->flags = flags;
        f->in_ended = in_fd < 0 || (flags & PTY_FORWARD_READ_ONLY);
        f->out_gone = out_fd < 0;
        f->end = f->raw = false;
        f->last_was_newline = true;
        f->keys = 0;
        f->to_pty.at = f->to_pty.n = f->from_pty.at = f->from_pty.n = 0;
        pty_tint_init(&f->tint, NULL);

        int r = fd_set_nonblock(master_fd, true);
        if (r < 0)
                return error_set(e, r, "cannot use the pseudo terminal: %m");
        f->in_fd = reopen(in_fd, O_RDONLY, &f->in_is_ours, &in_is_socket);
        f->out_fd = reopen(out_fd, O_WRONLY, &f->out_is_ours, &f->out_is_socket);

        r = enter_raw(f, e);
        if (r < 0) {
                pty_forward_done(f);
                return r;
        }
        if (flags & PTY_FORWARD_HOLD)
                hold_peer(f);
        pty_forward_resize(f);
        set_line_ends(f);
        return 0;
}

void pty_forward_renew(PtyForward *f) {
        if (f->flags & PTY_FORWARD_HOLD)
                hold_peer(f);
        pty_forward_resize(f);
        set_line_ends(f);
}

void pty_forward_set_tint(PtyForward *f, const char *color) {
        PtyForwardBuffer *b = &f->from_pty;

        if (!isatty(f->out_fd))
                return;
        pty_tint_init(&f->tint, color);
        int n = snprintf(b->bytes, sizeof b->bytes, "%s%s", f->tint.sequence,
                         f->tint.sequence[0] ? "\033[K" : "");
        b->n = (size_t) MAX(n, 0);
}

void pty_forward_done(PtyForward *f) {
        static const char untinted[] = "\033[0m\033[K";

        if (f->tint.sequence[0] && !f->out_gone && f->out_fd >= 0)
                (void) write(f->out_fd, untinted, sizeof untinted - 1);
        pty_tint_init(&f->tint, NULL);
        if (f->raw)
                (void) tcsetattr(f->in_fd, TCSADRAIN, &f->saved);
        f->raw = false;
        if (f->in_is_ours)
                (void) fd_close(f->in_fd);
        if (f->out_is_ours)
                (void) fd_close(f->out_fd);
        f->in_is_ours = f->out_is_ours = false;
        f->in_fd = f->out_fd = -EBADF;
        f->peer_fd = fd_close(f->peer_fd);
}

static bool is_empty(const PtyForwardBuffer *b) {
        return b->at == b->n;
}

void pty_forward_poll(const PtyForward *f, struct pollfd fds[static PTY_FORWARD_FDS]) {
        bool read_in = !f->in_ended && is_empty(&f->to_pty);
        bool write_out = !f->out_gone && !is_empty(&f->from_pty);
        short master = (short) ((is_empty(&f->from_pty) ? POLLIN : 0) |
                                (is_empty(&f->to_pty) ? 0 : POLLOUT));

        fds[0] = (struct pollfd){ .fd = read_in ? f->in_fd : -1, .events = POLLIN };
        fds[1] = (struct pollfd){ .fd = write_out ? f->out_fd : -1, .events = POLLOUT };
        fds[2] = (struct pollfd){ .fd = f->end || !master ? -1 : f->master_fd, .events = master };
}

static PtyForwardEvent key_event(const PtyForward *f, char c) {
        if (c == 'd' && f->flags & PTY_FORWARD_CAN_DETACH)
                return PTY_FORWARD_KEY_DETACH;
        return c == KEY_ESCAPE ? PTY_FORWARD_KEY_EXIT
               : c == 'p'      ? PTY_FORWARD_KEY_POWEROFF
               : c == 'r'      ? PTY_FORWARD_KEY_REBOOT
                               : PTY_FORWARD_MORE;
}

/* Lets those ^] go in that were kept. @at: where they belong in what was typed */
static void let_keys_in(PtyForward *f, size_t at) {
        PtyForwardBuffer *b = &f->to_pty;

        memmove(b->bytes + at + f->keys, b->bytes + at, b->n - at);
        memset(b->bytes + at, KEY_ESCAPE, f->keys);
        b->n += f->keys;
        f->keys = 0;
}

/* The same as look_for_keys() with those keys kept; two of them at most. */
static PtyForwardEvent keep_keys(PtyForward *f) {
        PtyForwardBuffer *b = &f->to_pty;
        uint64_t now = now_usec();

        for (size_t i = b->at; i < b->n; i++) {
                PtyForwardEvent event = PTY_FORWARD_MORE;
                bool late = f->keys > 0 && now - f->keys_since > KEYS_USEC;

                if (f->keys >= KEYS_KEPT && !late)
                        event = key_event(f, b->bytes[i]);
                if (event == PTY_FORWARD_MORE && (late || b->bytes[i] != KEY_ESCAPE)) {
                        i += f->keys;
                        let_keys_in(f, i - f->keys);
                }
                if (event == PTY_FORWARD_MORE && b->bytes[i] != KEY_ESCAPE)
                        continue;
                memmove(b->bytes + i, b->bytes + i + 1, b->n - i - 1);
                b->n--;
                i--;
                if (event != PTY_FORWARD_MORE) {
                        f->keys = 0;
                        return event;
                }
                if (f->keys++ == 0)
                        f->keys_since = now;
        }
        return PTY_FORWARD_MORE;
}

/* Looks for the hotkeys in what was typed. The ^] themselves go in like other keys, as nobody can know
 * yet what follows; the key that completes a sequence does not. */
static PtyForwardEvent look_for_keys(PtyForward *f) {
        PtyForwardBuffer *b = &f->to_pty;

        if (f->flags & PTY_FORWARD_NO_KEYS)
                return PTY_FORWARD_MORE;
        if (f->flags & PTY_FORWARD_KEEP_KEYS)
                return keep_keys(f);

        for (size_t i = b->at; i < b->n; i++) {
                PtyForwardEvent event = PTY_FORWARD_MORE;
                uint64_t now = now_usec();

                if (f->keys > 0 && now - f->keys_since > KEYS_USEC)
                        f->keys = 0;
                if (f->keys >= 2)
                        event = key_event(f, b->bytes[i]);
                if (event != PTY_FORWARD_MORE) {
                        memmove(b->bytes + i, b->bytes + i + 1, b->n - i - 1);
                        b->n--;
                        f->keys = 0;
                        return event;
                }
                if (b->bytes[i] != KEY_ESCAPE)
                        f->keys = 0;
                else if (f->keys++ == 0)
                        f->keys_since = now;
        }
        return PTY_FORWARD_MORE;
}

/* The input is a pipe or a file and has ended: those inside learn it as from a keyboard. A line that
 * is not complete takes the key twice. */
static void end_input(PtyForward *f) {
        struct termios t;

        f->in_ended = true;
        if (tcgetattr(f->master_fd, &t) < 0 || !(t.c_lflag & ICANON) || isatty(f->in_fd))
                return;
        f->to_pty.at = 0;
        f->to_pty.n = f->last_was_newline ? 1 : 2;
        memset(f->to_pty.bytes, t.c_cc[VEOF], f->to_pty.n);
}

static PtyForwardEvent read_input(PtyForward *f) {
        PtyForwardBuffer *b = &f->to_pty;
        /* With room for what was kept of before. */
        ssize_t n = read(f->in_fd, b->bytes, sizeof b->bytes - KEYS_KEPT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return PTY_FORWARD_MORE;
        if (n <= 0) {
                end_input(f);
                return PTY_FORWARD_MORE;
        }
        b->at = 0;
        b->n = (size_t) n;
        f->last_was_newline = b->bytes[n - 1] == '\n';
        return look_for_keys(f);
}

/* Return: as read(2), with the colours that were put in. */
static ssize_t read_tinted(PtyForward *f) {
        PtyForwardBuffer *b = &f->from_pty;
        char raw[512];

        if (!f->tint.sequence[0])
                return read(f->master_fd, b->bytes, sizeof b->bytes);
        ssize_t n = read(f->master_fd, raw,
                         MIN(sizeof raw, pty_tint_room(&f->tint, sizeof b->bytes)));
        return n <= 0 ? n : (ssize_t) pty_tint_feed(&f->tint, raw, (size_t) n, b->bytes);
}

/* Return: whether there was something. */
static bool read_pty(PtyForward *f) {
        PtyForwardBuffer *b = &f->from_pty;
        ssize_t n;

        do
                n = read_tinted(f);
        while (n < 0 && errno == EINTR); /* what is drained is read once */
        if (n > 0) {
                b->at = 0;
                b->n = f->out_gone ? 0 : (size_t) n;
                return true;
        }
        if (n < 0 && errno == EAGAIN)
                return false;

        /* EIO: nobody has the other side open, at this moment or for good. */
        if (f->flags & PTY_FORWARD_HOLD)
                hold_peer(f);
        if (f->peer_fd < 0)
                f->end = true;
        return false;
}

static void write_pty(PtyForward *f) {
        PtyForwardBuffer *b = &f->to_pty;
        ssize_t n = write(f->master_fd, b->bytes + b->at, b->n - b->at);

        if (n > 0)
                b->at += (size_t) n;
        else if (errno != EAGAIN && errno != EINTR)
                b->at = b->n; /* nobody there to read it */
}

static void write_output(PtyForward *f) {
        PtyForwardBuffer *b = &f->from_pty;
        const char *p = b->bytes + b->at;
        size_t left = b->n - b->at;
        ssize_t n = f->out_is_socket ? send(f->out_fd, p, left, MSG_DONTWAIT | MSG_NOSIGNAL)
                                     : write(f->out_fd, p, left);

        if (n > 0)
                b->at += (size_t) n;
        else if (errno != EAGAIN && errno != EINTR) {
                f->out_gone = true;
                b->at = b->n;
        }
}

int pty_forward_step(PtyForward *f, const struct pollfd fds[static PTY_FORWARD_FDS], Error *e) {
        PtyForwardEvent event = PTY_FORWARD_MORE;

        if (fds[0].revents)
                event = read_input(f);
        if (fds[2].revents && is_empty(&f->from_pty) && !f->end)
                (void) read_pty(f);
        if (!is_empty(&f->to_pty))
                write_pty(f);
        if (!f->out_gone && (fds[1].revents || f->out_is_ours) && !is_empty(&f->from_pty))
                write_output(f);

        if (event == PTY_FORWARD_MORE && f->end && is_empty(&f->from_pty))
                return PTY_FORWARD_END;
        return event;
}

void pty_forward_drain(PtyForward *f, uint64_t timeout_usec) {
        uint64_t until = now_usec() + timeout_usec, now;

        f->flags &= ~(unsigned) PTY_FORWARD_HOLD;
        f->peer_fd = fd_close(f->peer_fd);

        while ((now = now_usec()) < until) {
                if (is_empty(&f->from_pty)) {
                        if (!read_pty(f))
                                return; /* what comes later is from those that outlive the work */
                        continue;
                }
                int r = fd_wait(f->out_fd, POLLOUT, until - now);
                if (r == 0 || f->out_gone)
                        return;
                write_output(f);
        }
}

static int take_signal(PtyForward *f, int signals) {
        struct signalfd_siginfo info;

        if (read(signals, &info, sizeof info) != sizeof info)
                return PTY_FORWARD_MORE;
        if (info.ssi_signo != SIGWINCH)
                return PTY_FORWARD_SIGNALLED;
        pty_forward_resize(f);
        return PTY_FORWARD_MORE;
}

/* How long a key may still be kept, in ms; -1 = there is none. */
static int key_patience(const PtyForward *f) {
        if (!(f->flags & PTY_FORWARD_KEEP_KEYS) || f->keys == 0 || !is_empty(&f->to_pty))
                return -1;
        uint64_t until = f->keys_since + KEYS_USEC, now = now_usec();
        return now >= until ? 0 : (int) ((until - now) / 1000) + 1;
}

static int run_until_event(PtyForward *f, int stop_fd, int signals, Error *e) {
        for (;;) {
                struct pollfd fds[PTY_FORWARD_FDS + 2];
                int r;

                pty_forward_poll(f, fds);
                fds[PTY_FORWARD_FDS] = (struct pollfd){ .fd = signals, .events = POLLIN };
                fds[PTY_FORWARD_FDS + 1] = (struct pollfd){ .fd = stop_fd, .events = POLLIN };
                r = poll(fds, ELEMENTSOF(fds), key_patience(f));
                if (r < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot wait for the terminal: %m");
                if (r == 0 && is_empty(&f->to_pty)) {
                        f->to_pty.at = f->to_pty.n = 0;
                        let_keys_in(f, 0);
                }
                if (r <= 0)
                        continue;

                /* Who reads what is typed after a change of size shall find the new one. */
                int signalled = fds[PTY_FORWARD_FDS].revents ? take_signal(f, signals)
                                                             : PTY_FORWARD_MORE;
                r = pty_forward_step(f, fds, e);
                if (r != PTY_FORWARD_MORE || signalled != PTY_FORWARD_MORE)
                        return r != PTY_FORWARD_MORE ? r : signalled;
                if (fds[PTY_FORWARD_FDS + 1].revents) {
                        pty_forward_drain(f, DRAIN_STOP_USEC);
                        return PTY_FORWARD_STOPPED;
                }
        }
}

int pty_forward_run(PtyForward *f, int stop_fd, Error *e) {
        struct sigaction ignore = { .sa_handler = SIG_IGN }, old_pipe;
        sigset_t caught, before;

        (void) sigemptyset(&caught);
        (void) sigaddset(&caught, SIGWINCH);
        (void) sigaddset(&caught, SIGTERM);
        (void) sigaddset(&caught, SIGINT);
        (void) sigaddset(&caught, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &caught, &before) < 0)
                return error_set(e, errno, "cannot block signals: %m");
        (void) sigaction(SIGPIPE, &ignore, &old_pipe);

        _cleanup_fd_ int signals = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
        int r = signals < 0 ? error_set(e, errno, "cannot wait for signals: %m")
                            : run_until_event(f, stop_fd, signals, e);
        (void) sigaction(SIGPIPE, &old_pipe, NULL);
        (void) sigprocmask(SIG_SETMASK, &before, NULL);
        return r;
}
