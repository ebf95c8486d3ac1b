/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the lists in op.h to vtables: a stub per operation and interface, which gets from a message to the
 * machine or image that it is about. */
#pragma once

#include "machined/op.h"

/** object_call_machine() - a method of a machine's object. Return: as sd-bus wants it. */
int object_call_machine(sd_bus_message *call, Machine *machine, sd_bus_error *error,
                        int (*op)(Manager *, Machine *, sd_bus_message *, Error *));
/** object_call_named_machine() - one of the Manager, that takes the machine's name first */
int object_call_named_machine(sd_bus_message *call, Manager *m, sd_bus_error *error,
                              int (*op)(Manager *, Machine *, sd_bus_message *, Error *));
/** object_call_image() - a method of an image's object */
int object_call_image(sd_bus_message *call, const ImageObject *object, sd_bus_error *error,
                      int (*op)(Manager *, const Image *, sd_bus_message *, Error *));
/** object_call_named_image() - one of the Manager, that takes the image's name first */
int object_call_named_image(sd_bus_message *call, Manager *m, sd_bus_error *error,
                            int (*op)(Manager *, const Image *, sd_bus_message *, Error *));
/** object_call_plain() - one of the Manager alone */
int object_call_plain(sd_bus_message *call, Manager *m, sd_bus_error *error,
                      int (*op)(Manager *, sd_bus_message *, Error *));

#define STUB(name, type, helper, op)                                                               \
        static int name(sd_bus_message *call, void *userdata, sd_bus_error *error) {               \
                return helper(call, (type *) userdata, error, op);                                 \
        }
#define MACHINE_STUBS(own, by_name, in, in_names, out, out_names, op)                              \
        STUB(own_##op, Machine, object_call_machine, op)                                           \
        STUB(named_##op, Manager, object_call_named_machine, op)
#define NAMED_STUB(by_name, in, in_names, out, out_names, op)                                      \
        STUB(named_##op, Manager, object_call_named_machine, op)
#define IMAGE_STUBS(own, by_name, in, in_names, out, out_names, op)                                \
        STUB(own_##op, const ImageObject, object_call_image, op)                                   \
        STUB(named_##op, Manager, object_call_named_image, op)
#define PLAIN_STUB(name, in, in_names, out, out_names, op)                                         \
        STUB(plain_##op, Manager, object_call_plain, op)

#define METHOD(name, in, in_names, out, out_names, stub)                                           \
        SD_BUS_METHOD_WITH_NAMES(name, in, in_names, out, out_names, stub,                         \
                                 SD_BUS_VTABLE_UNPRIVILEGED),
#define OWN_METHOD(own, by_name, in, in_names, out, out_names, op)                                 \
        METHOD(own, in, in_names, out, out_names, own_##op)
#define TWIN_METHOD(own, by_name, in, in_names, out, out_names, op)                                \
        METHOD(by_name, "s" in, P(name) in_names, out, out_names, named_##op)
#define NAMED_METHOD(by_name, in, in_names, out, out_names, op)                                    \
        METHOD(by_name, "s" in, P(name) in_names, out, out_names, named_##op)
#define PLAIN_METHOD(name, in, in_names, out, out_names, op)                                       \
        METHOD(name, in, in_names, out, out_names, plain_##op)
