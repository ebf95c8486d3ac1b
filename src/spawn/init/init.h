/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-init: the only program of ours that is ever executed inside a machine. A few kilobytes without a
 * library, kept as bytes in skep-spawn and executed from a sealed memory file. So no process inside
 * has a file of the host as its /proc/PID/exe, which a payload that is the host's root could change.
 *
 *   skep-init exec SOCKET PROGRAM ARGV…   become the payload; SOCKET learns when that fails
 *   skep-init label SOCKET FILE TEXT PROGRAM ARGV…
 *                                         the same, after writing TEXT to FILE, which must be one of proc
 *   skep-init wait GATE [hook …] exec|label …
 *                                         first wait until a byte comes out of GATE
 *   skep-init hook SOCKET STATE SECONDS ARGC ENVC PROGRAM ARGV… "" ENV… "" [hook …] exec|label …
 *                                         first run a program to its end, with the file STATE on its stdin,
 *                                         for no longer than SECONDS, unless that is 0; SOCKET learns when it
 *                                         fails
 *   skep-init [wait …] [hook …] filter FD COUNT FLAGS exec|label …
 *                                         at the end load the filter program of that many instructions that is
 *                                         in the file FD
 *   skep-init join SOCKET HOW [FILE TEXT] PROGRAM ARGV…
 *                                         fork, and become the payload in the child once SOCKET says so;
 *                                         HOW: 't' with the terminal on stdin, 'd' die with the parent,
 *                                         'l' with a label; '-' nothing of that
 *   skep-init stub PID                    be PID 1 to the payload, which has this PID */
#pragma once

#include <stddef.h>

extern const unsigned char init_image[];
extern const size_t init_image_size;
