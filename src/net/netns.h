/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Network namespaces of others. We never enter one ourselves. */
#pragma once

#include "base/error.h"

/** netns_socket() - a socket (close-on-exec) in another namespace, which it keeps alive
 * What may be done over it, the kernel decides by who asks: so we can ask as the host's root.
 * @type, @protocol:  as for socket(2)
 * Return: the descriptor or -errno. */
int netns_socket(int netns_fd, int family, int type, int protocol, Error *e);
/** netns_do() - have a child that shares nothing with us do something in another namespace
 * @task: what it does; returns 0 or -errno
 * Return: what @task returned; -errno. */
int netns_do(int netns_fd, int (*task)(const void *data), const void *data, Error *e);
/** netns_open() - (close-on-exec) a file that is a network namespace, such as ip-netns(8) makes
 * Return: the descriptor; -EINVAL it is something else; -errno. */
int netns_open(const char *path, Error *e);
