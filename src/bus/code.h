/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Failures that have a name on the bus but no errno of their own. They are codes for error_set() just
 * as errno values are, above the highest errno that the kernel can ever use, so that rooms which know
 * nothing of D-Bus can say them and they survive the way through a pipe. EINVAL, EOPNOTSUPP, EACCES and
 * ENOBUFS become InvalidArgs, NotSupported, AccessDenied and LimitsExceeded by themselves. */
#pragma once

enum {
        ERR_NO_SUCH_MACHINE = 4096,
        ERR_NO_SUCH_IMAGE,
        ERR_NO_MACHINE_FOR_PID,
        ERR_MACHINE_EXISTS,
        ERR_NO_PRIVATE_NETWORKING,
        ERR_NO_SUCH_USER_MAPPING,
        ERR_NO_SUCH_GROUP_MAPPING,
        ERR_NO_SUCH_TRANSFER,
        ERR_TRANSFER_IN_PROGRESS,
        ERR_JOB_FAILED,
        ERR_NEEDS_INTERACTION, /* polkit would have asked somebody, but the caller did not allow it */
        ERR_COMMAND_NOT_FOUND, /* a command in a machine: as shells have 127 and 126 */
        ERR_COMMAND_NOT_EXECUTABLE,
        _ERR_MAX,
};
