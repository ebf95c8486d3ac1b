/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Error on our side, sd_bus_error on the wire: one table of names, used in both directions. */
#pragma once

#include <systemd/sd-bus.h>

#include "base/error.h"
#include "bus/code.h"

/** bus_error_name() - D-Bus name of a code from code.h (either sign); NULL for plain errno values */
const char *bus_error_name(int code);
/** bus_error_code() - code or errno (positive) that a D-Bus error name stands for; EIO if unknown */
int bus_error_code(const char *name);
/** bus_error_set() - turn a failure into the error reply of a method handler
 * @error: as given to the handler; takes copies
 * @r:     the negative code that was returned
 * @e:     its text, may be empty or NULL
 * Return: a negative errno, for the handler to return to sd-bus. */
int bus_error_set(sd_bus_error *error, int r, const Error *e);
/** bus_error_reply() - answer a call that was left open with a failure. Return: 0 or -errno. */
int bus_error_reply(sd_bus_message *m, int r, const Error *e);
/** bus_error_get() - turn what a call to a peer gave us into an Error
 * @r:     what the sd_bus_call…() function returned, negative; 0 = look at @error alone
 * @error: the peer's answer, may be unset
 * Return: the negative code, with @e set to the peer's text. */
int bus_error_get(Error *e, int r, const sd_bus_error *error);
