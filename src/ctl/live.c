/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A screen that is drawn again and again, see live.h. What is on the terminal otherwise is back
 * afterwards, whatever ends us. */
#include "ctl/live.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

#define BEGIN "\033[?1049h\033[?25l"
#define END   "\033[?25h\033[?1049l"

/* What a handler of signals has to put back; there is one terminal. */
static struct termios saved;

static void put_back(void) {
        (void) !write(STDOUT_FILENO, END, sizeof END - 1);
        (void) tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

static void on_signal(int signal) {
        put_back();
        /* Ctrl-C is how one leaves: no failure. */
        if (signal == SIGINT)
                _exit(EXIT_SUCCESS);
        (void) raise(signal); /* SA_RESETHAND: what it does to everybody */
}

bool live_is_wanted(const Ctl *c) {
        return !c->o.once && !ctl_is_json(c) && c->out_is_tty && isatty(STDIN_FILENO);
}

/* As many lines as there is room for, each to the end of its line. */
static int show(Ctl *c, Error *e) {
        _cleanup_(buf_done) Buf screen = {};
        struct winsize ws = {};
        unsigned lines = 0;
        int r = buf_puts(&screen, "\033[H");

        (void) ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws);
        for (const char *s = strempty(c->out.p); *s && r >= 0;) {
                size_t n = strcspn(s, "\n");

                if (ws.ws_row > 0 && ++lines > ws.ws_row)
                        break;
                r = lines > 1 ? buf_puts(&screen, "\r\n") : 0;
                if (r >= 0)
                        r = buf_append(&screen, s, n);
                if (r >= 0)
                        r = buf_puts(&screen, "\033[K");
                s += n + (s[n] == '\n');
        }
        if (r >= 0)
                r = buf_puts(&screen, "\033[J");
        buf_done(&c->out);
        if (r < 0)
                return error_oom(e);
        r = fd_write_all(STDOUT_FILENO, screen.p, screen.n);
        return r < 0 ? error_set(e, r, "cannot write to the terminal: %m") : 0;
}

/* Return: 1 somebody has seen enough; 0; -errno. */
static int wait_for_key(unsigned seconds) {
        struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
        uint64_t until = now_usec() + (uint64_t) seconds * 1000000;

        for (uint64_t now; (now = now_usec()) < until;) {
                char keys[64];
                int r = poll(&p, 1, (int) ((until - now + 999) / 1000));

                if (r < 0 && errno == EINTR)
                        return 0; /* a window that has changed its size is drawn at once */
                if (r < 0)
                        return -errno;
                if (r == 0)
                        return 0;
                ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
                if (n <= 0)
                        return 1;
                for (ssize_t i = 0; i < n; i++)
                        if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == '\004')
                                return 1;
        }
        return 0;
}

static void on_resize(int signal) {
}

int live_run(Ctl *c, int (*draw)(Ctl *c, void *userdata, Error *e), void *userdata, Error *e) {
        static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
        const struct sigaction end = { .sa_handler = on_signal, .sa_flags = (int) SA_RESETHAND };
        const struct sigaction resize = { .sa_handler = on_resize };
        struct termios raw;
        int r;

        if (tcgetattr(STDIN_FILENO, &saved) < 0)
                return error_set(e, errno, "cannot look at the terminal: %m");
        /* The first view may fail: that is told on the screen that was there before. */
        r = draw(c, userdata, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                (void) sigaction(ends[i], &end, NULL);
        (void) sigaction(SIGWINCH, &resize, NULL);
        raw = saved;
        raw.c_lflag &= ~(tcflag_t) (ICANON | ECHO);
        (void) tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        (void) !write(STDOUT_FILENO, BEGIN, sizeof BEGIN - 1);
        for (;;) {
                r = show(c, e);
                if (r >= 0)
                        r = wait_for_key(c->o.interval);
                if (r != 0)
                        break;
                r = draw(c, userdata, e);
                if (r < 0)
                        break;
        }
        put_back();
        return r < 0 ? r : 0;
}
