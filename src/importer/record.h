/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a transfer's worker tells the daemon: lines of text, added to a file. The daemon may come and go
 * meanwhile and reads on from where it was. Lines that it does not know are those of a later version.
 *
 *   worker PID START         who writes this, and when it was started, in ticks since boot; the first line
 *   phase WORD               what is done now
 *   progress RATIO DONE ALL  of 10000; bytes; each "-" if it is not known
 *   log LEVEL TEXT           for people
 *   done                     the last line, each of these three
 *   canceled
 *   failed ERRNO TEXT        the sentence is in a log line, too */
#pragma once

#include <sys/types.h>

#include "base/error.h"

typedef enum RecordType {
        RECORD_PROGRESS, /* ratio, done, total */
        RECORD_WORKER,   /* pid, start */
        RECORD_PHASE,    /* phase */
        RECORD_LOG,      /* level, text */
        RECORD_DONE,     /* the image is there */
        RECORD_CANCELED, /* given up because asked to */
        RECORD_FAILED,   /* code, text */
        _RECORD_TYPE_MAX,
} RecordType;

/* What a transfer is at. Not each has them all. */
typedef enum Phase {
        PHASE_PREPARE, /* locks, room, temporary files */
        PHASE_FETCH,   /* bytes come in over the network; unpacking goes on at the same time */
        PHASE_VERIFY,  /* digests and signatures */
        PHASE_UNPACK,  /* an archive becomes a tree */
        PHASE_CONVERT, /* a disk image becomes a raw one */
        PHASE_COPY,    /* a tree or a disk, as it is */
        PHASE_PACK,    /* an image becomes an archive */
        PHASE_SYNC,    /* what was written goes to the disk */
        PHASE_COMMIT,  /* it gets its name */
        _PHASE_MAX,
} Phase;

/* A number of bytes that is not known. */
#define RECORD_UNKNOWN UINT64_MAX

typedef struct Record {
        RecordType type;
        Phase phase;
        double ratio;         /* 0 to 1; below 0 = not known */
        uint64_t done, total; /* bytes; RECORD_UNKNOWN */
        pid_t pid;            /* of the worker */
        uint64_t start;       /* of that process, in ticks since boot */
        int level;            /* of syslog */
        int code;             /* -errno */
        const char *text;     /* one line; within the line that was parsed */
} Record;

#define RECORD_LINE_MAX 1024

/** phase_name() - "unpack" and the like; NULL = there is no such phase */
const char *phase_name(Phase p);

/** record_write() - add one line in one write. Return: 0 or -errno. */
int record_write(int fd, const Record *r);
/** record_parse() - read one line without its newline, which may be written to. Return: 0 or -EINVAL. */
int record_parse(char *line, Record *ret);
