/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a machine comes from, see machine-origin.h. */
#include "ctl/machine-origin.h"

void machine_origin_done(MachineOrigin *o) {
        free(o->image);
        free(o->template);
        strv_free(o->settings);
        *o = (MachineOrigin){};
}

static int take_text(sd_bus_message *reply, char **ret) {
        const char *text;
        int r = sd_bus_message_read(reply, "v", "s", &text);

        return r < 0 || !*text ? r : str_replace(ret, text);
}

static int take_settings(sd_bus_message *reply, char ***ret) {
        const char *file;
        int r = sd_bus_message_enter_container(reply, 'v', "as");

        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(reply, "s", &file)) > 0)
                r = strv_append(ret, file);
        if (r >= 0)
                r = sd_bus_message_exit_container(reply);
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* The daemon tells these by name only. */
static int take(sd_bus_message *reply, const char *key, MachineOrigin *o) {
        int is, r;

        if (streq(key, "Image"))
                return take_text(reply, &o->image);
        if (streq(key, "UnitTemplate"))
                return take_text(reply, &o->template);
        if (streq(key, "SettingsFiles"))
                return take_settings(reply, &o->settings);
        r = sd_bus_message_read(reply, "v", "b", &is);
        o->is_ephemeral = r >= 0 && is;
        return r;
}

int machine_origin_read(Ctl *c, const char *name, MachineOrigin *ret) {
        static const char *const keys[] = { "Image", "UnitTemplate", "SettingsFiles", "Ephemeral" };
        _cleanup_(machine_origin_done) MachineOrigin o = {};
        _cleanup_free_ char *path = NULL;

        *ret = (MachineOrigin){};
        if (client_get(c, "GetMachine", name, &path, NULL) < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                const Peer peer = { BUS_MACHINE1_NAME, path, BUS_PROPERTIES };

                if (client_query(c, &peer, "Get", &reply, NULL, "ss", BUS_SKEP_MACHINE1, keys[i]) <
                    0)
                        return 0;
                int r = take(reply, keys[i], &o);
                if (r < 0)
                        return r == -ENOMEM ? r : 0;
        }
        *ret = o;
        o = (MachineOrigin){};
        return 0;
}
