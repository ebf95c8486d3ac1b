/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pulling a tree and pulling a disk have in common: the digest that what comes must have, the files beside
 * it, and the stream of its bytes, which can be gone on with when it broke. */
#pragma once

#include "importer/download.h"
#include "importer/kept.h"
#include "importer/kind.h"
#include "importer/manifest.h"
#include "importer/sidecar.h"

typedef struct PullSecrets {
        char *netrc, *tls_certificate, *tls_key, *tls_ca;
} PullSecrets;

/** pull_secrets_read() - out of the files of the options, else of systemd's credentials "import.netrc",
 * "import.tls-certificate", "import.tls-key" and "import.tls-ca". Return: 0 or -errno. */
int pull_secrets_read(const ImportOptions *o, PullSecrets *ret, Error *e);
/** pull_secrets_done() - wipe them */
void pull_secrets_done(PullSecrets *s);

typedef struct Pull {
        const KindContext *context;
        const char *url;
        char *shown;      /* of the URL, for people */
        char *file;       /* its last component */
        const char *root; /* where images are; borrowed */
        int cancel_fd;
        PullSecrets secrets;
        FetchOptions options;
        Fetcher fetcher;
        PullVerify verify;
        Digest expected; /* unless nothing is verified */
        char *seal; /* a signature of the file itself, which is checked when all of it came; NULL = none */
        size_t n_seal;
        Manifest manifest;
        Sidecars sidecars;

        /* What there is already of an earlier pull. */
        const char *kind; /* "tar" or "raw" */
        bool keeps;
        Kept kept;
        bool is_kept; /* that is what is on the server */
        Digest found; /* of what came, and what the server calls it */
        char etag[FETCH_ETAG_MAX], modified[FETCH_MODIFIED_MAX];

        /* Of the stream. */
        Download download;
        bool was_resumed;
        bool is_stale; /* it failed in a way that another attempt, from the beginning, may be better than */
} Pull;

/** pull_init() - read the options
 * @url: borrowed. Return: 0 or -errno; pull_done() it in either case. */
int pull_init(Pull *p, const KindContext *c, const char *url, Error *e);
void pull_done(Pull *p);
/** pull_digest() - what is to come is verified by; NULL = nothing */
const Digest *pull_digest(const Pull *p);
/** pull_prepare() - find out which digest it must have, fetch what is beside it. Return: 0; > 0 a signal's number;
 * -errno. */
int pull_prepare(Pull *p, Error *e);

/** pull_open() - begin to fetch
 * @dir_fd:  where what is downloaded is kept meanwhile
 * @ret_fd:  yields the bytes; the caller's
 * @ret_size: how many; RECORD_UNKNOWN
 * Return: 0 or -errno. */
int pull_open(Pull *p, int dir_fd, int *ret_fd, uint64_t *ret_size, Error *e);
/** pull_close() - what became of it
 * @fd:  as from pull_open(), still open
 * @r:   how reading went, which is what is returned if fetching went well
 * Return: 0; > 0 a signal's number; -EALREADY what is kept is what is there; -errno. */
int pull_close(Pull *p, int fd, int r, Error *e);
/** pull_run() - pull an image from beginning to end
 * @given: a name for the image; "-" = only keep the download; NULL = the one in the URL
 * @fill:  of the import, uses the two functions above and sets p->found; its context is the Pull
 * Return: as import_run(). */
int pull_run(const KindContext *c, const char *kind, const char *url, const char *given,
             int (*fill)(const ImportJob *job, Staging *staging, int cancel_fd, Output *o,
                         Error *e),
             Error *e);

/** pull_read_url() - from standard input: what may have a password in it is better not seen on the command line
 * Return: 0 and a new string; -errno. */
int pull_read_url(char **ret, Error *e);
/** pull_direct() - pull a disk to a block device or a file that is there. Return: 0; > 0 a signal's number; -errno. */
int pull_direct(const KindContext *c, const char *url, const char *path, Error *e);

/** pull_sidecars_fetch() - fetch what is beside it
 * @stem: the last component of the URL without what says how it is packed
 * Return: 0; > 0 a signal's number; -errno. */
int pull_sidecars_fetch(Pull *p, const char *stem, bool is_disk, Error *e);
