/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of a container of an OCI runtime: the record that is kept of it, and what others are told of
 * it. Pure data; whether it runs, somebody else has to find out. */
#pragma once

#include "base/json-shape.h"

#define OCI_STATE_MAX (1U << 20) /* bytes of a record */

typedef enum OciStatus {
        OCI_STATUS_CREATING,
        OCI_STATUS_CREATED, /* the payload waits to be executed */
        OCI_STATUS_RUNNING,
        OCI_STATUS_PAUSED,
        OCI_STATUS_STOPPED,
        _OCI_STATUS_MAX,
} OciStatus;

typedef struct OciState {
        char *version; /* of the specification that the bundle is of */
        char *id;
        char *bundle, *rootfs; /* absolute */
        char *created;         /* "2026-01-31T12:00:00.123456789Z" */
        char *owner;           /* name of the user who made it */
        JsonPairs annotations;

        /* PID 1. A PID is used again, and so is a start time after a reboot; all three together are not. */
        JsonUnsigned pid;        /* unset until there is one */
        bool is_made;            /* by whoever made it, who is done */
        JsonUnsigned start_time; /* in ticks, as in /proc/PID/stat */
        char *boot_id;

        char *cgroup;     /* path below the cgroup2 mount; NULL = it has none of its own */
        char *scope;      /* unit that the group is of; NULL = none */
        bool shares_pids; /* its PID namespace is somebody else's */
} OciState;

/** oci_state_parse() - read a record
 * @ret:  all zero; oci_state_done() frees it, also after a failure
 * Return: 0; -EINVAL; -ENOMEM. */
int oci_state_parse(const char *text, OciState *ret, Error *e);
/** oci_state_write() - write a record that oci_state_parse() reads as the same. Return: 0 or -ENOMEM. */
int oci_state_write(const OciState *s, Buf *out);
/** oci_state_done() - free what it holds */
void oci_state_done(OciState *s);

/** oci_state_format() - what `state` and `list` print of a container, as the specification has it and as runc
 * adds to it
 * @pretty:  one member a line
 * Return: 0 or -ENOMEM. */
int oci_state_format(const OciState *s, OciStatus status, bool pretty, Buf *out);
/** oci_state_for_hooks() - what a hook is told on its stdin. Return: 0 or -ENOMEM. */
int oci_state_for_hooks(const OciState *s, OciStatus status, Buf *out);

/** oci_status_name() - "running" */
const char *oci_status_name(OciStatus status);
/** oci_id_is_valid() - whether a container may be called that; it is then a plain name of a file */
bool oci_id_is_valid(const char *id);
/** oci_time_format() - µs since 1970 as RFC 3339, with nine digits after the point */
#define OCI_TIME_MAX 40
const char *oci_time_format(uint64_t usec, char buffer[static OCI_TIME_MAX]);
