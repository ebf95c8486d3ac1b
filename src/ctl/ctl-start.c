/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start, enable and disable: what has to do with the units of machines, and so with PID 1 rather than
 * with our services. Knows the name of the unit template and nothing of what is in it. */
#include "app/report.h"
#include "base/name.h"
#include "ctl/client.h"
#include "ctl/journal.h"
#include "ctl/verbs.h"

static char *unit_name(const char *machine) {
        return str_format("skep@%s.service", machine);
}

/* The name as a machine and the image by that name, or an error. */
static int check_image(Ctl *c, const char *name, Error *e) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (!hostname_is_valid(name))
                return error_set(
                        e, EINVAL,
                        "'%.80s' cannot be the name of a machine (letters, digits, dots and "
                        "inner hyphens, at most %d)",
                        name, HOST_NAME_LENGTH_MAX);
        r = client_get(c, "GetImage", name, &path, e);
        return r < 0 ? error_wrap(e, r, "cannot start '%s'", name) : 0;
}

/* A start that PID 1 works on. */
typedef struct Job {
        char *machine, *unit;
        char *path;   /* of the job; NULL when it is over */
        char *result; /* "done", "failed", … */
} Job;

typedef struct Jobs {
        Job *v;
        size_t n;
} Jobs;

static void jobs_done(Jobs *jobs) {
        for (size_t i = 0; i < jobs->n; i++) {
                free(jobs->v[i].machine);
                free(jobs->v[i].unit);
                free(jobs->v[i].path);
                free(jobs->v[i].result);
        }
        free(jobs->v);
}

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Jobs *jobs = userdata;
        const char *path, *result;

        if (sd_bus_message_read(m, "uoss", NULL, &path, NULL, &result) < 0)
                return 0;
        for (size_t i = 0; i < jobs->n; i++) {
                Job *j = jobs->v + i;

                if (!streq_ptr(j->path, path))
                        continue;
                (void) str_replace(&j->result, result);
                free(TAKE_PTR(j->path));
        }
        return 0;
}

static bool all_over(void *userdata) {
        const Jobs *jobs = userdata;

        for (size_t i = 0; i < jobs->n; i++)
                if (jobs->v[i].path)
                        return false;
        return true;
}

/* Says why a job did not end well: the unit's result, and the last it wrote to the journal. */
static int job_failure(Ctl *c, const Job *j, Error *e) {
        _cleanup_free_ char *path = NULL, *result = NULL, *last = NULL;

        if (sd_bus_path_encode("/org/freedesktop/systemd1/unit", j->unit, &path) < 0)
                return error_oom(e);
        (void) client_string_property(c, BUS_SYSTEMD1_NAME, path, BUS_SYSTEMD1_SERVICE, "Result",
                                      &result, NULL);
        if (ctl_is_local(c))
                (void) journal_last_message(j->unit, &last);
        return error_set(e, EIO, "cannot start '%s': %s: %s%s%s (see \"journalctl -u %s\")",
                         j->machine, j->unit,
                         result && !streq(result, "success") ? result : strempty(j->result),
                         last ? ": " : "", strempty(last), j->unit);
}

/* Whether the machine runs, but in a unit of another name: systemd's template may be ours as well, and
 * has instances of its own. To start one that runs is no failure. Return: 1 or 0. */
static int runs_elsewhere(Ctl *c, const char *name) {
        _cleanup_free_ char *path = NULL, *state = NULL, *unit = NULL, *own = unit_name(name);
        static const char interface[] = "org.freedesktop.machine1.Machine";

        if (!own || client_get(c, "GetMachine", name, &path, NULL) < 0 ||
            client_string_property(c, BUS_MACHINE1_NAME, path, interface, "State", &state, NULL) <
                    0 ||
            client_string_property(c, BUS_MACHINE1_NAME, path, interface, "Unit", &unit, NULL) < 0)
                return 0;
        if (streq(unit, own) || !streq(state, "running"))
                return 0;
        report_note("machine '%s' is running already, in %s", name, unit);
        return 1;
}

