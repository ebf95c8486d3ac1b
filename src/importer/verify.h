/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stage that lets bytes through and tells, when the stream ends, whether they were the right ones. */
#pragma once

#include "importer/digest.h"
#include "importer/stage.h"

/** verify_new() - a stage that computes the digest of a stream, and fails the end of it unless that is right
 * @expected:   NULL = any will do; then it is a SHA-256
 * @ret_found:  gets the digest at the end; may be NULL
 * @next:       owned from the call on, also on failure; NULL = the digest is all that is wanted
 * Return: 0 or -errno. */
int verify_new(const Digest *expected, Digest *ret_found, Stage *next, Stage **ret, Error *e);
