/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far a long piece of work is: a bar that redraws itself on a terminal, a line now and then
 * elsewhere. The drawing is pure and takes the time as an argument; Progress puts it on a descriptor. */
#pragma once

#include "base/error.h"
#include "base/text.h"

/* What is known of the work at one moment. */
typedef struct ProgressState {
        const char *title;   /* what is being worked on */
        double ratio;        /* 0 to 1; below 0 = unknown */
        uint64_t done;       /* bytes; UINT64_MAX = unknown */
        uint64_t total;      /* bytes; 0 or UINT64_MAX = unknown */
        uint64_t rate;       /* bytes a second; 0 = unknown */
        uint64_t left_usec;  /* until the end; UINT64_MAX = unknown */
        uint64_t spent_usec; /* since the start */
        const char *phase;   /* what is being done; NULL = unknown */
} ProgressState;

/** progress_bar() - one line for a terminal, without newline and at most @width columns
 * "web  [=========>            ]  43%  100M/232M  80.1M/s  2s left"; parts that are not known are left
 * out, and so are, from the right, those that do not fit. With no ratio a mark walks back and forth.
 * @ascii: do not use characters beyond ASCII. Return: 0 or -ENOMEM. */
int progress_bar(const ProgressState *s, unsigned width, bool ascii, Buf *out);
/** progress_line() - one line for a log: "web: 43%, 100M of 232M, 80.1M/s". Return: 0 or -ENOMEM. */
int progress_line(const ProgressState *s, Buf *out);

typedef struct Progress Progress;

/** progress_new() - start to show the progress of something
 * @fd:    where to (stderr as a rule), borrowed; a terminal gets the bar
 * @title: its name, copied
 * @total: bytes, if known; else 0
 * Return: 0 or -ENOMEM. */
int progress_new(int fd, const char *title, uint64_t total, Progress **ret);
/** progress_update() - show a new state
 * Draws at most ten times a second on a terminal, and else a line for every tenth of the work and at
 * least one every 10 s.
 * @ratio: 0 to 1; below 0 = unknown
 * @done:  bytes; UINT64_MAX = @ratio of the total, if that is known
 * @now:   µs of CLOCK_MONOTONIC */
void progress_update(Progress *p, double ratio, uint64_t done, uint64_t now);
/** progress_show() - as progress_update(), for who knows rate and time left already
 * @s: its title and the time spent are taken from @p */
void progress_show(Progress *p, const ProgressState *s, uint64_t now);
/** progress_clear() - take the bar off the terminal, so that something else can be printed; the next
 * progress_update() draws it again */
void progress_clear(Progress *p);
/** progress_free() - take the bar off and free. Return: NULL. */
Progress *progress_free(Progress *p);
DEFINE_CLEANUP(Progress *, progress_free)
