/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Namespaces of others that a container is put into: those that its document names by a path. */
#pragma once

#include "oci/config.h"
#include "spawn/run.h"

/** oci_joins() - whether there is any */
bool oci_joins(const Spec *spec);

/** oci_join_open() - PHASE_HOST: open them, and look whether they are of the kind they are said to be
 * Return: 0 or -errno. */
int oci_join_open(const OciConfig *c, Run *run, Error *e);
/** oci_join_close() - let go of them */
void oci_join_close(Run *run);

/** oci_join_enter() - PHASE_BUILD: the calling process, and so PID 1, enters those of network, IPC, names, control
 * groups and time. Return: 0 or -errno. */
int oci_join_enter(Run *run, Error *e);
/** oci_join_open_users() - open the user namespace alone, before there is a Run
 * Return: the namespace or -errno. */
int oci_join_open_users(const OciConfig *c, Error *e);
/** oci_join_users() - the builder enters the user namespace, to make PID 1 there and do nothing else any more
 * Return: 0 or -errno. */
int oci_join_users(const Run *run, Error *e);
/** oci_join_pid() - make children of the caller be in the PID namespace, or in its own again
 * Return: 0, also if there is none; -errno. */
int oci_join_pid(const Run *run, bool enter, Error *e);
