/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readiness, both ways: to the service manager that started us, and from the payload. */
#pragma once

#include "base/text.h"

/** notify_manager() - send a state ("READY=1\nSTATUS=…") to $NOTIFY_SOCKET
 * Return: 1 sent; 0 there is no such socket to send to; -errno. */
int notify_manager(const char *state);
/** notify_manager_fds() - the same with @n descriptors, at most NOTIFY_FDS_MAX, which stay ours */
int notify_manager_fds(const char *state, const int *fds, size_t n);

#define NOTIFY_FDS_MAX 16

/* What a payload may tell us. */
typedef struct NotifyMessage {
        bool ready;
        char *status;  /* NULL = nothing said; printable, one line */
        bool store;    /* the manager is to keep the descriptors until the next start */
        bool forget;   /* it is to let go of those of that name */
        char *fd_name; /* what they are called; NULL = no name, or none that one may have */
        int fds[NOTIFY_FDS_MAX];
        size_t n_fds;
} NotifyMessage;

void notify_message_done(NotifyMessage *m);
/** notify_parse() - read a message; fields that payloads have no business with are passed over
 * Return: 0; -EINVAL (not text); -ENOMEM. */
int notify_parse(const char *text, size_t n, NotifyMessage *ret);
/** notify_socket() - a datagram socket, not yet bound, that takes messages from a payload and tells
 * who sent them. Return: the descriptor or -errno. */
int notify_socket(Error *e);
/** notify_receive() - take one message from the socket
 * @with_fds: take the descriptors as well that come with it, if they are to be stored
 * @leader: the one process that is listened to
 * Return: 1 and *@ret filled; 0 from somebody else; -EAGAIN nothing there; other -errno. */
int notify_receive(int sock, pid_t leader, bool with_fds, NotifyMessage *ret);
