/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may look, see privacy.h. A property is read in one go, when it is too late to ask polkit: so that
 * happens before, in a filter that sees the message first. */
#include "machined/privacy.h"

#include "machined/op.h"

#define INSPECT        BUS_MACHINE1_NAME ".inspect-machines"
#define INSPECT_IMAGES BUS_MACHINE1_NAME ".inspect-images"

/* The machine whose properties a message wants; NULL = none. */
static Machine *find_subject(Manager *m, sd_bus_message *message) {
        _cleanup_free_ char *name = NULL;

        if (!sd_bus_message_is_method_call(message, BUS_PROPERTIES, NULL) ||
            sd_bus_path_decode(sd_bus_message_get_path(message), BUS_MACHINE1_MACHINE, &name) <= 0)
                return NULL;
        return streq(name, "self") ? manager_caller_machine(m, message)
                                   : registry_by_name(&m->registry, name);
}

bool privacy_reveals(Manager *m) {
        sd_bus_message *message = m->asked_on ? sd_bus_get_current_message(m->asked_on) : NULL;

        return m->reveals || !message ||
               !sd_bus_message_is_method_call(message, BUS_PROPERTIES, NULL);
}

Machine *privacy_view(Manager *m, Machine *machine) {
        if (privacy_reveals(m))
                return machine;
        m->stranger_view = (Machine){
                .name = machine->name,
                .class = machine->class,
                .service = machine->service,
                .scope_job = machine->scope_job,
                .is_closing = machine->is_closing,
                .leader = MACHINE_PROCESS_NONE,
                .supervisor = MACHINE_PROCESS_NONE,
                .vsock_cid = MACHINE_VSOCK_ANY,
                .uid = (uid_t) -1,
                .path = machine->path,
                .edge = machine->edge,
        };
        return &m->stranger_view;
}

const Image *privacy_image(Manager *m, const Image *image) {
        static char nothing[] = "";

        if (privacy_reveals(m))
                return image;
        m->stranger_image = (Image){
                .name = image->name,
                .path = nothing,
                .type = image->type,
                .usage = UINT64_MAX,
                .usage_exclusive = UINT64_MAX,
                .limit = UINT64_MAX,
                .limit_exclusive = UINT64_MAX,
        };
        return &m->stranger_image;
}

static int check_properties(Manager *m, sd_bus_message *message) {
        _cleanup_free_ char *image = NULL;
        const Machine *machine = find_subject(m, message);
        const char *path = sd_bus_message_get_path(message);

        if (machine) {
                const char *details[] = { "machine", machine->name, "verb", "get_properties",
                                          NULL };
                return polkit_check_quietly(m->daemon.polkit, message, INSPECT, details,
                                            machine->uid, NULL);
        }
        if (!sd_bus_message_is_method_call(message, BUS_PROPERTIES, NULL) || !path)
                return 1;
        if (sd_bus_path_decode(path, BUS_MACHINE1_IMAGE, &image) > 0) {
                const char *details[] = { "image", image, "verb", "get_properties", NULL };
                return polkit_check_quietly(m->daemon.polkit, message, INSPECT_IMAGES, details,
                                            POLKIT_NOBODY, NULL);
        }
        return streq(path, BUS_MACHINE1_PATH)
                       ? privacy_check_images(m, message, "get_properties", NULL)
                       : 1;
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;

        /* An object for each caller: it is found in one go too. */
        if (streq_ptr(sd_bus_message_get_path(message), BUS_MACHINE1_MACHINE "/self") &&
            sd_bus_message_is_method_call(message, NULL, NULL) &&
            polkit_find_caller(m->daemon.polkit, message, NULL, NULL, NULL) == 0)
                return 1;
        m->asked_on = sd_bus_message_get_bus(message);
        m->reveals = true;
        int r = check_properties(m, message);
        m->reveals = r > 0;
        return r == 0;
}

int privacy_watch(Manager *m, sd_bus *bus, Error *e) {
        int r = sd_bus_add_filter(bus, NULL, on_message, m);

        return r < 0 ? error_set(e, r, "cannot watch who reads properties: %m") : 0;
}

void privacy_unwatch(Manager *m, sd_bus *bus) {
        if (m->asked_on == bus)
                m->asked_on = NULL;
}

int privacy_check(Manager *m, sd_bus_message *call, const Machine *machine, const char *verb,
                  Error *e) {
        return op_authorize(m, call, INSPECT, machine, verb, machine->uid, e);
}

int privacy_check_any(Manager *m, sd_bus_message *call, const char *verb, Error *e) {
        const char *details[] = { "verb", verb, NULL };

        return polkit_check(m->daemon.polkit, call, INSPECT, details, POLKIT_NOBODY, e);
}

int privacy_check_image(Manager *m, sd_bus_message *call, const Image *image, const char *verb,
                        Error *e) {
        const char *details[] = { "image", image->name, "verb", verb, NULL };

        return polkit_check(m->daemon.polkit, call, INSPECT_IMAGES, details, POLKIT_NOBODY, e);
}

int privacy_check_images(Manager *m, sd_bus_message *call, const char *verb, Error *e) {
        const char *details[] = { "verb", verb, NULL };

        return polkit_check_quietly(m->daemon.polkit, call, INSPECT_IMAGES, details, POLKIT_NOBODY,
                                    e);
}