static int start_unit(Ctl *c, Jobs *jobs, const char *name, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Job *v = reallocarray(jobs->v, jobs->n + 1, sizeof(*v)), *j;
        const char *path;
        int r;

        if (!v)
                return error_oom(e);
        jobs->v = v;
        j = jobs->v + jobs->n++;
        *j = (Job){ .machine = strdup(name), .unit = unit_name(name) };
        if (!j->machine || !j->unit)
                return error_oom(e);

        r = client_act(c, &peer_systemd1, "StartUnit", &reply, e, "ss", j->unit, "fail");
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return error_wrap(e, r, "cannot start '%s'", name);
        j->path = strdup(path);
        return j->path ? 0 : error_oom(e);
}

int ctl_start(Ctl *c, char *const *names, Error *e) {
        _cleanup_(jobs_done) Jobs jobs = {};
        int status = EXIT_SUCCESS, r = client_connect(c, e);

        /* PID 1 tells of jobs only those who subscribe, and the match has to be there before the job. */
        if (r >= 0) {
                r = sd_bus_match_signal(c->bus, NULL, BUS_SYSTEMD1_NAME, BUS_SYSTEMD1_PATH,
                                        BUS_SYSTEMD1_MANAGER, "JobRemoved", on_job_removed, &jobs);
                if (r < 0)
                        return error_set(e, r, "cannot listen for the end of jobs: %m");
                r = client_query(c, &peer_systemd1, "Subscribe", NULL, e, NULL);
        }
        if (r < 0)
                return r;

        STRV_FOREACH(name, names) {
                Error error = {};

                r = check_image(c, *name, &error);
                if (r >= 0 && !runs_elsewhere(c, *name))
                        r = start_unit(c, &jobs, *name, &error);
                if (r < 0)
                        status = ctl_report(c, &error);
        }
        r = client_wait(c, all_over, &jobs, e);
        if (r < 0)
                return r;

        for (size_t i = 0; i < jobs.n; i++)
                if (jobs.v[i].result && !streq(jobs.v[i].result, "done") &&
                    !streq(jobs.v[i].result, "skipped")) {
                        Error error = {};

                        (void) job_failure(c, jobs.v + i, &error);
                        status = ctl_report(c, &error);
                }
        return status;
}

int verb_start(char *const *args, void *context, Error *e) {
        return ctl_start(context, args, e);
}

/* The answer of EnableUnitFiles: what was done to which link. */
static int print_changes(Ctl *c, sd_bus_message *reply) {
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

static int change_links(Ctl *c, char *const *names, bool enable, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int has_install, r = client_connect(c, e);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, peer_systemd1.name, peer_systemd1.path,
                                           peer_systemd1.interface,
                                           enable ? "EnableUnitFiles" : "DisableUnitFiles");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        if (r >= 0 && enable)
                r = sd_bus_message_append(m, "s", "machines.target");
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *unit = unit_name(*name);

                if (r >= 0)
                        r = unit ? sd_bus_message_append(m, "s", unit) : -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = enable ? sd_bus_message_append(m, "bb", false, false)
                           : sd_bus_message_append(m, "b", false);
        if (r < 0)
                return error_set(e, r, "cannot make the call: %m");

        r = client_send(c, m, true, &reply, e);
        if (r < 0)
                return r;
        if (enable)
                r = sd_bus_message_read(reply, "b", &has_install);
        if (r >= 0)
                r = print_changes(c, reply);
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        return client_act(c, &peer_systemd1, "Reload", NULL, e, NULL);
}

static int check_names(Ctl *c, char *const *names, Error *e) {
        STRV_FOREACH(name, names)
                if (!hostname_is_valid(*name))
                        return error_set(e, EINVAL, "'%.80s' cannot be the name of a machine",
                                         *name);
        return 0;
}

int verb_enable(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        int r = check_names(c, args, e);

        STRV_FOREACH(name, args)
                if (r >= 0)
                        r = check_image(c, *name, e);
        if (r >= 0)
                r = change_links(c, args, true, e);
        if (r < 0 || !c->o.now)
                return r;
        return ctl_start(c, args, e);
}

int verb_disable(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        int r = check_names(c, args, e);

        if (r >= 0)
                r = change_links(c, args, false, e);
        if (r < 0 || !c->o.now)
                return r;
        return ctl_poweroff(c, args);
}
