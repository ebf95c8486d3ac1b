/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The object by which `systemctl service-log-level` changes how much a daemon says. It prints nothing:
 * setting the level is up to the owner. */
#pragma once

#include <syslog.h>
#include <systemd/sd-bus.h>

#include "base/error.h"

typedef struct LogControl {
        const char *identifier; /* SYSLOG_IDENTIFIER, static */
        int level;              /* the level in force */
        void (*set_level)(int level);
} LogControl;

/** log_control_set() - change the level */
void log_control_set(LogControl *c, int level);
/** log_level_parse() - "err", "info", "debug", … or 0 to 7. Return: the level or -EINVAL. */
int log_level_parse(const char *s);
/** log_level_name() - the word for a level */
const char *log_level_name(int level);
/** log_control_add() - put org.freedesktop.LogControl1 on the bus
 * @c: has to outlive @bus. Return: 0 or -errno. */
int log_control_add(sd_bus *bus, LogControl *c);
