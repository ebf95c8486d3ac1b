/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a unit has written to the journal of this system. */
#pragma once

#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include "base/error.h"
#include "base/text.h"

/* When an entry was written. */
typedef struct JournalTime {
        uint64_t realtime, monotonic; /* µs */
        sd_id128_t boot;              /* what the second one is of */
} JournalTime;

/** journal_last_message() - the last message of a unit in this boot, made printable
 * Return: 0; -ENODATA there is none, or we may not read it; other -errno. */
int journal_last_message(const char *unit, char **ret);
/** journal_tail() - the last lines of a unit in this boot, formatted
 * @mode:       "short" and its kin, "cat", "with-unit", "json…"; NULL = "short"
 * @lines:      how many entries at most
 * @since_usec: µs of CLOCK_MONOTONIC, nothing older
 * @out:        lines are added
 * Return: number of entries or -errno. */
int journal_tail(const char *unit, const char *mode, unsigned lines, uint64_t since_usec, Buf *out,
                 Error *e);
/** journal_format_entry() - the entry that a journal is at, as one of the modes has it
 * @ret_at: when it was written
 * Return: 0 or -errno. */
int journal_format_entry(sd_journal *j, const char *mode, JournalTime *ret_at, Buf *out);
/** journal_put_delta() - fill in how long after another entry one of "short-delta" was written
 * @text, @n: as journal_format_entry() made it, with room for that; anything else is left alone */
void journal_put_delta(char *text, size_t n, const JournalTime *before, const JournalTime *at);
/** journal_put_fields() - all fields of the entry that a journal is at
 * @mode: "json…", "verbose" or "export"; what the last one makes is no text
 * Return: 0 or -errno. */
int journal_put_fields(sd_journal *j, const char *mode, const JournalTime *at, Buf *out);
