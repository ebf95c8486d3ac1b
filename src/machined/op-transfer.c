/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files carried into and out of running machines, and mounts added to them: named so that introspection is
 * complete, and refused. */
#include "machined/op.h"

static int refuse(const Machine *machine, const char *what, Error *e) {
        return error_set(e, EOPNOTSUPP, "skep cannot %s yet (machine '%s')", what, machine->name);
}

int op_bind_mount(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return refuse(machine, "mount into running machines", e);
}

int op_copy_from(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return refuse(machine, "copy out of running machines", e);
}

int op_copy_to(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return refuse(machine, "copy into running machines", e);
}

int op_copy_from_flags(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return refuse(machine, "copy out of running machines", e);
}

int op_copy_to_flags(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return refuse(machine, "copy into running machines", e);
}
