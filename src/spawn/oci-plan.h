/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plans of a container, out of the document of its bundle: it sees exactly the mounts that are written there, in
 * that order, and beside them only the devices that the specification names. Pure, as all plans are. */
#pragma once

#include "oci/config.h"
#include "spawn/plan.h"

/** oci_mount_plan() - all mounts
 * @ret:  points into @spec, which must outlive it
 * Return: 0; -EINVAL with the path in the document; -ENOMEM. */
int oci_mount_plan(const Spec *spec, MountPlan *ret, Error *e);

/** oci_device_plan() - the devices and links that every container's /dev has */
void oci_device_plan(const DeviceFacts *facts, NodePlan *ret);

/** oci_plan_rights() - the five sets of capabilities
 * Names that are not known are passed over. */
void oci_plan_rights(const OciCapabilities *c, PlanRights *ret);

/** oci_plan_make() - plan_make() for a container */
int oci_plan_make(const Spec *spec, const Facts *facts, const IdPlan *ids, Plan *ret, Error *e);
