/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Capabilities by name. Sets are bit masks, 1 << CAP_*. */
#pragma once

#include "base/text.h"

/** capability_name() - "CAP_SYS_ADMIN"; NULL = this build knows no name for the number */
const char *capability_name(unsigned number);
/** capability_parse() - a name in any case, with or without "CAP_"
 * Return: the number or -EINVAL. */
int capability_parse(const char *s);
/** capability_mask_parse() - names separated by commas or white space
 * Return: 0; -EINVAL with @e naming the one that is not known; -ENOMEM. */
int capability_mask_parse(const char *s, uint64_t *ret, Error *e);
/** capability_missing() - those of @mask that are not in our own bounding set, so that nobody whom we start
 * can have them */
uint64_t capability_missing(uint64_t mask);
/** capability_mask_format() - names separated by spaces. Return: 0 or -ENOMEM. */
int capability_mask_format(uint64_t mask, Buf *out);
