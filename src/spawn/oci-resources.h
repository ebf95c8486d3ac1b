/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linux.resources of an OCI document, in both ways that there are to have them: as files of a control group
 * (cgroup2), and as properties of the unit whose group it is. Values that are those of the older hierarchy are
 * converted as runc and crun do. The device policy is another room's. */
#pragma once

#include "oci/config.h"

/* A file of a control group and what is to be written into it, line by line. */
typedef struct OciLimit {
        char *file;
        char *value;
        bool exact;    /* it was named by its file: that it is not there is no matter of the host */
        bool optional; /* says what is so anyway where there is no such file */
} OciLimit;

typedef struct OciLimits {
        OciLimit *v;
        size_t n;
} OciLimits;

/** oci_limits_done() - free it */
void oci_limits_done(OciLimits *l);

/** oci_resources_plan() - what is to be written where, in order
 * @notes: a line for what cgroup2 has no word for and does without, may be NULL
 * Return: 0; -EINVAL, -EOPNOTSUPP values that do not go together or that cgroup2 cannot do; -ENOMEM. */
int oci_resources_plan(const OciResources *r, OciLimits *ret, Buf *notes, Error *e);

/** oci_resources_write() - give a control group its limits, or other ones while it is in use
 * A controller that the whole tree lacks, as others use it or the kernel was built without it, is told in @notes;
 * one that the tree has and the group has not is an error.
 * Return: 0; -EBUSY with checkBeforeUpdate: it already uses more; or as oci_resources_plan(); -errno. */
int oci_resources_write(const OciResources *r, int cgroup_fd, Buf *notes, Error *e);

/** oci_resources_properties() - as "NAME=VALUE" that property.h takes; what has no property is left out
 * @ret: is added to
 * Return: as oci_resources_plan(). */
int oci_resources_properties(const OciResources *r, char ***ret, Error *e);
