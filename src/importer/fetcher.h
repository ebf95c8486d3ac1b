/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's side of skep-fetch: asks for files, hears how that goes. "file:" URLs are opened here and never
 * get that far. */
#pragma once

#include "base/aide.h"
#include "importer/fetch-request.h"
#include "importer/fetch-state.h"
#include "importer/output.h"

/* How to fetch, for all files of a transfer; strings are borrowed. */
typedef struct FetchOptions {
        unsigned connections, retries;
        uint64_t stall;                                 /* seconds */
        const char *netrc;                              /* text of such a file; NULL = none */
        const char *tls_certificate, *tls_key, *tls_ca; /* PEM; NULL */
} FetchOptions;

typedef struct Fetcher {
        const FetchOptions *options;
        Output *output;
        int cancel_fd; /* borrowed */
        Aide aide;     /* started by the first request */

        /* Of the request that runs. */
        FetchState *state; /* borrowed; NULL = none runs */
        bool has_result;
        int result; /* a FETCH_… result or -errno */
        Error error;
} Fetcher;

/** fetcher_init() - @cancel_fd: as from cancel_open() */
void fetcher_init(Fetcher *f, const FetchOptions *options, Output *o, int cancel_fd);
/** fetcher_done() - give up whatever runs */
void fetcher_done(Fetcher *f);

/** fetcher_ask() - begin to fetch
 * @request:  what is to be known besides the options: url, etag, modified, limit, is_pinned, stays_secure
 * @state:    as far as it is, and the descriptor of its memory
 * @file_fd:  where to
 * @feed_fd:  -EBADF = nowhere
 * Return: 0 or -errno. */
int fetcher_ask(Fetcher *f, const FetchRequest *request, FetchState *state, int state_fd,
                int file_fd, int feed_fd, Error *e);
/** fetcher_take() - pass on what it said meanwhile; never waits */
void fetcher_take(Fetcher *f);
/** fetcher_wait() - wait for the result
 * @ret: FETCH_DONE, FETCH_NOT_MODIFIED
 * Return: 0; > 0 the number of a signal that came; -errno. */
int fetcher_wait(Fetcher *f, int *ret, Error *e);

/** fetcher_get() - fetch a small file into memory
 * @max: bytes. Return: 0; > 0 a signal's number; -ENOENT; -errno. */
int fetcher_get(Fetcher *f, const char *url, size_t max, bool stays_secure, char **ret,
                size_t *ret_n, Error *e);
/** fetcher_get_file() - the same, as an open file in memory that is at its beginning; @ret_fd */
int fetcher_get_file(Fetcher *f, const char *url, uint64_t max, bool stays_secure, int *ret_fd,
                     Error *e);
