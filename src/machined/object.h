/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects on the bus: Manager, machines, images. */
#pragma once

#include "machined/manager.h"

/** object_add_all() - put them on a bus: the system's, or a connection of two. Return: 0 or -errno. */
int object_add_all(Manager *m, sd_bus *bus, Error *e);
/** object_add_skep() - the interfaces of our own on them. Return: >= 0 or -errno. */
int object_add_skep(Manager *m, sd_bus *bus);
/** object_find_machine() - sd_bus_object_find_t of the paths of machines, "self" among them */
int object_find_machine(sd_bus *bus, const char *path, const char *interface, void *userdata,
                        void **ret_found, sd_bus_error *error);
