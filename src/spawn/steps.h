/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps that make a machine, by phase. */
#pragma once

#include "spawn/engine.h"

/** steps_apply() - go through the steps of one phase that the Spec wants
 * Return: 0; -errno of the first that failed, with its name before the sentence. */
int steps_apply(Engine *g, Phase phase, Error *e);
/** steps_want() - whether a phase has any step for this machine */
bool steps_want(const Engine *g, Phase phase);
/** steps_revert() - take back what the steps did, the last one first; each does nothing if its step did not
 * @once_too: also what stays as it is when the payload reboots */
void steps_revert(Engine *g, bool once_too);
