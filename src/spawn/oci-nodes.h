/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices and links of a container. Unlike a machine's, its /dev may be any folder of the image, with anything in
 * it: all is made beneath what was opened once, and nothing of the image is followed. */
#pragma once

#include "oci/config.h"
#include "spawn/node-plan.h"
#include "spawn/run.h"

/** oci_nodes_apply() - PHASE_INNER, once all is mounted
 * umask must be 0. Return: 0 or -errno. */
int oci_nodes_apply(const NodePlan *dev, const OciLinux *l, const Run *run, Error *e);
/** oci_nodes_console() - PHASE_INNER: show the terminal as /dev/console. Return: 0 or -errno. */
int oci_nodes_console(const Spec *spec, const Run *run, Error *e);
