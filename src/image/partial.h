/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was downloaded of an image and can be gone on with, in a directory of images: bytes in a file ".skep-part.HEX",
 * and in one with ".state" behind that, how far they are. Who works on one holds the flock() on its state; what
 * nobody holds stays for some time, for who goes on, and is swept then. What is in the files is the importer's. */
#pragma once

#include "base/error.h"

#define PARTIAL_PREFIX ".skep-part."
#define PARTIAL_STATE  ".state"
#define PARTIAL_DIGITS 32

/* What is left alone that long is not gone on with any more. */
#define PARTIAL_AGE_USEC ((uint64_t) 14 * 24 * 3600 * 1000000)

/** partial_lock() - take one, making it if it is not there
 * @name:  of the file with the bytes
 * @ret_fd, @ret_state_fd: of both, to read and to write; closing the latter lets go of it
 * Return: 1; 0 somebody else has it; -errno. */
int partial_lock(int dir_fd, const char *name, int *ret_fd, int *ret_state_fd);
/** partial_remove() - remove one that is held */
void partial_remove(int dir_fd, const char *name);
/** partials_sweep() - remove those that nobody works on and that were left alone for some time
 * @age_usec: at least that long; 0 = all
 * Return: how many; the first -errno after having tried all. */
int partials_sweep(const char *directory, uint64_t age_usec, Error *e);
