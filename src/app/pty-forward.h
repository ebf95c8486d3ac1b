/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries bytes between a terminal (or whatever stdin and stdout are) and the master side of a
 * pseudo terminal. The caller polls and steps, or lets pty_forward_run() do both. libc only; allocates
 * nothing. */
#pragma once

#include <poll.h>
#include <termios.h>

#include "app/pty-tint.h"
#include "base/error.h"

typedef enum PtyForwardFlags {
        PTY_FORWARD_READ_ONLY = 1 << 0, /* nothing of what is typed goes in */
        /* Keep the other side open ourselves, so that the pty outlives a vhangup() and moments when
         * nobody inside has it open. Who uses this learns from elsewhere when the end has come. */
        PTY_FORWARD_HOLD = 1 << 1,
        PTY_FORWARD_NO_KEYS = 1 << 2, /* ^] is a key like any other */
        /* ^] does not go in before it is clear that it begins no sequence. For pty_forward_run(), which
         * sees to it that it does when the time is over. */
        PTY_FORWARD_KEEP_KEYS = 1 << 3,
        PTY_FORWARD_CAN_DETACH = 1 << 4, /* ^] ^] d means something */
} PtyForwardFlags;

typedef enum PtyForwardEvent {
        PTY_FORWARD_MORE,         /* nothing special: poll again */
        PTY_FORWARD_END,          /* the other side is closed and all it wrote is out */
        PTY_FORWARD_STOPPED,      /* the stop descriptor became readable or was closed (run only) */
        PTY_FORWARD_SIGNALLED,    /* SIGTERM, SIGINT or SIGHUP came (run only) */
        PTY_FORWARD_KEY_EXIT,     /* ^] three times within a second */
        PTY_FORWARD_KEY_POWEROFF, /* ^] ^] p */
        PTY_FORWARD_KEY_REBOOT,   /* ^] ^] r */
        PTY_FORWARD_KEY_DETACH,   /* ^] ^] d */
} PtyForwardEvent;

#define PTY_FORWARD_FDS    3
#define PTY_FORWARD_BUFFER 4096

typedef struct PtyForwardBuffer {
        size_t at, n; /* bytes [at, n) wait to be written */
        char bytes[PTY_FORWARD_BUFFER];
} PtyForwardBuffer;

typedef struct PtyForward {
        int in_fd, out_fd,
                master_fd; /* in and out are ours if they could be opened anew, else borrowed */
        int peer_fd;
        PtyForwardFlags flags;
        bool in_is_ours, out_is_ours, out_is_socket;
        bool in_ended; /* no more input will come */
        bool out_gone; /* nobody reads our output; it is dropped */
        bool end;      /* the other side is closed */
        bool raw;
        bool last_was_newline;
        struct termios saved;
        unsigned keys;       /* ^] seen in a row */
        uint64_t keys_since; /* when the first of them came, µs */
        PtyTint tint;
        PtyForwardBuffer to_pty, from_pty;
} PtyForward;

/** pty_forward_init() - begin; a terminal that input is taken from goes into raw mode
 * The pty gets the size of the terminal. Where output is no terminal, lines end in "\n" alone.
 * @in_fd:      where input comes from, borrowed; negative = nowhere
 * @out_fd:     where output goes, borrowed; negative = output is read and dropped
 * @master_fd:  the pty, borrowed
 * Return: 0 or -errno; then nothing has been changed. */
int pty_forward_init(PtyForward *f, int in_fd, int out_fd, int master_fd, PtyForwardFlags flags,
                     Error *e);
/** pty_forward_set_tint() - give what is shown a background; nothing has been carried yet
 * @color: see pty-tint.h; NULL or "" = none */
void pty_forward_set_tint(PtyForward *f, const char *color);
/** pty_forward_done() - put the terminal back as it was. May be called twice. */
void pty_forward_done(PtyForward *f);
/** pty_forward_poll() - say what to wait for; entries that are not wanted have fd -1 */
void pty_forward_poll(const PtyForward *f, struct pollfd fds[static PTY_FORWARD_FDS]);
/** pty_forward_step() - carry what can be carried without waiting
 * The caller ignores SIGPIPE.
 * @fds: as filled by pty_forward_poll() and poll(2)
 * Return: a PtyForwardEvent, or -errno. */
int pty_forward_step(PtyForward *f, const struct pollfd fds[static PTY_FORWARD_FDS], Error *e);
/** pty_forward_resize() - give the pty the size that the terminal has now (on SIGWINCH) */
void pty_forward_resize(PtyForward *f);
/** pty_forward_renew() - the pty comes back from somebody else who has used it: size and line ends become what
 * our side takes */
void pty_forward_renew(PtyForward *f);
/** pty_forward_drain() - write out what is still in the pty, when those inside are gone
 * @timeout_usec: longest wait for a slow reader of ours, in µs */
void pty_forward_drain(PtyForward *f, uint64_t timeout_usec);
/** pty_forward_run() - step until something happens
 * SIGWINCH resizes. SIGTERM, SIGINT and SIGHUP are caught for the time of the call.
 * @stop_fd:  becomes readable (or is closed at its other end) when the work behind the pty is over;
 *            what the pty still holds is then written out; negative = none
 * Return: a PtyForwardEvent but PTY_FORWARD_MORE, or -errno. */
int pty_forward_run(PtyForward *f, int stop_fd, Error *e);
