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
                r = polkit_caller(m->daemon.polkit, call, NULL, &pid, e);
                if (r < 0)
                        return r;
        }

        Machine *machine = registry_by_pid(&m->registry, pid);
        if (!machine)
                return error_set(e, ERR_NO_MACHINE_FOR_PID,
                                 "PID %d does not belong to any known machine", pid);
        return op_sent(sd_bus_reply_method_return(call, "o", machine->path), e);
}

/* As sd_bus_message_append() does it, without parsing a signature per row and checking text that was
 * checked when it came in: with a thousand machines that is a third of the time. */
static int append_text(sd_bus_message *reply, const char *s) {
        size_t n = strlen(s);
        char *space;
        int r = sd_bus_message_append_string_space(reply, n, &space);

        if (r >= 0)
                memcpy(space, s, n);
        return r;
}

static int append_row(sd_bus_message *reply, const Machine *machine) {
        int r = sd_bus_message_open_container(reply, 'r', "ssso");

        if (r >= 0)
                r = append_text(reply, machine->name);
        if (r >= 0)
                r = append_text(reply, machine_class_name(machine->class));
        if (r >= 0)
                r = append_text(reply, strempty(machine->service));
        if (r >= 0)
                r = sd_bus_message_append_basic(reply, 'o', machine->path);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int op_list_machines(Manager *m, sd_bus_message *call, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(call, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssso)");
        for (const Machine *i = m->registry.first; r >= 0 && i; i = i->next)
                r = append_row(reply, i);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(m->daemon.bus, reply, NULL);
        return op_sent(r, e);
}
