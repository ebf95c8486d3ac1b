/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What may be in an image of a class, whether it comes from an archive or from a directory.
 *
 * A machine is a system of its own: in it, setuid programs and file capabilities are those of its users, whom the
 * spawner keeps in it. Portable services, and extensions of the host even more, run in the host's own user
 * name space: there a setuid program is a way for every user of the host, and a node that removes a file removes
 * one of the host's. What a service needs in privileges its unit says. */
#pragma once

#include <sys/stat.h>

#include "importer/image-class.h"

/** policy_takes_node() - whether an image may have such a device, FIFO or socket
 * Of devices only those that every machine is given anyway (null, zero, full, random, urandom, tty, ptmx) and the 0:0
 * that marks a removed file, and those in machines only: nothing good comes of a disk in an image. */
bool policy_takes_node(ImageClass c, mode_t type, dev_t device);
/** policy_takes_xattr() - whether an image may have such an extended attribute
 * Labels (security.selinux) belong to a host's policy, trusted.* to a host's overlays; file capabilities are for
 * machines; so is what removes files in overlays of users. */
bool policy_takes_xattr(ImageClass c, const char *name);
/** policy_mode() - the mode that something of mode @mode gets, type included: no setuid and setgid for files outside
 * of machines */
mode_t policy_mode(ImageClass c, mode_t mode);
