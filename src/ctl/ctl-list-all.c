/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list --all: every machine and every image in one table, whether it runs, and whether it starts at boot. A
 * machine and an image of one name are one line. */
#include "base/path.h"
#include "ctl/machine-rows.h"
#include "ctl/verbs.h"

typedef struct Pool {
        char **names, **types; /* of images, one for one */
} Pool;

static void pool_done(Pool *p) {
        strv_free(p->names);
        strv_free(p->types);
}

static int read_images(Ctl *c, Pool *p, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name, *type;
        int r = client_query(c, &peer_machine1, "ListImages", &reply, e, NULL);

        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ssbttto)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssbttto)", &name, &type, NULL, NULL,
                                                  NULL, NULL, NULL)) > 0)
                if (strv_append(&p->names, name) < 0 || strv_append(&p->types, type) < 0)
                        return error_oom(e);
        return r < 0 ? error_set(e, r, "cannot read the list of images: %m") : 0;
}

/* Names of machines that machines.target wants, whatever templates they have: what starts at boot.
 * Return: 1, 0 if nobody says, or -ENOMEM. */
static int read_enabled(Ctl *c, char ***ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *unit = NULL, *reply = NULL;
        Peer peer = { BUS_SYSTEMD1_NAME, NULL, BUS_PROPERTIES };
        const char *name;
        int r;

        if (client_query(c, &peer_systemd1, "LoadUnit", &unit, NULL, "s", "machines.target") < 0 ||
            sd_bus_message_read(unit, "o", &peer.path) < 0 ||
            client_query(c, &peer, "Get", &reply, NULL, "ss", BUS_SYSTEMD1_UNIT, "Wants") < 0 ||
            sd_bus_message_enter_container(reply, 'v', "as") < 0 ||
            sd_bus_message_enter_container(reply, 'a', "s") < 0)
                return 0;
        while ((r = sd_bus_message_read_basic(reply, 's', &name)) > 0) {
                const char *at = strchr(name, '@'), *dot = strrchr(name, '.');

                if (at && dot > at &&
                    strv_consume(ret, strndup(at + 1, (size_t) (dot - at - 1))) < 0)
                        return -ENOMEM;
        }
        return r >= 0;
}

static size_t find(char *const *names, const char *name, size_t n) {
        size_t i = 0;

        while (i < strv_length(names) && !(strlen(names[i]) == n && memcmp(names[i], name, n) == 0))
                i++;
        return i;
}

/* The image that a machine runs: the one that its root is, else that of its name. NULL = none of the pool. */
static const char *image_of(const MachineRow *row, const Pool *p) {
        const char *root = properties_text(&row->properties, "RootDirectory");
        const char *last = root ? path_last(root) : "";
        size_t n = strlen(last) - (str_has_suffix(last, ".raw") ? strlen(".raw") : 0), i;

        i = find(p->names, last, n);
        if (n == 0 || i == strv_length(p->names))
                i = find(p->names, row->name, strlen(row->name));
        return p->names ? p->names[i] : NULL;
}

typedef struct View {
        Pool pool;
        char **enabled;
        bool enabled_is_known;
        bool has_ports;
        MachineRows machines;
        Table *table;
} View;

static void view_done(View *v) {
        pool_done(&v->pool);
        strv_free(v->enabled);
        machine_rows_done(&v->machines);
        table_free(v->table);
}

/* @row: NULL = it does not run. Return: 0 or -ENOMEM. */
static int add(View *v, const char *name, const char *image, const MachineRow *row) {
        size_t i = image ? find(v->pool.names, image, strlen(image)) : 0;
        const char *state = row ? properties_text(&row->properties, "State") : NULL;
        const char *const before[] = { name, row ? (state ? state : "running") : "off" };
        const char *const after[] = { image,
                                      image ? v->pool.types[i] : NULL,
                                      row ? row->class : NULL,
                                      row ? row->os : NULL,
                                      row ? row->version : NULL,
                                      row ? row->addresses : NULL,
                                      row ? row->ports : NULL };
        int r = 0;

        for (size_t k = 0; k < ELEMENTSOF(before) && r >= 0; k++)
                r = table_add_text(v->table, before[k]);
        if (r >= 0)
                r = v->enabled_is_known ? table_add_bool(v->table, strv_contains(v->enabled, name))
                                        : table_add_empty(v->table);
        for (size_t k = 0; k < ELEMENTSOF(after) && r >= 0; k++)
                r = table_add_text(v->table, after[k]);
        return r;
}

static int add_rows(View *v) {
        int r = 0;

        for (size_t i = 0; i < v->machines.n && r >= 0; i++) {
                const MachineRow *row = v->machines.v[i];

                v->has_ports = v->has_ports || row->ports;
                r = add(v, row->name, image_of(row, &v->pool), row);
        }
        STRV_FOREACH(name, v->pool.names) {
                bool runs = false;

                for (size_t i = 0; i < v->machines.n && !runs; i++)
                        runs = streq(v->machines.v[i]->name, *name);
                if (!runs && r >= 0)
                        r = add(v, *name, *name, NULL);
        }
        return r < 0 ? r : table_sort(v->table, 0);
}

int ctl_list_all(Ctl *c, Error *e) {
        static const TableColumn columns[] = {
                { "machine" }, { "state" }, { "enabled" }, { "image" },     { "type" },
                { "class" },   { "os" },    { "version" }, { "addresses" }, { "ports" },
        };
        _cleanup_(view_done) View v = {};
        int r = machine_rows_read(c, true, &v.machines, e);

        if (r >= 0)
                r = read_images(c, &v.pool, e);
        if (r < 0)
                return r;
        r = read_enabled(c, &v.enabled);
        v.enabled_is_known = r > 0;
        if (r >= 0)
                r = table_new(columns, ELEMENTSOF(columns), &v.table);
        if (r >= 0)
                r = add_rows(&v);
        if (r < 0)
                return error_oom(e);
        if (c->o.addresses == 0)
                table_hide(v.table, 8);
        if (!v.has_ports)
                table_hide(v.table, 9);
        c->wants_pager = true;
        return ctl_print_table(c, v.table, "machines and images", e);
}
