/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding and listing machines. */
#include "machined/op.h"

int op_get_machine(Manager *m, sd_bus_message *call, Error *e) {
        Machine *machine;
        const char *name;
        int r = op_read(call, e, "s", &name);

        if (r >= 0)
                r = manager_find(m, name, &machine, e);
        return r < 0 ? r : op_sent(sd_bus_reply_method_return(call, "o", machine->path), e);
}

int op_get_machine_by_pid(Manager *m, sd_bus_message *call, Error *e) {
        uint32_t number;
        pid_t pid;
        int r = op_read(call, e, "u", &number);

        if (r < 0)
                return r;
        if (number > INT32_MAX)
                return error_set(e, EINVAL, "%u is not a process ID", number);
        pid = (pid_t) number;
        if (pid == 0) {
                r = polkit_find_caller(m->daemon.polkit, call, NULL, &pid, e);
                if (r <= 0)
                        return r;
        }

        const Machine *machine = manager_by_leader(m, pid);
        if (!machine)
                machine = registry_by_pid(&m->registry, pid);
        if (!machine)
                return error_set(e, ERR_NO_MACHINE_FOR_PID,
                                 "PID %d does not belong to any known machine", pid);
        return op_sent(sd_bus_reply_method_return(call, "o", machine->path), e);
}

/* Kept until a machine comes or goes: to visit a thousand of them takes longer than all else. */
static const Wire *written_list(Manager *m) {
        Wire *w = &m->machine_list;

        if (w->n > 0)
                return w;
        size_t list = wire_open_array(w, 8);
        for (const Machine *i = m->registry.first; i; i = i->next) {
                wire_struct(w);
                wire_text(w, i->name);
                wire_text(w, machine_class_name(i->class));
                wire_text(w, i->service);
                wire_text(w, i->path);
        }
        wire_close_array(w, list, 8);
        return w;
}

/* Where others are to be answered first, or so much at once cannot be. */
static int list_by_library(const Registry *registry, sd_bus_message *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(call, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssso)");
        for (const Machine *i = registry->first; r >= 0 && i; i = i->next)
                r = sd_bus_message_append(reply, "(ssso)", i->name, machine_class_name(i->class),
                                          strempty(i->service), i->path);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int op_list_machines(Manager *m, sd_bus_message *call, Error *e) {
        int r = wire_reply(call, "a(ssso)", written_list(m));

        return op_sent(r == 0 ? list_by_library(&m->registry, call) : r, e);
}
