/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list and list-images. What a machine runs and its addresses are asked of all machines at once, so
 * that the time does not grow with their number times the way to the daemon. */
#include "ctl/client.h"
#include "ctl/machine-ports.h"
#include "ctl/verbs.h"

#define IN_FLIGHT 32 /* questions at a time: each may cost the daemon a process */

/* One line of the list, while the answers come in. */
typedef struct Row {
        char *name, *class, *service;
        char *os, *version, *addresses, *ports;
        unsigned *waiting; /* answers that are outstanding, of all rows */
} Row;

static Row *row_free(Row *row) {
        if (!row)
                return NULL;
        free(row->name);
        free(row->class);
        free(row->service);
        free(row->os);
        free(row->version);
        free(row->addresses);
        free(row->ports);
        free(row);
        return NULL;
}

typedef struct Rows {
        Row **v;
        size_t n;
        unsigned waiting;
} Rows;

static void rows_done(Rows *rows) {
        for (size_t i = 0; i < rows->n; i++)
                row_free(rows->v[i]);
        free(rows->v);
}

static int on_os_release(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Row *row = userdata;

        (*row->waiting)--;
        /* A machine may well have none, or be gone by now: the cell stays empty. */
        if (!sd_bus_message_is_method_error(m, NULL))
                (void) client_os_release(m, &row->os, &row->version, NULL);
        return 1;
}

static int on_addresses(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Row *row = userdata;

        (*row->waiting)--;
        if (!sd_bus_message_is_method_error(m, NULL))
                (void) client_addresses(m, 0, "\n", &row->addresses);
        return 1;
}

static int read_machines(Ctl *c, Rows *rows, Error *e) {
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

                Row **v = reallocarray(rows->v, rows->n + 1, sizeof(*v)), *row;
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

static int ask(Ctl *c, Row *row, const char *member, sd_bus_message_handler_t handler) {
        int r = sd_bus_call_method_async(c->bus, NULL, peer_machine1.name, peer_machine1.path,
                                         peer_machine1.interface, member, handler, row, "s",
                                         row->name);

        if (r >= 0)
                (*row->waiting)++;
        return r;
}

static bool has_room(void *userdata) {
        return ((Rows *) userdata)->waiting < IN_FLIGHT;
}

static bool has_all(void *userdata) {
        return ((Rows *) userdata)->waiting == 0;
}

static int ask_all(Ctl *c, Rows *rows, Error *e) {
        int r;

        for (size_t i = 0; i < rows->n; i++) {
                r = ask(c, rows->v[i], "GetMachineOSRelease", on_os_release);
                if (r >= 0 && c->o.addresses > 0)
                        r = ask(c, rows->v[i], "GetMachineAddresses", on_addresses);
                if (r < 0)
                        return error_set(e, r, "cannot ask about machine '%s': %m",
                                         rows->v[i]->name);
                r = client_wait(c, has_room, rows, e);
                if (r < 0)
                        return r;
        }
        return client_wait(c, has_all, rows, e);
}

int verb_list(char *const *args, void *context, Error *e) {
        static const TableColumn columns[] = {
                { "machine" }, { "class" },     { "service" }, { "os" },
                { "version" }, { "addresses" }, { "ports" },
        };
        const size_t addresses = 5, ports = 6;
        bool has_ports = false;
        Ctl *c = context;
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_(rows_done) Rows rows = {};
        int r = read_machines(c, &rows, e);

        if (r >= 0)
                r = ask_all(c, &rows, e);
        if (r < 0)
                return r;

        r = table_new(columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; i < rows.n && r >= 0; i++) {
                const Row *row = rows.v[i];
                const char *const cells[] = { row->name,    row->class,     row->service, row->os,
                                              row->version, row->addresses, row->ports };

                has_ports = has_ports || row->ports;
                for (size_t k = 0; k < ELEMENTSOF(cells) && r >= 0; k++)
                        r = table_add_text(t, cells[k]);
        }
        if (r >= 0)
                r = table_sort(t, 0);
        if (r < 0)
                return error_oom(e);
        if (c->o.addresses == 0)
                table_hide(t, addresses);
        /* Nothing that others do not show, where there is nothing to show. */
        if (!has_ports || c->is_machinectl)
                table_hide(t, ports);
        c->wants_pager = true;
        return ctl_print_table(c, t, "machines", e);
}

int verb_list_images(char *const *args, void *context, Error *e) {
        static const TableColumn columns[] = {
                { "name" },
                { "type" },
                { "ro", .flags = TABLE_WARN_YES },
                { "usage", .empty = "", .flags = TABLE_RIGHT },
                { "created" },
                { "modified" },
        };
        Ctl *c = context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        const char *name, *type;
        uint64_t created, modified, usage;
        int is_read_only, r;

        r = client_query(c, &peer_machine1, "ListImages", &reply, e, NULL);
        if (r < 0)
                return r;
        if (table_new(columns, ELEMENTSOF(columns), &t) < 0)
                return error_oom(e);

        r = sd_bus_message_enter_container(reply, 'a', "(ssbttto)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssbttto)", &name, &type, &is_read_only,
                                                  &created, &modified, &usage, NULL)) > 0) {
                if (name[0] == '.' && !c->o.all)
                        continue;
                if (table_add_text(t, name) < 0 || table_add_text(t, type) < 0 ||
                    table_add_bool(t, is_read_only) < 0 || table_add_size(t, usage) < 0 ||
                    table_add_time(t, created) < 0 || table_add_time(t, modified) < 0)
                        return error_oom(e);
        }
        if (r < 0)
                return error_set(e, r, "cannot read the list of images: %m");
        if (table_sort(t, 0) < 0)
                return error_oom(e);
        c->wants_pager = true;
        return ctl_print_table(c, t, "images", e);
}
