/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* poweroff, reboot, pause, resume, terminate and kill: all of them tell a running machine something. None waits for
 * what comes of it, unless --wait is given. */
#include <signal.h>

#include "ctl/client.h"
#include "ctl/verbs.h"

static int send_signal(Ctl *c, const char *name, const char *whom, int signal, Error *e) {
        return client_act(c, &peer_machine1, "KillMachine", NULL, e, "ssi", name, whom,
                          (int32_t) signal);
}

/* What systemd as PID 1 of a machine takes as a request; others get the nearest thing. */
static int poweroff_one(Ctl *c, const char *name, Error *e) {
        return send_signal(c, name, "leader", SIGRTMIN + 4, e);
}

static int reboot_one(Ctl *c, const char *name, Error *e) {
        return send_signal(c, name, "leader", SIGINT, e);
}

static int terminate_one(Ctl *c, const char *name, Error *e) {
        return client_act(c, &peer_machine1, "TerminateMachine", NULL, e, "s", name);
}

static int kill_one(Ctl *c, const char *name, Error *e) {
        return send_signal(c, name, c->o.whom ? c->o.whom : "all", c->o.signal, e);
}

/* PID 1 stops and wakes all processes of a unit at once. */
static int freeze(Ctl *c, const char *name, const char *member, Error *e) {
        static const char interface[] = "org.freedesktop.machine1.Machine";
        _cleanup_free_ char *path = NULL, *unit = NULL;
        int r = client_get(c, "GetMachine", name, &path, e);

        if (r >= 0)
                r = client_string_property(c, BUS_MACHINE1_NAME, path, interface, "Unit", &unit, e);
        if (r >= 0)
                r = client_act(c, &peer_systemd1, member, NULL, e, "s", unit);
        return r;
}

static int pause_one(Ctl *c, const char *name, Error *e) {
        int r = freeze(c, name, "FreezeUnit", e);

        return r < 0 ? error_wrap(e, r, "cannot pause '%s'", name) : 0;
}

static int resume_one(Ctl *c, const char *name, Error *e) {
        int r = freeze(c, name, "ThawUnit", e);

        return r < 0 ? error_wrap(e, r, "cannot resume '%s'", name) : 0;
}

/* The machines that --wait waits for; names leave the vector as they go. */
typedef struct Wait {
        char **names;
} Wait;

static void wait_done(Wait *w) {
        strv_free(w->names);
}

static void forget(Wait *w, const char *name) {
        size_t n = 0;

        for (size_t i = 0; w->names && w->names[i]; i++)
                if (streq(w->names[i], name))
                        free(w->names[i]);
                else
                        w->names[n++] = w->names[i];
        if (w->names)
                w->names[n] = NULL;
}

static int on_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name;

        if (sd_bus_message_read(m, "so", &name, NULL) >= 0)
                forget(userdata, name);
        return 0;
}

static bool nobody_left(void *userdata) {
        return strv_length(((Wait *) userdata)->names) == 0;
}

/* Runs @one for each name, then waits for those that it went well with. */
static int each_and_wait(Ctl *c, char *const *names, int (*one)(Ctl *, const char *, Error *),
                         Error *e) {
        _cleanup_(wait_done) Wait w = {};
        int status = EXIT_SUCCESS, r;

        if (!c->o.wait)
                return ctl_each(c, names, one);

        r = client_connect(c, e);
        if (r < 0)
                return r;
        /* Listening comes first, or the end might be missed. */
        r = sd_bus_match_signal(c->bus, NULL, BUS_MACHINE1_NAME, BUS_MACHINE1_PATH,
                                BUS_MACHINE1_MANAGER, "MachineRemoved", on_removed, &w);
        if (r < 0)
                return error_set(e, r, "cannot listen for machines that go: %m");

        STRV_FOREACH(name, names) {
                Error error = {};

                if (one(c, *name, &error) < 0)
                        status = ctl_report(c, &error);
                else if (strv_append(&w.names, *name) < 0)
                        return error_oom(e);
        }
        r = client_wait(c, nobody_left, &w, e);
        return r < 0 ? r : status;
}

int verb_poweroff(char *const *args, void *context, Error *e) {
        return each_and_wait(context, args, poweroff_one, e);
}

int verb_reboot(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, reboot_one);
}

int verb_terminate(char *const *args, void *context, Error *e) {
        return each_and_wait(context, args, terminate_one, e);
}

int verb_pause(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, pause_one);
}

int verb_resume(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, resume_one);
}

int verb_kill(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, kill_one);
}

int ctl_poweroff(Ctl *c, char *const *names) {
        return ctl_each(c, names, poweroff_one);
}
