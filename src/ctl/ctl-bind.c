/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bind, unbind and binds: files and folders of this system that a running machine is shown. */
#include "base/path.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

static int check_inner(const char *path, Error *e) {
        return path[0] == '/'
                       ? 0
                       : error_set(e, EINVAL, "'%.200s' in the machine is not absolute", path);
}

int verb_bind(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        _cleanup_free_ char *source = NULL;
        int r = path_absolute(args[1], &source);

        if (r < 0)
                return error_set(e, r, "cannot find out where '%s' is: %m", args[1]);
        if (args[2])
                r = check_inner(args[2], e);
        if (r < 0)
                return r;
        r = client_act(c, &peer_machine1, "BindMountMachine", NULL, e, "sssbb", args[0], source,
                       args[2] ? args[2] : source, (int) c->o.read_only, (int) c->o.mkdir);
        return r < 0 ? error_wrap(e, r, "cannot bind '%s' into '%s'", source, args[0]) : 0;
}

int verb_unbind(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        int status = EXIT_SUCCESS;

        STRV_FOREACH(path, args + 1) {
                _cleanup_free_ char *place = path_clean(*path);
                Error one = {};

                if (!place)
                        return error_oom(e);
                int r = check_inner(place, &one);
                if (r >= 0)
                        r = client_act(c, &peer_skep, "UnbindMachine", NULL, &one, "ss", args[0],
                                       place);
                if (r < 0) {
                        (void) error_wrap(&one, r, "cannot unbind '%s' from '%s'", place, args[0]);
                        status = ctl_report(c, &one);
                }
        }
        return status;
}

int verb_binds(char *const *args, void *context, Error *e) {
        static const TableColumn columns[] = {
                { "path" }, { "source" }, { "ro" }, { "mapped" }, { "since" },
        };
        Ctl *c = context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        const char *source, *destination;
        int read_only, is_mapped;
        uint64_t since;

        int r = client_query(c, &peer_skep, "ListMachineBinds", &reply, e, "s", args[0]);
        if (r < 0)
                return r;
        if (table_new(columns, ELEMENTSOF(columns), &t) < 0)
                return error_oom(e);
        r = sd_bus_message_enter_container(reply, 'a', "(ssbbt)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssbbt)", &source, &destination,
                                                  &read_only, &is_mapped, &since)) > 0)
                if (table_add_text(t, destination) < 0 || table_add_text(t, source) < 0 ||
                    table_add_bool(t, read_only) < 0 || table_add_bool(t, is_mapped) < 0 ||
                    table_add_time(t, since) < 0)
                        return error_oom(e);
        if (r < 0)
                return error_set(e, r, "cannot read the list of binds: %m");
        c->wants_pager = true;
        return ctl_print_table(c, t, "binds", e);
}

int verb_volume(char *const *args, void *context, Error *e) {
        return error_set(
                e, EOPNOTSUPP,
                "volumes of storage providers are not supported (\"skep bind\" shows a file "
                "or folder of this system in a machine)");
}
