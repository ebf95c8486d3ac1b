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

int machine_origin_read(Ctl *c, const char *name, MachineOrigin *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(machine_origin_done) MachineOrigin o = {};
        _cleanup_free_ char *path = NULL;
        const char *key;
        int r, is;

        *ret = (MachineOrigin){};
        if (client_get(c, "GetMachine", name, &path, NULL) < 0 ||
            client_properties(c, BUS_MACHINE1_NAME, path, BUS_SKEP_MACHINE1, &reply, NULL) < 0)
                return 0;
        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r < 0)
                        break;
                if (streq(key, "Image"))
                        r = take_text(reply, &o.image);
                else if (streq(key, "UnitTemplate"))
                        r = take_text(reply, &o.template);
                else if (streq(key, "SettingsFiles"))
                        r = take_settings(reply, &o.settings);
                else if (streq(key, "Ephemeral")) {
                        r = sd_bus_message_read(reply, "v", "b", &is);
                        o.is_ephemeral = r >= 0 && is;
                } else
                        r = sd_bus_message_skip(reply, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        *ret = o;
        o = (MachineOrigin){};
        return 0;
}
