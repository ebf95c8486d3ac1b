/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a machine has booted, as a worker finds out. */
#pragma once

#include "bus/operation.h"
#include "machined/enter.h"

/** readiness_work() - OperationKind.work: @arg is a Target; returns once the machine is ready
 * A machine with systemd in it is when that has done all that starting means; another one when its first
 * program executes. Return: 0; -ESRCH it has ended; -errno. */
int readiness_work(const void *arg, const WorkerOut *out, Error *e);
