/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of transfers on the bus: those that run, and those that have ended. */
#include "bus/name.h"
#include "importer/import-bus.h"

static int append_transfer(sd_bus_message *reply, const Transfer *t, bool with_class) {
        _cleanup_free_ char *path = transfer_path(t->id);
        int r = path ? sd_bus_message_open_container(reply, 'r', with_class ? "ussssdo" : "usssdo")
                     : -ENOMEM;

        if (r >= 0)
                r = sd_bus_message_append(reply, "usss", t->id, transfer_kind_name(t->request.kind),
                                          strempty(t->shown_remote), strempty(t->request.local));
        if (r >= 0 && with_class)
                r = sd_bus_message_append(reply, "s", image_class_name(t->request.class));
        if (r >= 0)
                r = sd_bus_message_append(reply, "do", import_bus_progress(t), path);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* @class: negative = all */
static int list_transfers(ImportManager *m, sd_bus_message *msg, int class, bool with_class) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(msg, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a',
                                                  with_class ? "(ussssdo)" : "(usssdo)");
        for (size_t i = 0; i < m->n_watched && r >= 0; i++) {
                const Transfer *t = m->watched[i]->transfer;
                if (class < 0 || (int) t->request.class == class)
                        r = append_transfer(reply, t, with_class);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int import_bus_list_transfers(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        return list_transfers(userdata, msg, -1, false);
}

int import_bus_list_transfers_ex(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        int class = -1, r = import_bus_read_filter(msg, &class, error);

        return r < 0 ? r : list_transfers(userdata, msg, class, true);
}

/* Why something failed names files, which are not everybody's business. */
static int append_ended(sd_bus_message *reply, const Transfer *t, bool reveals) {
        return sd_bus_message_append(reply, "(usssssstttt)", t->id,
                                     transfer_kind_name(t->request.kind), strempty(t->shown_remote),
                                     strempty(t->request.local), image_class_name(t->request.class),
                                     transfer_result(t), reveals ? strempty(t->error) : "",
                                     (uint64_t) t->request.flags, t->started, t->ended, t->done);
}

int import_bus_list_history(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        ImportManager *m = userdata;
        int class = -1, r = import_bus_read_filter(msg, &class, error);

        if (r < 0)
                return r;
        int reveals = import_bus_check_reveal(m, msg);
        if (reveals == 0)
                return 1;
        r = sd_bus_message_new_method_return(msg, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(usssssstttt)");
        for (size_t i = 0; i < m->n_ended && r >= 0; i++)
                if (class < 0 || (int) m->ended[i]->request.class == class)
                        r = append_ended(reply, m->ended[i], reveals > 0);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
