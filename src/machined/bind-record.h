/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was mounted into running machines: one small file per mount, written by the worker that mounts, so
 * that a daemon that starts again knows as much as the one before. A record is believed only of the
 * process that it names, and only while the mount is there. */
#pragma once

#include "base/text.h"
#include "machined/machine.h"

#define BIND_RECORDS_DIRECTORY "/run/skep/binds"

typedef struct BindRecord {
        char *source;      /* on the host */
        char *destination; /* in the machine, as asked for */
        bool read_only;
        bool is_mapped;     /* owners are the machine's */
        uint64_t mount_id;  /* as in mountinfo: may come again; also the name of the file */
        uint64_t unique_id; /* never comes again; 0 = the kernel has none */
        uint64_t realtime;  /* µs; when it was mounted */
        uint64_t leader;    /* PID of the machine's leader */
        uint64_t started;   /* when that process was started, in ticks since boot */
} BindRecord;

typedef struct BindRecords {
        BindRecord *v;
        size_t n;
} BindRecords;

void bind_record_done(BindRecord *r);
void bind_records_done(BindRecords *r);

/** bind_record_format() - the text of a record's file. Return: 0 or -ENOMEM. */
int bind_record_format(const BindRecord *r, Buf *ret);
/** bind_record_parse() - the opposite. Return: 0; -EINVAL; -ENOMEM. */
int bind_record_parse(const char *text, BindRecord *ret);

/** bind_records_open() - the folder of a machine's records
 * @make: make it where it is not there
 * Return: a descriptor; -ENOENT; -errno. */
int bind_records_open(const char *machine, bool make);
/** bind_records_write() - write one down, in one step. Return: 0 or -errno. */
int bind_records_write(int dir_fd, const BindRecord *r);
/** bind_records_remove() - forget one */
void bind_records_remove(int dir_fd, const BindRecord *r);
/** bind_records_read() - the records of a process, oldest first; those of another are removed
 * Return: 0 or -errno. */
int bind_records_read(int dir_fd, uint64_t leader, uint64_t started, BindRecords *ret);
/** bind_records_forget() - a machine is gone: so are its records */
void bind_records_forget(const char *machine);
/** bind_records_sweep() - forget all but those of machines that @is_known says are there */
void bind_records_sweep(bool (*is_known)(const char *machine, void *userdata), void *userdata);
