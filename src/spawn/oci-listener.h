/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A filter that asks somebody: the descriptor that the kernel's questions come from is made in PID 1 with the filter,
 * and goes to the socket that the document names. From the moment that it is made PID 1 can ask nobody for
 * anything, for it may be this that the kernel would ask about; so the supervisor takes it, and the two tell each
 * other by a page of memory alone. */
#pragma once

#include "spawn/plan.h"
#include "spawn/run.h"

/** oci_listener_wants() - whether the container's filter can ask */
bool oci_listener_wants(const Spec *spec);
/** oci_listener_prepare() - PHASE_HOST: make the page. Return: 0 or -errno. */
int oci_listener_prepare(Run *run, Error *e);
/** oci_listener_revert() - take it away */
void oci_listener_revert(Run *run);
/** oci_listener_load() - PID 1: load a filter of either kind, and wait until somebody has the descriptor
 * Return: 0 or -errno. */
int oci_listener_load(const SeccompProgram *p, const Run *run, Error *e);
/** oci_listener_serve() - the supervisor, when PID 1 is about to: take the descriptor, and send it to the listener
 * with what the container is
 * Return: 0, also if PID 1 ends; -errno. */
int oci_listener_serve(const Spec *spec, const Run *run, Error *e);
