/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What skep-spawn and skep-spawn-bus, the aide that uses the bus for it, agree on. */
#pragma once

#define BUS_AIDE      "skep-spawn-bus"
#define BUS_AIDE_LENT "--lent" /* first word: the connection at AIDE_FDS is the spawner's */

enum { BUS_AIDE_MANAGER }; /* ID that tells who the service manager is on a lent connection */
