/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stage that lets bytes through and checks, when the stream ends, that they were the right ones. */
#pragma once

#include "importer/stage.h"

#define VERIFY_SHA256_SIZE 32

/** verify_parse_sha256() - 64 hex digits. Return: 0 or -EINVAL. */
int verify_parse_sha256(const char *text, uint8_t ret[static VERIFY_SHA256_SIZE]);
/** verify_new() - a stage that fails the stream's end unless its SHA-256 is @expected
 * @next: owned from the call on, also on failure. Return: 0 or -errno. */
int verify_new(const uint8_t expected[static VERIFY_SHA256_SIZE], Stage *next, Stage **ret,
               Error *e);
