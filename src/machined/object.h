/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The objects on the bus: Manager, machines, images. */
#pragma once

#include "machined/manager.h"

/** object_add_all() - put them on the bus. Return: 0 or -errno. */
int object_add_all(Manager *m, Error *e);
