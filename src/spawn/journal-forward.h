/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --forward-journal: the machine's journal as it is written, sent to a receiver on the host. The receiver is
 * systemd-journal-remote; it listens at /run/host/journal/socket inside, and nowhere on the host. */
#pragma once

#include "spawn/run.h"

#define JOURNAL_FORWARD_FOLDER "run/host/journal"
#define JOURNAL_FORWARD_NAME   "socket"
#define JOURNAL_FORWARD_SOCKET "/" JOURNAL_FORWARD_FOLDER "/" JOURNAL_FORWARD_NAME

/** journal_forward_wants() - whether there is a receiver to start */
bool journal_forward_wants(const Spec *spec);
/** journal_forward_prepare() - PHASE_HOST: look for the receiver, make its socket and the folder to write to
 * Return: 0; -ENOPKG when the receiver is not installed; -errno. */
int journal_forward_prepare(const Spec *spec, Run *run, Error *e);
/** journal_forward_apply() - PHASE_BUILD, after the mounts: let the socket listen inside */
int journal_forward_apply(const Run *run, Error *e);
/** journal_forward_start() - PHASE_ATTACH: start the receiver */
int journal_forward_start(const Spec *spec, Run *run, Error *e);
/** journal_forward_revert() - let the receiver write out what it has, and end it */
void journal_forward_revert(Run *run);
