/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system bus of a guest, and commands run by the service manager that is on it. Only for workers: what
 * a guest says is not to be read in the daemon. */
#pragma once

#include <systemd/sd-bus.h>

#include "machined/enter.h"
#include "machined/session.h"

/** guest_bus_open() - connect
 * Return: 0; -ENOENT = there is no bus; -errno. */
int guest_bus_open(const Target *t, int root_fd, sd_bus **ret, Error *e);
/** guest_bus_open_manager() - connect to the guest's service manager itself, which is there before its bus
 * Return: as above. */
int guest_bus_open_manager(const Target *t, int root_fd, sd_bus **ret, Error *e);
/** guest_bus_login() - start a getty on a terminal of the guest
 * @pty_path: "/dev/pts/N". Return: 0 or -errno. */
int guest_bus_login(sd_bus *bus, const char *pty_path, Error *e);
/** guest_bus_start() - run a command as a transient service of the guest
 * @stdio:     standard input, output and error
 * @pty_path:  the terminal that they are; NULL = none
 * @ret_unit:  object path of the unit, new string
 * Return: 0 or -errno. */
int guest_bus_start(sd_bus *bus, const SessionRequest *request, const int stdio[static 3],
                    const char *pty_path, char **ret_unit, Error *e);
/** guest_bus_wait() - wait till a command has ended, or till nobody wants to know any more
 * @status: end of a pipe; when the other one is closed, the command is stopped
 * @ret:    how it ended
 * Return: 0 or -errno. */
int guest_bus_wait(sd_bus *bus, const char *unit, int status, SessionEnd *ret, Error *e);
