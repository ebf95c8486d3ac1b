/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list and list-images, as the original has them. Both together: ctl-list-all.c. */
#include "ctl/machine-rows.h"
#include "ctl/verbs.h"

int verb_list(char *const *args, void *context, Error *e) {
        static const TableColumn columns[] = {
                { "machine" }, { "class" },     { "service" }, { "os" },
                { "version" }, { "addresses" }, { "ports" },
        };
        const size_t addresses = 5, ports = 6;
        bool has_ports = false;
        Ctl *c = context;
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_(machine_rows_done) MachineRows rows = {};
        int r;

        if (c->o.all && !c->is_machinectl)
                return ctl_list_all(c, e);
        r = machine_rows_read(c, false, &rows, e);
        if (r < 0)
                return r;

        r = table_new(columns, ELEMENTSOF(columns), &t);
        for (size_t i = 0; i < rows.n && r >= 0; i++) {
                const MachineRow *row = rows.v[i];
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

/* What lies where images are, and is none: a row without what only images have. */
static int add_others(Ctl *c, Table *t, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path, *why;
        int r = client_query(c, &peer_skep, "ListNonImages", &reply, e, NULL);

        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ss)", &path, &why)) > 0) {
                r = table_add_text(t, path);
                for (int i = 0; i < 5 && r >= 0; i++)
                        r = table_add_empty(t);
                if (r < 0 || table_add_text(t, why) < 0)
                        return error_oom(e);
        }
        return r < 0 ? error_set(e, r, "cannot read the list of what is no image: %m") : 0;
}

int verb_list_images(char *const *args, void *context, Error *e) {
        static const TableColumn columns[] = {
                { "name" },
                { "type" },
                { "ro", .flags = TABLE_WARN_YES },
                { "usage", .empty = "", .flags = TABLE_RIGHT },
                { "created" },
                { "modified" },
                { "problem" },
        };
        const size_t problem = 6;
        Ctl *c = context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        const char *name, *type;
        uint64_t created, modified, usage;
        int is_read_only, r;

        if (c->o.class && !streq(c->o.class, "machine"))
                return verb_list_class_images(args, context, e);
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
                    table_add_time(t, created) < 0 || table_add_time(t, modified) < 0 ||
                    table_add_empty(t) < 0)
                        return error_oom(e);
        }
        if (r < 0)
                return error_set(e, r, "cannot read the list of images: %m");
        if (c->o.verbose)
                r = add_others(c, t, e);
        else
                table_hide(t, problem);
        if (r < 0)
                return r;
        if (table_sort(t, 0) < 0)
                return error_oom(e);
        c->wants_pager = true;
        return ctl_print_table(c, t, "images", e);
}
