/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points in time as people write them. */
#pragma once

#include "base/macro.h"

/** when_parse() - "2026-11-22 20:15:30", "2026-11-22", "20:15", "@1763842530", "now", "today", "yesterday",
 * "-90s", "2h ago"; local time
 * @now: µs since 1970
 * @ret: the same of what was meant
 * Return: 0; -EINVAL; -ERANGE it was before 1970. */
int when_parse(const char *text, uint64_t now, uint64_t *ret);
