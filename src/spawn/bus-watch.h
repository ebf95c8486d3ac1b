/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The far end of a connection to the system bus that somebody else opened: listens for the one signal by
 * which the service manager asks the controller of a scope to shut it down. libc only, and says
 * nothing itself, so that it can stay resident. */
#pragma once

#include "base/error.h"

#define BUS_WATCH_BUFFER 1024 /* longer messages are none of ours, and are skipped */

typedef struct BusWatch {
        int fd;           /* borrowed; -EBADF = not listening */
        uint64_t manager; /* the service manager is ":1.<manager>" on the bus */
        size_t skip;      /* bytes of a message to pass over */
        size_t n;         /* bytes that wait for the rest of their message */
        uint8_t bytes[BUS_WATCH_BUFFER];
} BusWatch;

/* One message, as far as we care; the strings point into it. */
typedef struct BusMessage {
        uint8_t type;
        bool swapped; /* the other byte order */
        const char *sender, *interface, *member;
        const uint8_t *body;
        size_t n_body;
} BusMessage;

/** bus_message_parse() - read the message at the start of a buffer
 * Return: its length (> 0), which may be more than @n: then *@ret is left alone; 0 = not enough to
 * tell; -EBADMSG. */
ssize_t bus_message_parse(const uint8_t *p, size_t n, BusMessage *ret);

/** bus_name_parse() - the number N of a unique name ":1.N". Return: 0 or -EINVAL. */
int bus_name_parse(const char *name, uint64_t *ret);

/** bus_watch_read() - take what has come, without waiting
 * @w: fd is set to -EBADF when the connection is over
 * Return: whether the service manager asked for a stop. */
bool bus_watch_read(BusWatch *w);
