/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may look, see privacy.h. A property is read in one go, when it is too late to ask polkit: so that
 * happens before, in a filter that sees the message first. */
#include "machined/privacy.h"

#include "machined/op.h"

#define INSPECT BUS_MACHINE1_NAME ".inspect-machines"

/* The machine whose properties a message wants; NULL = none. */
static Machine *find_subject(Manager *m, sd_bus_message *message) {
        _cleanup_free_ char *name = NULL;

        if (!sd_bus_message_is_method_call(message, BUS_PROPERTIES, NULL) ||
            sd_bus_path_decode(sd_bus_message_get_path(message), BUS_MACHINE1_MACHINE, &name) <= 0)
                return NULL;
        return streq(name, "self") ? manager_caller_machine(m, message)
                                   : registry_by_name(&m->registry, name);
}

Machine *privacy_view(Manager *m, Machine *machine) {
        sd_bus_message *message = sd_bus_get_current_message(m->daemon.bus);

        if (m->reveals || !message || !sd_bus_message_is_method_call(message, BUS_PROPERTIES, NULL))
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

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Manager *m = userdata;
        Machine *machine = find_subject(m, message);

        m->reveals = true;
        if (!machine)
                return 0;
        const char *details[] = { "machine", machine->name, "verb", "get_properties", NULL };
        int r = polkit_check_quietly(m->daemon.polkit, message, INSPECT, details, machine->uid,
                                     NULL);
        m->reveals = r > 0;
        return r == 0;
}

int privacy_watch(Manager *m, Error *e) {
        int r = sd_bus_add_filter(m->daemon.bus, NULL, on_message, m);

        return r < 0 ? error_set(e, r, "cannot watch who reads properties: %m") : 0;
}

int privacy_check(Manager *m, sd_bus_message *call, const Machine *machine, const char *verb,
                  Error *e) {
        return op_authorize(m, call, INSPECT, machine, verb, machine->uid, e);
}
