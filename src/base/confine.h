/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process that reads foreign bytes gives up first: capabilities, paths, system calls. Each can be
 * taken alone; none can be had back. "No new privileges" comes first, the rest needs it. */
#pragma once

#include "base/error.h"

/** confine_privileges() - no program that is executed gains anything. Return: 0 or -errno. */
int confine_privileges(Error *e);
/** confine_capabilities() - drop all capabilities but @keep (1 << CAP_*), in every set
 * Return: 0 or -errno. */
int confine_capabilities(uint64_t keep, Error *e);
/** confine_paths() - nothing in any file system can be opened, made or changed by its path any more,
 * but below one directory
 * @dir_fd: that directory; -EBADF = none. Nothing can be executed from it.
 * Return: 1 it is so; 0 this kernel has no Landlock that would do; -errno. */
int confine_paths(int dir_fd, Error *e);
/** confine_paths_reading() - the same, but for what is below another directory, which can be read
 * @read_fd: that directory; -EBADF = none */
int confine_paths_reading(int dir_fd, int read_fd, Error *e);
/** confine_reading() - of all file systems only these files, and what is in these directories, can be read, and
 * nothing made, changed or executed; no TCP port can be listened at, and where the kernel can say so, no abstract
 * socket and no process outside be reached
 * @paths: absolute; those that are not there are passed over
 * Return: 1 it is so; 0 this kernel has no Landlock that would do; -errno. */
int confine_reading(const char *const *paths, size_t n, Error *e);

/** confine_running() - the same for who is going to execute a program that is not ours
 * @paths:  can be executed, too
 * @dir_fd: a directory in which all but that is allowed; -EBADF = none */
int confine_running(const char *const *paths, size_t n, int dir_fd, Error *e);

typedef struct ConfineCall {
        int number;
        uint32_t argument; /* if not 0: its second argument must be this (ioctl) */
        uint32_t first;    /* if not 0: its first argument must be this (socket) */
} ConfineCall;

/** confine_calls() - of the system calls only these are let through, others fail with EPERM
 *
 * What malloc() and the end of a process take need not be named. Memory that can be executed cannot be had through mmap() and mprotect() either, and clone() makes threads
 * alone. Does nothing in programs built with sanitizers, whose runtime needs more calls than ours.
 * Return: 1 it is so; 0 there is no filter in this build; -errno. */
int confine_calls(const ConfineCall *calls, size_t n, Error *e);
/** confine_calls_without() - these system calls fail with EPERM, and clone3() with ENOSYS: for a program that is not ours,
 * of which nobody knows all that it needs
 * Return: as above. */
int confine_calls_without(const int *calls, size_t n, Error *e);
