/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a transfer's worker tells the daemon: lines of text, added to a file. The daemon may come and go
 * meanwhile and reads on from where it was. */
#pragma once

#include "base/error.h"

typedef enum RecordType {
        RECORD_PROGRESS, /* ratio */
        RECORD_LOG,      /* level, text */
        RECORD_DONE,     /* the image is there */
        RECORD_CANCELED, /* given up because asked to */
        RECORD_FAILED,   /* a log line said why */
        _RECORD_TYPE_MAX,
} RecordType;

typedef struct Record {
        RecordType type;
        double ratio;     /* 0 to 1 */
        int level;        /* of syslog */
        const char *text; /* one line; within the line that was parsed */
} Record;

#define RECORD_LINE_MAX 1024

/** record_write() - add one line in one write. Return: 0 or -errno. */
int record_write(int fd, const Record *r);
/** record_parse() - read one line without its newline. Return: 0 or -EINVAL. */
int record_parse(const char *line, Record *ret);
