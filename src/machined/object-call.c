/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands between sd-bus and the operations, see object-call.h. */
#include "machined/object-call.h"

/* From a handler's result to what sd-bus wants. */
static int result(int r, const Error *e, sd_bus_error *error) {
        return r < 0 ? bus_error_set(error, r, e) : 1;
}

int object_call_machine(sd_bus_message *call, Machine *machine, sd_bus_error *error,
                        int (*op)(Manager *, Machine *, sd_bus_message *, Error *)) {
        Error e = {};

        return result(op(manager_edge(machine)->manager, machine, call, &e), &e, error);
}

int object_call_named_machine(sd_bus_message *call, Manager *m, sd_bus_error *error,
                              int (*op)(Manager *, Machine *, sd_bus_message *, Error *)) {
        Error e = {};
        Machine *machine;
        const char *name;
        int r = op_read(call, &e, "s", &name);

        if (r >= 0)
                r = manager_find(m, name, &machine, &e);
        if (r >= 0)
                r = op(m, machine, call, &e);
        return result(r, &e, error);
}

int object_call_image(sd_bus_message *call, const ImageObject *object, sd_bus_error *error,
                      int (*op)(Manager *, const Image *, sd_bus_message *, Error *)) {
        Error e = {};

        return result(op(object->manager, object->image, call, &e), &e, error);
}

int object_call_named_image(sd_bus_message *call, Manager *m, sd_bus_error *error,
                            int (*op)(Manager *, const Image *, sd_bus_message *, Error *)) {
        ImageObject *object;
        Error e = {};
        const char *name;
        int r = op_read(call, &e, "s", &name);

        if (r >= 0)
                r = image_object_get(m, name, &object, &e);
        if (r >= 0)
                r = op(m, object->image, call, &e);
        return result(r, &e, error);
}

int object_call_plain(sd_bus_message *call, Manager *m, sd_bus_error *error,
                      int (*op)(Manager *, sd_bus_message *, Error *)) {
        Error e = {};

        return result(op(m, call, &e), &e, error);
}
