/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fetching one file: which parts are asked for next, over how many connections, what is tried again and when. */
#pragma once

#include "importer/fetch-lane.h"

/** fetch_job_run() - fetch a file
 * @multi:    keeps connections for the next one
 * @state:    what is there already; is kept true at every moment
 * @file_fd:  of the bytes, to read and to write
 * @feed_fd:  a non-blocking pipe for the bytes from the first on; -EBADF = none
 * @sock:     to who asked: gets notes; if it is closed, nobody wants the file any more
 * Return: FETCH_DONE or FETCH_NOT_MODIFIED; -ESTALE the server has another file now than the one of which there
 * is a part, and some of that part has been fed; -ENOENT; -EACCES; -errno. */
int fetch_job_run(CURLM *multi, const FetchRequest *request, FetchState *state, int file_fd,
                  int feed_fd, int sock, Error *e);
