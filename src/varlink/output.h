/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits to be written to a connection: texts, each ended by NUL, some with a descriptor. */
#pragma once

#include "base/fd.h"

typedef struct VarlinkFrame VarlinkFrame;

typedef struct VarlinkOutput {
        VarlinkFrame *first, *last;
        size_t n_bytes; /* that are not written yet */
} VarlinkOutput;

/** varlink_output_done() - throw all away */
void varlink_output_done(VarlinkOutput *o);
/** varlink_output_add() - put a text at the end
 * @text: consumed on success, with its n + 1 bytes
 * @fd:   duplicated; -EBADF = none
 * Return: 0 or -errno. */
int varlink_output_add(VarlinkOutput *o, Buf *text, int fd);
/** varlink_output_write() - write as much as the socket takes
 * Return: 1 all is written; 0 there is more; -errno. */
int varlink_output_write(VarlinkOutput *o, int sock);
