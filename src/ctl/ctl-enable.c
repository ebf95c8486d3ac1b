/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* enable and disable: which machines PID 1 starts at boot, and with what. The links are PID 1's to make;
 * the files that say more of a machine's unit are written here (machine-unit.h), so that takes this very
 * system and somebody who may write there. */
#include "app/report.h"
#include "base/home.h"
#include "base/name.h"
#include "ctl/client.h"
#include "ctl/machine-unit.h"
#include "ctl/verbs.h"

/* Where units are configured. NULL = out of memory. */
static char *unit_directory(void) {
        return home_etc(home_is_user() ? "systemd/user" : "systemd/system");
}

/* The answer of EnableUnitFiles and the like: what was done to which link. */
static int print_changes(sd_bus_message *reply) {
        const char *what, *link, *target;
        int r = sd_bus_message_enter_container(reply, 'a', "(sss)");

        while (r >= 0 && (r = sd_bus_message_read(reply, "(sss)", &what, &link, &target)) > 0)
                if (streq(what, "symlink"))
                        report_note("created %s -> %s", link, target);
                else if (streq(what, "unlink"))
                        report_note("removed %s", link);
                else
                        report_warning("%s: %s", link, what);
        return r;
}

/* Return: 1 or 0 as @ret_has_install of EnableUnitFiles would be; 1 for what says nothing of it. */
static int change_links(Ctl *c, const char *member, char *const *units, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        bool enables = streq(member, "EnableUnitFiles"),
             disables = streq(member, "DisableUnitFiles");
        int has_install = 1, r = client_connect(c, e);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, peer_systemd1.name, peer_systemd1.path,
                                           peer_systemd1.interface, member);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) units);
        if (r >= 0 && !enables && !disables)
                r = sd_bus_message_append(m, "ss", "machines.target", "Wants");
        if (r >= 0)
                r = disables ? sd_bus_message_append(m, "b", false)
                             : sd_bus_message_append(m, "bb", false, false);
        if (r < 0)
                return error_set(e, r, "cannot make the call: %m");

        r = client_send(c, m, true, &reply, e);
        if (r < 0)
                return r;
        if (enables)
                r = sd_bus_message_read(reply, "b", &has_install);
        if (r >= 0)
                r = print_changes(reply);
        return r < 0 ? error_set(e, r, "cannot read the answer: %m") : has_install;
}

int ctl_load_unit(Ctl *c, const char *unit, char **ret_id, char **ret_fragment, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *state = NULL, *id = NULL, *fragment = NULL;
        const char *path;
        int r = client_query(c, &peer_systemd1, "LoadUnit", &reply, e, "s", unit);

        if (r >= 0 && sd_bus_message_read(reply, "o", &path) < 0)
                r = error_set(e, EBADMSG, "cannot read the answer to LoadUnit");
        if (r >= 0)
                r = client_string_property(c, BUS_SYSTEMD1_NAME, path, BUS_SYSTEMD1_UNIT,
                                           "LoadState", &state, e);
        if (r >= 0)
                r = client_string_property(c, BUS_SYSTEMD1_NAME, path, BUS_SYSTEMD1_UNIT, "Id", &id,
                                           e);
        if (r >= 0)
                r = client_string_property(c, BUS_SYSTEMD1_NAME, path, BUS_SYSTEMD1_UNIT,
                                           "FragmentPath", &fragment, e);
        if (r < 0)
                return r;
        if (!streq(state, "loaded"))
                return error_set(e, streq(state, "not-found") ? ENOENT : EINVAL,
                                 "there is no unit %s that could be started: systemd says '%s'",
                                 unit, state);
        *ret_id = TAKE_PTR(id);
        if (ret_fragment)
                *ret_fragment = TAKE_PTR(fragment);
        return 0;
}

static MachineUnit wanted_unit(const Ctl *c) {
        return (MachineUnit){
                .template = c->o.ephemeral ? MACHINE_TEMPLATE_EPHEMERAL : c->o.template,
                .slice = c->o.slice,
                .arguments = c->o.arguments,
        };
}

/* Whatever starts the machine at boot now does so no more: it would be started twice.
 * @unit: but this one, which skep@NAME.service may be a name of; NULL = none stays */
static int disable_others(Ctl *c, const char *machine, const char *unit, Error *e) {
        for (const char *const *t = machine_templates; *t; t++) {
                _cleanup_free_ char *name = machine_unit_instance(*t, machine);
                char *const units[] = { name, NULL };
                Error error = {};

                if (!name)
                        return error_oom(e);
                if (unit && (t == machine_templates || streq(name, unit)))
                        continue;
                int r = change_links(c, "DisableUnitFiles", units, &error);
                /* Not each of the templates has to be installed. */
                if (r < 0 && r != -ENOENT) {
                        if (e)
                                *e = error;
                        return r;
                }
        }
        return 0;
}

