/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The terminal of the payload as seen from outside: which mode, and what is pumped where. The
 * terminal itself is made inside the machine (console-inner in the payload's own steps). */
#pragma once

#include "spawn/run.h"

/** console_resolve() - turn CONSOLE_AUTO and CONSOLE_AUTOPIPE into a mode by what stdio is
 * Return: the mode, never one of the two. */
ConsoleMode console_resolve(ConsoleMode mode);
