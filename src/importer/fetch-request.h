/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the worker tells the fetcher to fetch, as lines of text. The fetcher gets the secrets of this one
 * transfer in it, and no others. */
#pragma once

#include "base/text.h"

#define FETCH_CONNECTIONS_MAX 16
#define FETCH_REQUEST_MAX     ((size_t) 4 * 1024 * 1024)

typedef struct FetchRequest {
        char *url;
        char *etag, *modified; /* of what there is already; NULL = nothing */
        char *user, *password; /* for the URL's host alone */
        char *tls_certificate, *tls_key,
                *tls_ca;      /* PEM; NULL = none, and the system's authorities */
        uint64_t limit;       /* refuse more bytes than that */
        char *place;          /* where the file is, for people; NULL = it need not be said */
        unsigned unpacked;    /* per cent of its size that are going to be needed there besides */
        uint64_t stall;       /* seconds without bytes that end a connection */
        unsigned connections; /* at most; 1 = ask for no ranges but to go on */
        unsigned retries;     /* attempts in a row that bring nothing */
        bool is_pinned;       /* the digest is known: a wrong mixture of bytes will not pass */
        bool stays_secure;    /* not from https: to http: */
} FetchRequest;

/* Descriptors that go with it, and what comes back as a phase. */
enum {
        FETCH_FD_REQUEST, /* a memfd with fetch_request_format()'s text */
        FETCH_FD_STATE,   /* a FetchState */
        FETCH_FD_FILE,    /* where the bytes go */
        FETCH_FD_FEED,    /* a pipe for the bytes in their order; optional */
        FETCH_GO,         /* phase: that was all of them */

        FETCH_DONE = 0,     /* phases: all is there */
        FETCH_NOT_MODIFIED, /* what there is already is what there is */
        _FETCH_RESULT_MAX,
};

/** fetch_request_done() - free what is in it, secrets wiped */
void fetch_request_done(FetchRequest *q);
/** fetch_request_format() - as text. Return: 0 or -ENOMEM. */
int fetch_request_format(const FetchRequest *q, Buf *out);
/** fetch_request_parse() - the opposite. Return: 0; -EINVAL; -ENOMEM. */
int fetch_request_parse(const char *text, size_t n, FetchRequest *ret, Error *e);
