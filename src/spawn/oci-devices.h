/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device policy of an OCI document: rules that allow and deny, with wildcards, of which the last one that
 * speaks of a device and a way to use it decides. */
#pragma once

#include "oci/config.h"
#include "spawn/device-policy.h"

/** oci_devices_policy() - the program
 * Nothing is allowed before the first rule. After the last one, what containers always have is: making
 * nodes, the devices of every /dev, terminals. A document without rules has its own devices as well.
 * Return: 0; -EINVAL; -ENOMEM. */
int oci_devices_policy(const OciConfig *c, DevicePolicy *ret, Error *e);
