/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounting where nobody sees it: in a mount namespace that a child has for a moment. */
#pragma once

#include "base/error.h"

/** mount_make_private() - let nothing that is mounted from now on reach whom our mounts came from
 * Return: 0 or -errno. */
int mount_make_private(void);

/** mount_child() - have something made in a mount namespace of its own, a copy of ours
 * @make:  runs in the child; returns a descriptor, or -errno with the Error filled
 * @ret:   that descriptor; the namespace goes with the child unless it is held by it. NULL = nothing is left
 *         of the child, and of what it mounted, when this returns
 * Return: 0; what @make failed with; -errno. */
int mount_child(int (*make)(void *userdata, Error *e), void *userdata, int *ret, Error *e);
