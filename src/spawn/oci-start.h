/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and ending a container that skep-spawn stays with, with its hooks in their places. */
#pragma once

#include "oci/state.h"
#include "spawn/engine.h"

/** oci_start() - engine_start() for a container
 * @state:  what its hooks are told; filled here with what belongs to the Spec, and to be kept until oci_stop()
 * Return: as engine_start(). */
int oci_start(Engine *g, OciState *state, int *ret_status, Error *e);
/** oci_stop() - engine_stop(), and poststop hooks if the container was there at all
 * What they have to complain of is in g->notes. */
void oci_stop(Engine *g, OciState *state);
