/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gives what a terminal shows a background colour of its own, so that one sees at a glance whose it is:
 * whenever the program behind it goes back to the default colours, ours is put after that. */
#pragma once

#include "base/macro.h"

#define PTY_TINT_COLOR_MAX 32

typedef struct PtyTint {
        char sequence[PTY_TINT_COLOR_MAX + 4]; /* "\033[…m"; "" = no tint */
        enum {
                TINT_TEXT,
                TINT_ESCAPE,  /* after ESC */
                TINT_CONTROL, /* after ESC [ */
        } state;
        bool plain;      /* a control sequence without anything but numbers so far */
        bool resets;     /* and it leaves the default background */
        unsigned number; /* that is being read */
        unsigned skip;   /* numbers to come that are part of a colour */
        bool extended;   /* the next number says how many */
} PtyTint;

/** pty_tint_color_is_valid() - whether @color can be the numbers of a colour sequence, as "44" or "48;5;17" */
bool pty_tint_color_is_valid(const char *color);
/** pty_tint_init() - @color: NULL or "" = no tint; else valid */
void pty_tint_init(PtyTint *t, const char *color);
/** pty_tint_room() - how much one may feed for what comes out to fit into @size bytes */
size_t pty_tint_room(const PtyTint *t, size_t size);
/** pty_tint_feed() - put the colour back wherever @in, which goes on where it ended before, takes it away
 * @out: not overlapping @in. Return: bytes in @out. */
size_t pty_tint_feed(PtyTint *t, const char *in, size_t n, char *out);
