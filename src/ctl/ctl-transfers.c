/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the importer knows: transfers that run, those that have ended, and images of all classes. */
#include <inttypes.h>
#include <signal.h>

#include "base/parse.h"
#include "ctl/client.h"
#include "ctl/transfer-watch.h"
#include "ctl/verbs.h"

static const Peer peer_history = { BUS_IMPORT1_NAME, BUS_IMPORT1_PATH, BUS_SKEP_IMPORT_MANAGER1 };

/* A transfer as it is listed; strings are the message's. */
typedef struct Row {
        uint32_t id;
        const char *type, *remote, *local, *class, *path;
        double ratio;
} Row;

/* Return: 1, 0 at the end, -errno. */
static int read_row(sd_bus_message *m, bool newer, Row *row) {
        row->class = "machine";
        return newer ? sd_bus_message_read(m, "(ussssdo)", &row->id, &row->type, &row->remote,
                                           &row->local, &row->class, &row->ratio, &row->path)
                     : sd_bus_message_read(m, "(usssdo)", &row->id, &row->type, &row->remote,
                                           &row->local, &row->ratio, &row->path);
}

/* Older importers have no classes. */
static int query(Ctl *c, sd_bus_message **ret, bool *ret_newer, Error *e) {
        Error error = {};
        int r = client_query(c, &peer_import1, "ListTransfersEx", ret, &error, "st",
                             strempty(c->o.class), UINT64_C(0));

        *ret_newer = r >= 0;
        if (r >= 0 || !client_is_unknown_method(r)) {
                if (r < 0 && e)
                        *e = error;
                return r;
        }
        return client_query(c, &peer_import1, "ListTransfers", ret, e, NULL);
}

static int add_row(Table *t, const Row *row, bool as_importctl) {
        int r = table_add_number(t, row->id);

        if (r >= 0)
                r = table_add_ratio(t, row->ratio);
        if (r >= 0)
                r = table_add_text(t, row->type);
        if (r >= 0 && as_importctl)
                r = table_add_text(t, row->class);
        if (r >= 0)
                r = table_add_text(t, row->local);
        return r < 0 ? r : table_add_text(t, row->remote);
}

