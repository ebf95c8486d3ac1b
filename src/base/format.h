/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values as text for people: sizes, points in time, how long ago, spans. The forms are those that
 * the tools of systemd print, since scripts and eyes are used to them. Each function writes into a
 * buffer of the caller's and returns it. */
#pragma once

#include "base/macro.h"

#define FORMAT_MAX 80 /* enough for every form made here */

/** format_bytes() - "0B", "512B", "10M", "1.4G": 1024-based, one decimal unless it is zero
 * @bytes: UINT64_MAX gives "infinity". Return: @text. */
const char *format_bytes(uint64_t bytes, char text[static FORMAT_MAX]);
/** format_timestamp() - "Sun 2026-11-22 11:07:57 UTC" in the local time zone
 * @realtime_usec: µs since 1970; 0 or UINT64_MAX is no time. Return: @text, "-" for no time. */
const char *format_timestamp(uint64_t realtime_usec, char text[static FORMAT_MAX]);
/** format_relative() - "10s ago", "1h 1min ago", "2 days ago", "3 weeks 1 day ago"
 * @realtime_usec: the point in time; @now_usec: what counts as now (both µs since 1970). A point in
 * the future ends in "left". Return: @text. */
const char *format_relative(uint64_t realtime_usec, uint64_t now_realtime_usec,
                            char text[static FORMAT_MAX]);
/** format_span() - a duration in at most two units: "0s", "850ms", "7s", "2min 5s", "3h", "1d 4h"
 * @usec: UINT64_MAX gives "infinity". Return: @text. */
const char *format_span(uint64_t usec, char text[static FORMAT_MAX]);
/** format_percent() - what per cent of @whole @part is, cut to a whole number
 * Return: UINT_MAX if one of the two is UINT64_MAX, which says "unknown" or "none", or there is no whole. */
unsigned format_percent(uint64_t part, uint64_t whole);
/** now_realtime_usec() - CLOCK_REALTIME in µs */
uint64_t now_realtime_usec(void);
