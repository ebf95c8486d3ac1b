/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From PID 1 of a container to its payload: what is different from a machine. */
#pragma once

#include "oci/config.h"
#include "spawn/payload.h"

/** oci_payload_user() - who it is
 * Users of the image are asked for the home alone. Return: 0 or -errno. */
int oci_payload_user(const Spec *spec, const Run *run, User *ret, Error *e);
/** oci_payload_make_directory() - PHASE_INNER: make the working directory if there is none. Return: 0 or -errno. */
int oci_payload_make_directory(const OciProcess *p, const Run *run, Error *e);
/** oci_payload_umask() - with which the payload starts, also of a machine */
mode_t oci_payload_umask(const Spec *spec);
/** oci_payload_set_size() - give a terminal the size that the document says, if it says any */
void oci_payload_set_size(const OciProcess *p, int terminal_fd);
/** oci_payload_prepare() - what is done as root before the payload is confined: the user may open again what it is
 * given as stdio, and the working directory is entered if root may */
void oci_payload_prepare(const Spec *spec, const User *u, Run *run);
/** oci_payload_confine() - payload_confine() with each set of capabilities as the document has it */
int oci_payload_confine(const Spec *spec, const Plan *plan, const User *u, Run *run, Error *e);
/** oci_payload_keep_filter() - hand a filter that can be loaded at the end to skep-init
 * @ret_fd:  untouched if it is not; else must be open when skep-init is executed
 * @argv:    its words, added to
 * Return: 0 or -errno. */
int oci_payload_keep_filter(const Spec *spec, const Plan *plan, int *ret_fd, char ***argv,
                            Error *e);
