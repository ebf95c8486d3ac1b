/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PID 1 for payloads that are no init: reaps what is orphaned, passes on requests to power off or
 * reboot, ends with its child. */
#pragma once

#include <sys/types.h>

#include "base/macro.h"

/** stub_init_run() - be PID 1 until the child has ended
 * @child: the payload
 * @argv:  of this process; what is there is of the host and is written over
 * Never returns: exits with the child's status (255 if a signal killed it), or reboots. */
_noreturn_ void stub_init_run(pid_t child, char **argv);
