/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one printer of errors and notes. Only mains and the event edge of daemons call it. */
#pragma once

#include <syslog.h>

#include "base/error.h"

/** report_init() - remember the program's name
 * Under a service manager (stderr is the journal) lines carry a "<N>" level instead of the name.
 * $SKEP_LOG_LEVEL, or else $SYSTEMD_LOG_LEVEL (a number or a syslog name such as "debug"), sets the least
 * important level that is printed; the default is info. */
void report_init(const char *program);
/** report_set_level() - least important syslog level that is printed */
void report_set_level(int level);
/** report_error() - print an Error as one line
 * Return: EXIT_FAILURE, for `return report_error(&e)` in a main. */
int report_error(const Error *e);
/** report_warning() - print one line that is not fatal */
void report_warning(const char *format, ...) _printf_(1, 2);
/** report_note() - print one line for information; quiet modes lower the level to drop it */
void report_note(const char *format, ...) _printf_(1, 2);
/** report() - print one line at a syslog level */
void report(int level, const char *format, ...) _printf_(2, 3);