static int list_running(Ctl *c, Error *e) {
        static const TableColumn columns[] = {
                { "id", .flags = TABLE_RIGHT },
                { "percent", .flags = TABLE_RIGHT },
                { "type" },
                { "local" },
                { "remote" },
        };
        static const TableColumn importctl_columns[] = {
                { "id", .flags = TABLE_RIGHT },
                { "progress", .flags = TABLE_RIGHT },
                { "type" },
                { "class" },
                { "local" },
                { "remote", .empty = "" },
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        bool newer;
        Row row;
        int r = query(c, &reply, &newer, e);

        if (r < 0)
                return r;
        if ((c->is_importctl ? table_new(importctl_columns, ELEMENTSOF(importctl_columns), &t)
                             : table_new(columns, ELEMENTSOF(columns), &t)) < 0)
                return error_oom(e);
        r = sd_bus_message_enter_container(reply, 'a', newer ? "(ussssdo)" : "(usssdo)");
        while (r >= 0 && (r = read_row(reply, newer, &row)) > 0)
                if (add_row(t, &row, c->is_importctl) < 0)
                        return error_oom(e);
        if (r < 0)
                return error_set(e, r, "cannot read the list of transfers: %m");
        if (table_sort(t, 0) < 0 || (c->is_importctl && table_sort(t, 4) < 0))
                return error_oom(e);
        return ctl_print_table(c, t, "transfers", e);
}

static int list_ended(Ctl *c, Error *e) {
        static const TableColumn columns[] = {
                { "id", .flags = TABLE_RIGHT },
                { "type" },
                { "class" },
                { "local" },
                { "remote" },
                { "result" },
                { "ended" },
                { "error" },
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        const char *type, *remote, *local, *class, *result, *error;
        uint64_t flags, started, ended, done;
        uint32_t id;
        int r = client_query(c, &peer_history, "ListHistory", &reply, e, "st", strempty(c->o.class),
                             UINT64_C(0));

        if (r < 0)
                return r;
        if (table_new(columns, ELEMENTSOF(columns), &t) < 0)
                return error_oom(e);
        r = sd_bus_message_enter_container(reply, 'a', "(usssssstttt)");
        while (r >= 0 &&
               (r = sd_bus_message_read(reply, "(usssssstttt)", &id, &type, &remote, &local, &class,
                                        &result, &error, &flags, &started, &ended, &done)) > 0)
                if (table_add_number(t, id) < 0 || table_add_text(t, type) < 0 ||
                    table_add_text(t, class) < 0 || table_add_text(t, local) < 0 ||
                    table_add_text(t, remote) < 0 || table_add_text(t, result) < 0 ||
                    table_add_time(t, ended) < 0 || table_add_text(t, error) < 0)
                        return error_oom(e);
        if (r < 0)
                return error_set(e, r, "cannot read the list of transfers: %m");
        if (table_sort(t, 6) < 0)
                return error_oom(e);
        return ctl_print_table(c, t, "transfers", e);
}

static int parse_id(const char *text, uint32_t *ret, Error *e) {
        return parse_u32(text, ret) < 0 || *ret == 0
                       ? error_set(e, EINVAL, "'%.60s' is not the number of a transfer", text)
                       : 0;
}

static int follow(Ctl *c, const char *text, Error *e) {
        _cleanup_(transfer_watch_done) TransferWatch t = {};
        uint32_t id;
        int r = parse_id(text, &id, e);

        if (r >= 0)
                r = transfer_watch_init(&t, c, text, UINT64_MAX, e);
        if (r >= 0)
                r = transfer_watch_find(&t, id, e);
        if (r >= 0)
                r = transfer_watch_run(&t, e);
        return r <= 0 ? r : 128 + SIGINT;
}

int verb_list_transfers(char *const *args, void *context, Error *e) {
        Ctl *c = context;

        if (args[0] && !c->o.follow)
                return error_set(e, EINVAL, "a number goes with --follow");
        if (c->o.follow)
                return args[0] ? follow(c, args[0], e)
                               : error_set(e, EINVAL, "--follow: which transfer?");
        return c->o.all ? list_ended(c, e) : list_running(c, e);
}

static int cancel_one(Ctl *c, const char *text, Error *e) {
        uint32_t id;
        int r = parse_id(text, &id, e);

        if (r < 0)
                return r;
        r = client_act(c, &peer_import1, "CancelTransfer", NULL, e, "u", id);
        return r < 0 ? error_wrap(e, r, "cannot cancel transfer %" PRIu32, id) : 0;
}

int verb_cancel_transfer(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, cancel_one);
}

/* Images of all classes */

static int add_time(Table *t, uint64_t usec) {
        return usec == UINT64_MAX ? table_add_empty(t) : table_add_time(t, usec);
}

int verb_list_class_images(char *const *args, void *context, Error *e) {
        static const TableColumn columns[] = {
                { "class" },  { "name" },  { "type" },  { "path" },  { "ro", .flags = TABLE_RO_RW },
                { "crtime" }, { "mtime" }, { "usage" }, { "limit" },
        };
        Ctl *c = context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        const char *class, *name, *type, *path;
        uint64_t created, modified, usage, limit;
        int is_read_only, r;

        r = client_query(c, &peer_import1, "ListImages", &reply, e, "st", strempty(c->o.class),
                         UINT64_C(0));
        if (r < 0)
                return r;
        if (table_new(columns, ELEMENTSOF(columns), &t) < 0)
                return error_oom(e);
        r = sd_bus_message_enter_container(reply, 'a', "(ssssbtttttt)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssbtttttt)", &class, &name, &type,
                                                  &path, &is_read_only, &created, &modified, &usage,
                                                  NULL, &limit, NULL)) > 0)
                if (table_add_text(t, class) < 0 || table_add_text(t, name) < 0 ||
                    table_add_text(t, type) < 0 || table_add_text(t, path) < 0 ||
                    table_add_bool(t, is_read_only) < 0 || add_time(t, created) < 0 ||
                    add_time(t, modified) < 0 || table_add_size(t, usage) < 0 ||
                    table_add_size(t, limit) < 0)
                        return error_oom(e);
        if (r < 0)
                return error_set(e, r, "cannot read the list of images: %m");
        if (table_sort(t, 1) < 0 || table_sort(t, 0) < 0)
                return error_oom(e);
        c->wants_pager = true;
        return ctl_print_table(c, t, "images", e);
}
