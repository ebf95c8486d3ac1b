/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A view that is drawn again and again, on a screen of its own, until somebody has seen enough. */
#pragma once

#include "ctl/ctl.h"

/** live_is_wanted() - whether there is somebody to look at it: a terminal at both ends, and neither --once
 * nor JSON was asked for */
bool live_is_wanted(const Ctl *c);
/** live_run() - draw, wait, and draw again, until "q" or a signal
 * @draw: puts a whole view into c->out; its first failure ends it
 * Return: 0 or what @draw returned. */
int live_run(Ctl *c, int (*draw)(Ctl *c, void *userdata, Error *e), void *userdata, Error *e);
