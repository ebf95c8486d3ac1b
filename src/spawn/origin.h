/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine was made of, noted in its runtime file for the registry. The lines are
 *   leader PID, image PATH, ephemeral yes, settings PATH...
 * in this order; those after the last "leader" count. */
#pragma once

#include "spawn/run.h"
#include "spawn/spec.h"

/** origin_note() - write that down, for a machine that is registered. What cannot be noted is not known. */
void origin_note(const Spec *spec, Run *run);
