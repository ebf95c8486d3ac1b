/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving memory back while there is nothing to do. */
#pragma once

/** shrink() - let go of the program's and its libraries' code and constants
 * They are unchanged copies of files: what is needed again comes back from the page cache when it is
 * touched. Free heap goes back to the kernel. Cheap, but each page costs a fault on its return, so
 * for idle times only. */
void shrink(void);
