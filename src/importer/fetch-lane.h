/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request for some of the bytes of a file, over one connection, and the judgement of what the server makes of
 * it. What is asked next, and by how many lanes, is the job's to say (fetch-job.h). */
#pragma once

#include <curl/curl.h>

#include "importer/fetch-request.h"
#include "importer/fetch-state.h"

typedef enum LaneOutcome {
        LANE_OK,           /* what was asked for is there */
        LANE_REDIRECT,     /* @target says where to ask instead */
        LANE_RETRY,        /* nothing is wrong but the connection, or the server at this moment */
        LANE_NO_RANGES,    /* the server cannot send parts, whatever it says */
        LANE_CHANGED,      /* it is not the file of which there is a part */
        LANE_NOT_MODIFIED, /* 304 */
        LANE_FAILED,       /* for good */
} LaneOutcome;

/* What all lanes of a job have in common. */
typedef struct LaneShared {
        const FetchRequest *request;
        FetchState *state;
        int file_fd;
        char *url;         /* where to ask, after redirects */
        bool is_foreign;   /* that is another host: no secrets for it */
        bool is_confirmed; /* what the state says is of the file that the server has now */
        bool has_answered; /* anything at all, ever */
        unsigned n_active;
} LaneShared;

typedef struct Lane {
        LaneShared *shared;
        CURL *easy;
        struct curl_slist *headers;
        FetchHead head;
        bool is_active, is_judged, is_body, is_ranged, is_conditional;
        uint64_t from, to; /* asked for; @to may be FETCH_UNKNOWN: all */
        uint64_t at;       /* where the next byte goes */
        uint64_t skipped;  /* bytes of a body that nobody wants */
        uint64_t stored;   /* bytes that were not there before */
        uint64_t
                heard_at; /* when anything came from the server, as of now_usec(); 0 = nothing yet */
        LaneOutcome outcome;
        char *target;
        Error error;
        char why[CURL_ERROR_SIZE];
} Lane;

/** lane_open() - make ready for requests. Return: 0 or -ENOMEM. */
int lane_open(Lane *l, LaneShared *shared);
void lane_done(Lane *l);
/** lane_start() - ask for bytes from @from to before @to
 * @is_ranged:       ask for them alone; else all is asked for, and what is there already is compared
 * @is_conditional:  ask whether it is still the same
 * Return: 0 or -errno. */
int lane_start(Lane *l, CURLM *multi, uint64_t from, uint64_t to, bool is_ranged,
               bool is_conditional, Error *e);
/** lane_finish() - how it ended; error is set but for LANE_OK, LANE_REDIRECT and LANE_NOT_MODIFIED */
LaneOutcome lane_finish(Lane *l, CURLM *multi, CURLcode code);
