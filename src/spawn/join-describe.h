/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What somebody wants to run in a machine, filled in with what the machine says of it. */
#pragma once

#include "base/join-call.h"
#include "spawn/join-target.h"

/** join_describe() - fill a request: user, program, environment and the machine's confinement
 * With a terminal, our own TERM, COLORTERM and NO_COLOR are handed on.
 * @q: as join_request_init() leaves it; its stdio is the caller's affair
 * Return: 0; -ENOENT the machine has no such user; -ESRCH it has ended; -errno. */
int join_describe(const JoinCall *c, const JoinTarget *t, JoinRequest *q, Error *e);
