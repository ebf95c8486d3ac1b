/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Joins the journal of a machine with that of the host: a link to it beside the host's own, or a folder of
 * the host that the machine writes into. */
#pragma once

#include "spawn/run.h"

/** journal_link_wants() - whether there is anything to look at; never for an ephemeral machine */
bool journal_link_wants(const Spec *spec);
/** journal_link_apply() - PHASE_BUILD, after the mounts
 * Return: 0, also where spec->link_journal only asks to try; -errno. */
int journal_link_apply(const Spec *spec, const Run *run, Error *e);
