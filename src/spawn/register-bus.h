/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls over D-Bus behind register.h. To be used in a child that ends soon: libsystemd is loaded for
 * good. */
#pragma once

#include "spawn/dl-systemd.h"
#include "spawn/run.h"

typedef struct RegisterBus {
        Systemd sd;
        sd_bus *bus;
        bool is_lent; /* the connection stays open when we are gone, and is the scope's controller */
} RegisterBus;

/** register_bus_open() - load the library and open the system bus
 * @socket:  connected to it, taken over; -EBADF = connect
 * Return: 0; -ENOTCONN with @e set, whatever the cause. */
int register_bus_open(RegisterBus *b, int socket, Error *e);
void register_bus_done(RegisterBus *b);

/** register_bus_start_scope() - make the machine's scope around a process and wait until it is there
 * A scope of that name that has failed is cleared away.
 * @unit: its name
 * @pid:  the process
 * Return: 0; -EEXIST a scope of that name is there; other -errno. */
int register_bus_start_scope(RegisterBus *b, const Spec *spec, const char *unit, pid_t pid,
                             Error *e);
/** register_bus_find_manager() - who the service manager is on the bus, and whoever it will be: the bus is
 * asked to tell of changes on this connection
 * @ret: it is ":1.N"
 * Return: 0 or -errno. */
int register_bus_find_manager(RegisterBus *b, uint64_t *ret, Error *e);
/** register_bus_stop_scope() - stop it and wait until it is gone. Return: 0 or -errno. */
int register_bus_stop_scope(RegisterBus *b, const char *unit, Error *e);
/** register_bus_register() - enter the machine at the machine manager
 * Return: 0; -EEXIST the name is taken; other -errno. */
int register_bus_register(RegisterBus *b, const Spec *spec, const Run *run, Error *e);
/** register_bus_unregister() - Return: 0 or -errno. */
int register_bus_unregister(RegisterBus *b, const char *machine, Error *e);
