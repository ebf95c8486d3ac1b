/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One place that log entries come from, read by a process of its own: a machine wrote its files as it liked,
 * so whoever parses them has given up everything but their descriptors. */
#pragma once

#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"
#include "ctl/journal.h"

#define LOG_SOURCE_FILES_MAX 256
#define LOG_ENTRY_MAX        (256 * 1024)

/* What is wanted of a source. */
typedef struct LogRequest {
        const char *mode;    /* as journal_tail() has them */
        unsigned lines;      /* the last ones only; UINT_MAX = all */
        uint64_t since_usec; /* µs since 1970; 0 = all */
        uint64_t until_usec; /* the same; 0 = all */
        bool follow;
} LogRequest;

typedef struct LogEntry {
        JournalTime at;
        char *text; /* formatted, with its newline */
        size_t n;   /* bytes of it; in "export" they need not be text */
} LogEntry;

typedef struct LogSource {
        pid_t pid;
        int fd;          /* what the process tells; -EBADF = it has ended */
        Buf pending;     /* of a record that is not complete */
        bool is_binary;  /* what it tells is for programs */
        LogEntry next;   /* text NULL = there is none yet */
        bool is_current; /* what was there before is told; from here on it comes as it happens */
} LogSource;

/** log_source_open_units() - entries of units of this system. Return: 0 or -errno. */
int log_source_open_units(char *const *units, const LogRequest *q, LogSource *ret, Error *e);
/** log_source_open_files() - entries of journal files, which nobody trusts
 * @fds, @n: regular files; the caller closes them. Return: 0 or -errno. */
int log_source_open_files(const int *fds, size_t n, const LogRequest *q, LogSource *ret, Error *e);
/** log_source_read() - take in what there is, without waiting for more than that; sets @s->next
 * Return: 1 there is an entry, or the past is told, or it has ended; 0 not yet; -errno. */
int log_source_read(LogSource *s);
/** log_source_take() - the entry is the caller's, and the next one may be read */
LogEntry log_source_take(LogSource *s);
/** log_source_done() - end the process. Return: false if it died of what it read. */
bool log_source_done(LogSource *s);
