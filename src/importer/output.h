/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a worker tells how far it is: a person at a terminal, or the daemon. Every kind of transfer gets
 * one and says the same things to it. */
#pragma once

#include "app/progress.h"
#include "importer/record.h"

typedef struct Output {
        Progress *bar;
        int fd; /* to the daemon; -EBADF = there is none */
        Phase phase;
        bool has_phase;

        /* Called with what is going to be told, by who knows better; NULL = nobody does. */
        void (*tick)(void *context, uint64_t *done, uint64_t *total);
        void *tick_context;

        /* What the daemon was told last. */
        unsigned percent;
        uint64_t told_usec;
} Output;

/** output_init() - @report_fd: to the daemon; -EBADF = to people */
void output_init(Output *o, int report_fd);
/** output_title() - show a bar to people. Return: 0 or -ENOMEM. */
int output_title(Output *o, const char *title);
/** output_phase() - say what comes now */
void output_phase(Output *o, Phase phase);
/** output_progress() - say how far it is; cheap enough to be called ten times a second
 * @done, @total: bytes; RECORD_UNKNOWN */
void output_progress(Output *o, uint64_t done, uint64_t total);
/** output_note() - a line for people: warnings, what was left out */
void output_note(Output *o, int level, const char *format, ...) _printf_(3, 4);
/** output_finish() - say how it ended
 * @r:  0 done; > 0 canceled; -errno, with the reason in @e, which people are told by the caller */
void output_finish(Output *o, int r, const Error *e);
