/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the list of machines, see machine-rows.h. How it is shown: ctl-list.c, ctl-list-all.c. */
#include "ctl/machine-rows.h"

#include "ctl/machine-ports.h"

#define IN_FLIGHT 32 /* questions at a time: each may cost the daemon a process */

static MachineRow *row_free(MachineRow *row) {
        if (!row)
                return NULL;
        free(row->name);
        free(row->class);
        free(row->service);
        free(row->os);
        free(row->version);
        free(row->addresses);
        free(row->ports);
        properties_done(&row->properties);
        free(row);
        return NULL;
}

void machine_rows_done(MachineRows *rows) {
        for (size_t i = 0; i < rows->n; i++)
                row_free(rows->v[i]);
        free(rows->v);
}

static int on_os_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        MachineRow *row = userdata;

        (*row->waiting)--;
        /* A machine may well have none, or be gone by now: the cell stays empty. */
        if (!sd_bus_message_is_method_error(m, NULL))
                (void) client_os_release(m, &row->os, &row->version, NULL);
        return 1;
}

static int on_addresses(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        MachineRow *row = userdata;

        (*row->waiting)--;
        if (!sd_bus_message_is_method_error(m, NULL))
                (void) client_addresses(m, 0, "\n", &row->addresses);
        return 1;
}

static int on_properties(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        MachineRow *row = userdata;

        (*row->waiting)--;
        if (!sd_bus_message_is_method_error(m, NULL))
                (void) properties_read(m, &row->properties);
        return 1;
}

static int read_machines(Ctl *c, MachineRows *rows, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name, *class, *service;
        int r = client_query(c, &peer_machine1, "ListMachines", &reply, e, NULL);

        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ssso)");
        while (r >= 0 &&
               (r = sd_bus_message_read(reply, "(ssso)", &name, &class, &service, NULL)) > 0) {
                if (name[0] == '.' && !c->o.all)
                        continue;

                MachineRow **v = reallocarray(rows->v, rows->n + 1, sizeof(*v)), *row;
                if (!v)
                        return error_oom(e);
                rows->v = v;
                row = rows->v[rows->n] = calloc(1, sizeof(*row));
                if (!row)
                        return error_oom(e);
                rows->n++;
                row->waiting = &rows->waiting;
                if (str_replace(&row->name, name) < 0 || str_replace(&row->class, class) < 0 ||
                    str_replace(&row->service, service) < 0 ||
                    machine_ports(c, name, "\n", &row->ports) < 0)
                        return error_oom(e);
        }
        return r < 0 ? error_set(e, r, "cannot read the list of machines: %m") : 0;
}

static int ask(Ctl *c, MachineRow *row, const char *member, sd_bus_message_handler_t handler) {
        int r = sd_bus_call_method_async(c->bus, NULL, peer_machine1.name, peer_machine1.path,
                                         peer_machine1.interface, member, handler, row, "s",
                                         row->name);

        if (r >= 0)
                (*row->waiting)++;
        return r;
}

static int ask_properties(Ctl *c, MachineRow *row) {
        _cleanup_free_ char *path = NULL;
        int r = sd_bus_path_encode(BUS_MACHINE1_PATH "/machine", row->name, &path);

        if (r >= 0)
                r = sd_bus_call_method_async(c->bus, NULL, peer_machine1.name, path, BUS_PROPERTIES,
                                             "GetAll", on_properties, row, "s",
                                             "org.freedesktop.machine1.Machine");
        if (r >= 0)
                (*row->waiting)++;
        return r;
}

static bool has_room(void *userdata) {
        return ((MachineRows *) userdata)->waiting < IN_FLIGHT;
}

static bool has_all(void *userdata) {
        return ((MachineRows *) userdata)->waiting == 0;
}

static int ask_all(Ctl *c, MachineRows *rows, bool properties, Error *e) {
        int r;

        for (size_t i = 0; i < rows->n; i++) {
                r = ask(c, rows->v[i], "GetMachineOSRelease", on_os_release);
                if (r >= 0 && c->o.addresses > 0)
                        r = ask(c, rows->v[i], "GetMachineAddresses", on_addresses);
                if (r >= 0 && properties)
                        r = ask_properties(c, rows->v[i]);
                if (r < 0)
                        return error_set(e, r, "cannot ask about machine '%s': %m",
                                         rows->v[i]->name);
                r = client_wait(c, has_room, rows, e);
                if (r < 0)
                        return r;
        }
        return client_wait(c, has_all, rows, e);
}

int machine_rows_read(Ctl *c, bool properties, MachineRows *ret, Error *e) {
        int r = read_machines(c, ret, e);

        return r < 0 ? r : ask_all(c, ret, properties, e);
}
