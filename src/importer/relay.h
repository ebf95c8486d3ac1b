/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stage that hands its bytes on in a thread of its own, so that what comes before and what comes
 * after run at the same time. */
#pragma once

#include "importer/stage.h"

/** relay_new() - put a thread before @next
 * @next: owned from the call on, also on failure
 * Return: 0 or -errno. */
int relay_new(Stage *next, Stage **ret, Error *e);
