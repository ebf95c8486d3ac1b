/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container's document says to the kernel that machines have no setting for: clocks, kernel parameters, the
 * domain name, how its processes are scheduled. */
#pragma once

#include "oci/config.h"
#include "spawn/spec.h"

bool oci_kernel_wants_clocks(const Spec *spec);
bool oci_kernel_wants_domain(const Spec *spec);
bool oci_kernel_wants_priority(const Spec *spec);
bool oci_kernel_wants_sysctl(const Spec *spec);

/** oci_kernel_clocks() - PHASE_INNER: a time namespace of our own, with its offsets. Return: 0 or -errno. */
int oci_kernel_clocks(const OciLinux *l, Error *e);
/** oci_kernel_domain() - PHASE_INNER: the NIS domain name. Return: 0 or -errno. */
int oci_kernel_domain(const OciConfig *c, Error *e);
/** oci_kernel_priority() - PHASE_BUILD, with the host's rights: scheduler and I/O priority
 * @pid: of PID 1; 0 = the calling process
 * Return: 0 or -errno. */
int oci_kernel_priority(const OciProcess *p, pid_t pid, Error *e);

/** oci_kernel_check_sysctl() - whether a parameter belongs to a namespace that the container has for itself
 * @name:  as written
 * @ret:   path below /proc/sys
 * Return: 0; -EINVAL it is not a name, or would be the host's; -ENOMEM. */
int oci_kernel_check_sysctl(const OciConfig *c, const char *name, char **ret, Error *e);
/** oci_kernel_sysctl() - PHASE_INNER: write kernel parameters
 * Through the proc of the host, which nobody inside has any say in. Return: 0 or -errno. */
int oci_kernel_sysctl(const OciConfig *c, Error *e);
