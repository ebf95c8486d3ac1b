/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the control group of an OCI container is, by the cgroupsPath of its document: a path in the tree of
 * cgroup2, or the words "SLICE:PREFIX:NAME" for a scope that the service manager makes. */
#pragma once

#include "spawn/spec.h"

/** oci_cgroup_fill() - put what a document says into a Spec
 * @where:    cgroupsPath; NULL or "" = it says nothing
 * @id:       of the container
 * @systemd:  the service manager makes the group
 * Return: 0; -EINVAL what it says is no place of the kind that is asked for; -ENOMEM. */
int oci_cgroup_fill(Spec *s, const char *where, const char *id, bool systemd, Error *e);

/** oci_cgroup_path() - path of the group below the cgroup2 mount
 * A relative one is below the group that ours is in, as ours has processes and so no controllers to hand down.
 * @own: path of our own group, which matters to a relative one alone
 * Return: 0; -EINVAL; -ENOMEM. */
int oci_cgroup_path(const char *where, const char *id, const char *own, char **ret, Error *e);
/** oci_cgroup_scope() - slice and scope out of "SLICE:PREFIX:NAME"; without a slice it is system.slice
 * Return: 0; -EINVAL; -ENOMEM. */
int oci_cgroup_scope(const char *where, const char *id, char **ret_slice, char **ret_scope,
                     Error *e);

/** oci_cgroup_make() - make the group and those above it, and hand down to it the controllers that there are
 * One that is there and holds nobody is as good as a new one.
 * @missing:  names of controllers that could not be handed down; may be NULL
 * Return: a descriptor of its directory; -EBUSY it has processes; -ENOENT there is no cgroup2; -errno. */
int oci_cgroup_make(const char *path, Buf *missing, Error *e);
