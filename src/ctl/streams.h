/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Our standard input, output and error as a command in a machine may have them. Only pipes are handed
 * over as they are: an open file, folder, socket or terminal of this system in the hands of a machine
 * would let it do more with it than the caller meant (open it anew, change its mode, type into it). What
 * is no pipe gets one, and bytes are carried here. */
#pragma once

#include "base/error.h"

/* One of the three. */
typedef struct Stream {
        int ours;   /* borrowed: 0, 1 or 2 */
        int near;   /* our end of the pipe; -EBADF = nothing to carry (any more) */
        int far;    /* the command's end, or a copy of ours; closed once handed over */
        char *data; /* STREAM_BUFFER bytes read and not yet written: input only */
        size_t at, n;
        bool ended; /* no more input comes */
} Stream;

typedef struct Streams {
        Stream v[3];
        int signals_fd; /* signalfd: what comes is told to the status descriptor; -EBADF = none */
} Streams;

/** streams_init() - make the descriptors for the command: v[i].far
 * Return: 0 or -errno; streams_done() is right in either case. */
int streams_init(Streams *s, Error *e);
void streams_done(Streams *s);
/** streams_close_far() - drop our copies of the command's ends, once it has them */
void streams_close_far(Streams *s);
/** streams_run() - carry bytes until @status_fd has ended, then what output is still under way
 * @text: what came from @status_fd, at most @size - 1 bytes and NUL
 * Return: 0 or -errno. */
int streams_run(Streams *s, int status_fd, char *text, size_t size, Error *e);
/** exit_status_parse() - what org.skep.Machine1 says of the end of a command, as an exit status
 * "exited N" is N, "killed N" is 128 + N as shells have it, "failed TEXT" an error.
 * Return: 0 to 255, or -errno with @e set (-EPROTO: it says nothing of the kind, or nothing). */
int exit_status_parse(const char *text, Error *e);
