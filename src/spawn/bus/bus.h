/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The calls over D-Bus that the spawner needs, for skep-spawn-bus. */
#pragma once

#include <systemd/sd-bus.h>

#include "base/id128.h"
#include "base/text.h"

/* The scope of a machine. */
typedef struct BusScope {
        const char *machine;
        const char *unit; /* its name */
        pid_t pid;        /* around this process */
        int kill_signal;
        const char *slice;
        char *const *properties; /* "NAME=VALUE", NULL-terminated */
        bool is_controller; /* the connection stays open when we are gone, and is asked to stop it */
} BusScope;

/* A machine as its manager enters it. */
typedef struct BusMachine {
        const char *name;
        pid_t leader;
        Id128 uuid;
        const char *directory;
        const int *network_indices;
        size_t n_network;
} BusMachine;

/** bus_open() - open the system bus
 * @socket:  connected to it, taken over; -EBADF = connect
 * Return: 0; -ENOTCONN with @e set, whatever the cause. */
int bus_open(int socket, sd_bus **ret, Error *e);
/** bus_start_scope() - make a machine's scope and wait until it is there
 * A scope of that name that has failed is cleared away.
 * Return: 0; -EEXIST a scope of that name is there; other -errno. */
int bus_start_scope(sd_bus *bus, const BusScope *s, Error *e);
/** bus_find_manager() - who the service manager is on the bus, and whoever it will be: the bus is asked to
 * tell of changes on this connection
 * @ret: it is ":1.N"
 * Return: 0 or -errno. */
int bus_find_manager(sd_bus *bus, uint64_t *ret, Error *e);
/** bus_set_properties() - change "NAME=VALUE" of a unit, for as long as it runs. Return: 0 or -errno. */
int bus_set_properties(sd_bus *bus, const char *unit, char *const *properties, Error *e);
/** bus_stop_scope() - stop it and wait until it is gone. Return: 0 or -errno. */
int bus_stop_scope(sd_bus *bus, const char *unit, Error *e);
/** bus_register() - enter the machine at the machine manager
 * Return: 0; -EEXIST the name is taken; other -errno. */
int bus_register(sd_bus *bus, const BusMachine *machine, Error *e);
/** bus_unregister() - Return: 0 or -errno. */
int bus_unregister(sd_bus *bus, const char *machine, Error *e);
