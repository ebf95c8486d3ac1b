/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server says of a file before it sends it: the few headers that matter for fetching it in parts. */
#pragma once

#include "base/error.h"

#define FETCH_ETAG_MAX     256
#define FETCH_MODIFIED_MAX 64
#define FETCH_HEAD_MAX     ((size_t) 64 * 1024)
#define FETCH_UNKNOWN      UINT64_MAX

typedef struct FetchHead {
        unsigned status;          /* 0 = no response yet */
        size_t n;                 /* bytes of headers so far, of all responses */
        uint64_t length;          /* Content-Length; FETCH_UNKNOWN */
        bool has_range;           /* Content-Range, in bytes */
        uint64_t from, to, total; /* of it; @to is the first byte after it; FETCH_UNKNOWN */
        bool takes_ranges;        /* Accept-Ranges: bytes */
        bool is_encoded;          /* a Content-Encoding that is not "identity" */
        uint64_t retry_after;     /* seconds; FETCH_UNKNOWN */
        char retry_date[FETCH_MODIFIED_MAX]; /* or until then, as it came; "" = none */
        char etag[FETCH_ETAG_MAX];           /* with its quotes; "" = none */
        char modified[FETCH_MODIFIED_MAX];   /* Last-Modified as it came; "" = none */
        char date[FETCH_MODIFIED_MAX];       /* Date as it came */
} FetchHead;

/** fetch_head_init() - no response yet */
void fetch_head_init(FetchHead *h);
/** fetch_head_line() - take in one line of @n bytes; a status line begins a new response
 * Return: 0; -E2BIG too much of it. */
int fetch_head_line(FetchHead *h, const char *line, size_t n);
/** fetch_date_parse() - the time that a date of HTTP stands for, in any of its three forms
 * Return: seconds since 1970; -EINVAL. */
int64_t fetch_date_parse(const char *text);
/** fetch_head_wait() - how long not to ask again, counted by the server's clock if it shows it
 * @now: ours, in seconds since 1970
 * Return: seconds; FETCH_UNKNOWN = the server does not say. */
uint64_t fetch_head_wait(const FetchHead *h, int64_t now);
/** fetch_etag_is_strong() - whether equal tags mean equal bytes */
bool fetch_etag_is_strong(const char *etag);
