/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What we offer beyond the common interfaces, on the same objects: org.skep.Manager1 and
 * org.skep.Machine1. */
#include "machined/object-call.h"
#include "machined/object.h"
#include "machined/origin.h"

SKEP_MACHINE_OPS(MACHINE_STUBS)
SKEP_MANAGER_OPS(PLAIN_STUB)

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SKEP_MANAGER_OPS(PLAIN_METHOD) SKEP_MACHINE_OPS(TWIN_METHOD)
                SD_BUS_SIGNAL_WITH_NAMES("ImageNew", "so", P(image) P(path), 0),
        SD_BUS_SIGNAL_WITH_NAMES("ImageChanged", "so", P(image) P(path), 0),
        SD_BUS_SIGNAL_WITH_NAMES("ImageRemoved", "so", P(image) P(path), 0),
        SD_BUS_VTABLE_END,
};

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", machine_state_name(userdata));
}

static int get_origin(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_(origin_done) Origin o = {};
        int r = origin_read(userdata, &o);

        if (r < 0)
                return r;
        if (streq(property, "Image"))
                return sd_bus_message_append(reply, "s", strempty(o.image));
        if (streq(property, "Ephemeral"))
                return sd_bus_message_append(reply, "b", (int) o.is_ephemeral);
        return sd_bus_message_append_strv(reply, o.settings);
}

static int get_template(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *template = origin_template(((const Machine *) userdata)->unit);

        return template ? sd_bus_message_append(reply, "s", template) : -ENOMEM;
}

/* Who asks for the properties of all interfaces at once, as machinectl does, gets what it knows: ours are told
 * by name. */
#define CONST   (SD_BUS_VTABLE_PROPERTY_EXPLICIT | SD_BUS_VTABLE_PROPERTY_CONST)
#define CHANGES (SD_BUS_VTABLE_PROPERTY_EXPLICIT | SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION)

static const sd_bus_vtable machine_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
        SD_BUS_PROPERTY("Image", "s", get_origin, 0, CONST),
        SD_BUS_PROPERTY("Ephemeral", "b", get_origin, 0, CONST),
        SD_BUS_PROPERTY("SettingsFiles", "as", get_origin, 0, CONST),
        SD_BUS_PROPERTY("UnitTemplate", "s", get_template, 0, CONST),
        SKEP_MACHINE_OPS(OWN_METHOD) SD_BUS_VTABLE_END,
};

int object_add_skep(Manager *m, sd_bus *bus) {
        int r = sd_bus_add_object_vtable(bus, NULL, BUS_MACHINE1_PATH, BUS_SKEP_MANAGER1,
                                         manager_vtable, m);

        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_MACHINE1_MACHINE, BUS_SKEP_MACHINE1,
                                               machine_vtable, object_find_machine, m);
        return r;
}
