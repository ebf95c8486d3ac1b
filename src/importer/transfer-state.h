/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written down of a transfer: lines of KEY=VALUE, one for each thing that a later daemon has to know. */
#pragma once

#include "importer/transfer.h"

/** transfer_state_write() - replace the file @name in one step. Return: 0 or -errno. */
int transfer_state_write(int state_fd, const char *name, const Transfer *t);
/** transfer_state_read() - the opposite
 * @t: fresh from transfer_new(). Keys that are not known are those of a later version.
 * Return: 0; -EBADMSG = it makes no sense; -errno. */
int transfer_state_read(int state_fd, const char *name, Transfer *t, Error *e);
