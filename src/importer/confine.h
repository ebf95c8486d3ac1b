/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the processes that read foreign bytes and trees may still do: write below one directory, read below
 * another. */
#pragma once

#include "base/error.h"

/** confine_unpacker() - give up all that unpacking a tree does not need
 * No network; every file system read-only but for @target_fd; nothing opened or made outside of it
 * (Landlock, where the kernel has it); of root's capabilities those that owners, modes, nodes and file
 * capabilities need; no way to gain more. Without root the first two are not to be had, and Landlock has
 * to be there. The process must have one thread.
 * @target_fd:  the directory to unpack in
 * @ret_fd:     the same directory, by the only way in that can be written to; the caller's
 * Return: 0 or -errno. */
int confine_unpacker(int target_fd, int *ret_fd, Error *e);
/** confine_copier() - likewise for who copies from one tree to another: that one can be read, too
 * The mounts below @source_fd stay where they are.
 * @ret_source_fd, @ret_target_fd: by the only ways in; the caller's, who closes the ones given
 * Return: 0 or -errno. */
int confine_copier(int source_fd, int target_fd, int *ret_source_fd, int *ret_target_fd, Error *e);
/** confine_packer() - likewise for who reads a tree and writes nothing but to what is open already
 * Return: 0 or -errno. */
int confine_packer(int source_fd, int *ret_source_fd, Error *e);
/** confine_converter() - likewise for who reads and writes nothing but what is open already. Return: 0 or -errno. */
int confine_converter(Error *e);
/** confine_memory() - take no more memory than that, and the stacks of as many threads as are going to be
 * Archives say how long names and attributes are, and who reads them makes room for as much. To be called before the
 * above. No limit is set where sanitizers need all there is.
 * Return: 0 or -errno. */
int confine_memory(uint64_t bytes, Error *e);
/** confine_filter() - let only those system calls through that any of these needs, threads and memory included:
 * no socket, no program, no mount, no name space, no other process
 * To be called after one of the above, before threads are started.
 * Return: 1 it is so; 0 there is no filter in this build; -errno. */
int confine_filter(Error *e);
/** confine_filter_files() - likewise for who has open all that it needs: nothing is opened, and no owner, mode or mark
 * is changed, not even of that */
int confine_filter_files(Error *e);
/** confine_sync() - write the file system to the disk that a directory from the above is on
 * @place: where that is, for errors. Return: 0 or -errno. */
int confine_sync(int dir_fd, const char *place, Error *e);
