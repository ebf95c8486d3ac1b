/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libsystemd, loaded when something needs it: a plain start does not, and what stays resident must not
 * carry it. */
#pragma once

#include <systemd/sd-bus.h>

#include "base/error.h"

#define SYSTEMD_SYMBOLS(S)                                                                         \
        S(sd_bus_open_system)                                                                      \
        S(sd_bus_new)                                                                              \
        S(sd_bus_set_fd)                                                                           \
        S(sd_bus_set_bus_client)                                                                   \
        S(sd_bus_start)                                                                            \
        S(sd_bus_flush_close_unref)                                                                \
        S(sd_bus_get_fd)                                                                           \
        S(sd_bus_get_unique_name)                                                                  \
        S(sd_bus_match_signal)                                                                     \
        S(sd_bus_process)                                                                          \
        S(sd_bus_wait)                                                                             \
        S(sd_bus_flush)                                                                            \
        S(sd_bus_call)                                                                             \
        S(sd_bus_call_method)                                                                      \
        S(sd_bus_error_free)                                                                       \
        S(sd_bus_error_get_errno)                                                                  \
        S(sd_bus_message_new_method_call)                                                          \
        S(sd_bus_message_append)                                                                   \
        S(sd_bus_message_append_array)                                                             \
        S(sd_bus_message_append_strv)                                                              \
        S(sd_bus_message_open_container)                                                           \
        S(sd_bus_message_close_container)                                                          \
        S(sd_bus_message_read)                                                                     \
        S(sd_bus_message_unref)

/* One pointer per function, under the function's own name. */
typedef struct Systemd {
#define SYSTEMD_FIELD(name) __typeof__(&name) name;
        SYSTEMD_SYMBOLS(SYSTEMD_FIELD)
#undef SYSTEMD_FIELD
} Systemd;

/** systemd_load() - load the library; it stays loaded until the process ends
 * Return: 0; -ENOPKG with @e set, if it is not there or lacks something. */
int systemd_load(Systemd *ret, Error *e);
