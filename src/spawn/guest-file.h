/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Single files of the image that the host has a say in: /etc/resolv.conf, /etc/localtime. PHASE_BUILD, in
 * the builder: the root is attached, "/" is still the host's. Whatever the image has in their place, nothing
 * is opened but a regular file and nothing outside of the image is reached. */
#pragma once

#include "spawn/run.h"

#define GUEST_FILE_MAX (16 * 1024)

/* A file of the host as we read it. */
typedef struct HostFile {
        size_t n;
        char data[GUEST_FILE_MAX];
} HostFile;

/* A name in a directory of the image. */
typedef struct GuestFile {
        const Run *run;
        const char *path; /* "/etc/resolv.conf" */
        int dir_fd;       /* the directory that it is in, O_PATH, borrowed */
} GuestFile;

/** host_file_read() - a small file of the host
 * @flags: O_NOFOLLOW or 0
 * Return: 0; -ENOENT; -ELOOP; -errno. */
int host_file_read(const char *path, int flags, HostFile *ret, Error *e);

/** guest_file_write() - put a file with this content there, owned by root inside, unless it is there already
 * @replace: also in place of what is no regular file
 * Return: 0; -ELOOP or -EEXIST something else is there; -EROFS; -errno. */
int guest_file_write(const GuestFile *f, const HostFile *content, bool replace, Error *e);
/** guest_file_link() - put a symlink there, in one step. Return: as guest_file_write(). */
int guest_file_link(const GuestFile *f, const char *target, Error *e);
/** guest_file_remove() - Return: 0, also when there was none; -errno. */
int guest_file_remove(const GuestFile *f, Error *e);
/** guest_file_bind() - mount a file of the host over it, read-only; it is made if it is missing
 * Return: 0 or -errno. */
int guest_file_bind(const GuestFile *f, const char *source, Error *e);
