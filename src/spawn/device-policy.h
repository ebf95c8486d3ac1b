/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The device policy of a machine that no service manager keeps: a program on its control group that allows
 * what is in its /dev, terminals, and nothing else. */
#pragma once

#include <linux/bpf.h>

#include "spawn/device.h"
#include "spawn/node-plan.h"

typedef struct DevicePolicy {
        struct bpf_insn *insns;
        size_t n;
} DevicePolicy;

/** device_policy_make() - the program
 * @dev:    what every machine has
 * @given, @bound:  what this one is given, one way or another
 * Return: 0 or -ENOMEM. */
int device_policy_make(const NodePlan *dev, const DeviceNodes *given, const DeviceNodes *bound,
                       DevicePolicy *ret);
/** device_policy_done() - free it */
void device_policy_done(DevicePolicy *p);

/** device_policy_attach() - put it on a control group, which it goes with
 * Return: 0; -EPERM where we may not, inside of a machine for one; -errno. */
int device_policy_attach(const DevicePolicy *p, int cgroup_fd, Error *e);
