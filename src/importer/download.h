/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was downloaded so far, in a directory of images: the bytes in ".skep-part.HEX", how far that is and of what
 * in ".skep-part.HEX.state", HEX being made of the URL. Who works on one holds the lock on the state; what nobody
 * holds can be gone on with, until it is swept. */
#pragma once

#include "importer/fetch-state.h"

typedef struct Download {
        int dir_fd; /* borrowed */
        char *name; /* of the bytes; NULL = they have none, as somebody else downloads the same */
        int fd, state_fd;
        FetchState *state;
} Download;

#define DOWNLOAD_NULL ((Download){ .dir_fd = -EBADF, .fd = -EBADF, .state_fd = -EBADF })

/* What is left alone that long is not gone on with any more. */
#define DOWNLOAD_AGE_USEC ((uint64_t) 14 * 24 * 3600 * 1000000)

/** download_open() - go on with a download, or begin it. Return: 0 or -errno. */
int download_open(int dir_fd, const char *url, Download *ret, Error *e);
/** download_forget() - drop what is there and begin anew. Return: 0 or -errno. */
int download_forget(Download *d, Error *e);
/** download_remove() - it has served its purpose, or never will */
void download_remove(Download *d);
/** download_can_resume() - whether somebody can go on with it later */
bool download_can_resume(const Download *d);
/** download_done() - let go; what is there stays, unless download_remove() was called */
void download_done(Download *d);

/** downloads_sweep() - remove those that nobody works on and that were left alone for some time
 * @age_usec: at least that long; 0 = all
 * Return: how many; the first -errno after having tried all. */
int downloads_sweep(const char *directory, uint64_t age_usec, Error *e);
