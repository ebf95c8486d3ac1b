/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readiness of a container, where whoever runs us is told of it through $NOTIFY_SOCKET: the payload gets a socket of
 * its own, in a folder of ours that it sees as /run/notify. */
#pragma once

#include "oci/config.h"
#include "spawn/oci/container.h"

/** ready_is_wanted() - whether somebody wants to be told */
bool ready_is_wanted(void);
/** ready_prepare() - make the folder, and have the document show it to the payload
 * @root: as of container_make()
 * Return: 0 or -errno. */
int ready_prepare(Container *c, const char *root, OciConfig *config, Error *e);
/** ready_listen() - before the payload is let go: the socket in that folder
 * Return: a descriptor; -ENOENT it was made when nobody wanted to be told; -errno. */
int ready_listen(const Container *c, Error *e);
/** ready_wait() - wait until the payload says that it is ready, or has ended, and pass that on
 * Return: 0 or -errno. */
int ready_wait(const Container *c, int fd, Error *e);
/** ready_remove() - remove folder and socket; never fails */
void ready_remove(const Container *c);
