/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of the image that follow those of the host. */
#pragma once

#include "spawn/run.h"

/** host_files_wants() - whether any file is to follow the host's */
bool host_files_wants(const Spec *spec);
/** host_files_apply() - PHASE_BUILD, after the mounts: make /etc/resolv.conf and /etc/localtime fit
 * That one cannot be made to fit is no reason not to start; where it was asked for, the user is told. */
void host_files_apply(const Spec *spec, const Run *run);
