/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was downloaded so far (image/partial.h), the name being made of the URL, the state a FetchState. */
#pragma once

#include "importer/fetch-state.h"

typedef struct Download {
        int dir_fd; /* borrowed */
        char *name; /* of the bytes; NULL = they have none, as somebody else downloads the same */
        int fd, state_fd;
        FetchState *state;
} Download;

#define DOWNLOAD_NULL ((Download){ .dir_fd = -EBADF, .fd = -EBADF, .state_fd = -EBADF })

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
