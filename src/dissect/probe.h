/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at the bytes of an image with libblkid. Runs only where nothing is to be lost, see main.c. */
#pragma once

#include "image/dissection.h"

/** probe_image() - what is in an image
 * @fd:    file or block device; read with pread() and lseek()
 * @bare:  look for no partition table
 * @ret:   dissection_done() it
 * Return: as dissect_image(). */
int probe_image(int fd, bool bare, Dissection *ret, Error *e);