static int reload(Ctl *c, Error *e) {
        return client_act(c, &peer_systemd1, "Reload", NULL, e, NULL);
}

/* Writes what is wanted of a machine's unit. @ret_unit: what is to be enabled */
static int configure(Ctl *c, const char *machine, const MachineUnit *u, char **ret_unit, Error *e) {
        _cleanup_free_ char *unit = machine_unit_instance(u->template ? u->template
                                                                      : MACHINE_TEMPLATE,
                                                          machine);
        _cleanup_free_ char *fragment = NULL, *id = NULL, *directory = unit_directory();
        bool is_other = u->template && !streq(u->template, MACHINE_TEMPLATE);
        int r = unit && directory ? 0 : error_oom(e);

        if (r >= 0 && is_other)
                r = ctl_load_unit(c, unit, &id, &fragment, e);
        if (r >= 0 && u->arguments)
                r = machine_unit_try(machine, u, e);
        if (r >= 0)
                r = disable_others(c, machine, NULL, e);
        if (r >= 0)
                r = machine_unit_write(directory, machine, u, fragment, e);
        if (r < 0)
                return r;
        *ret_unit = TAKE_PTR(unit);
        return 0;
}

static int enable_one(Ctl *c, const char *machine, Error *e) {
        _cleanup_free_ char *unit = NULL;
        MachineUnit u = wanted_unit(c);
        int r = ctl_check_image(c, machine, e);

        if (r >= 0 && machine_unit_is_set(&u))
                r = configure(c, machine, &u, &unit, e);
        else if (r >= 0) {
                _cleanup_free_ char *own = machine_unit_instance(MACHINE_TEMPLATE, machine);

                r = own ? ctl_load_unit(c, own, &unit, NULL, e) : error_oom(e);
                if (r >= 0)
                        r = disable_others(c, machine, unit, e);
        }
        if (r < 0)
                return error_wrap(e, r, "cannot enable '%s'", machine);

        char *const units[] = { unit, NULL };
        r = change_links(c, "EnableUnitFiles", units, e);
        /* A template that does not say what it is wanted by is for machines.target all the same. */
        if (r == 0)
                r = change_links(c, "AddDependencyUnitFiles", units, e);
        return r < 0 ? error_wrap(e, r, "cannot enable '%s'", machine) : 0;
}

static int disable_one(Ctl *c, const char *machine, Error *e) {
        _cleanup_free_ char *directory = unit_directory();
        int r = hostname_is_valid(machine)
                        ? 0
                        : error_set(e, EINVAL, "'%.80s' cannot be the name of a machine", machine);

        if (r >= 0)
                r = disable_others(c, machine, NULL, e);
        if (r >= 0 && ctl_is_local(c))
                r = directory ? machine_unit_remove(directory, machine, e) : error_oom(e);
        return r < 0 ? error_wrap(e, r, "cannot disable '%s'", machine) : 0;
}

static int check_options(Ctl *c, Error *e) {
        MachineUnit u = wanted_unit(c);

        if (!machine_unit_is_set(&u))
                return 0;
        if (c->o.ephemeral && c->o.template)
                return error_set(e, EINVAL, "--ephemeral and --template do not go together");
        if (!ctl_is_local(c))
                return error_set(e, EOPNOTSUPP,
                                 "--template, --slice, --argument and --ephemeral are written to "
                                 "files of this system: enable the machine over there");
        return machine_unit_check(&u, e);
}

int verb_enable(char *const *args, void *context, Error *e) {
        static char *const target[] = { (char *) "machines.target", NULL };
        Ctl *c = context;
        int status, r = check_options(c, e);

        if (r >= 0)
                r = change_links(c, "EnableUnitFiles", target, e);
        if (r < 0)
                return r;
        status = ctl_each(c, args, enable_one);
        r = reload(c, e);
        if (r < 0 || !c->o.now || status != EXIT_SUCCESS)
                return r < 0 ? r : status;
        /* What starts at boot is what starts now: --ephemeral is in the machine's files by now. */
        c->o.ephemeral = false;
        return ctl_start(c, args, e);
}

int verb_disable(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        int status = ctl_each(c, args, disable_one), r = reload(c, e);

        if (r < 0 || !c->o.now)
                return r < 0 ? r : status;
        return ctl_poweroff(c, args) != EXIT_SUCCESS ? EXIT_FAILURE : status;
}
