/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The helper that asks for a password on the terminal when polkit wants one. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

typedef struct Agent {
        pid_t pid; /* 0 = none runs */
        bool tried;
} Agent;

/** agent_start() - have pkttyagent running, if there is somebody to ask: not for root, and only where
 * stdin is a terminal. Does nothing the second time. What goes wrong is not an error: without an agent
 * the call is refused, and that is reported. */
void agent_start(Agent *a);
/** agent_stop() - end it and wait for it */
void agent_stop(Agent *a);
