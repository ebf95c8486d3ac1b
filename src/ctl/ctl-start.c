/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* start: asks PID 1 for the units of machines and waits for what becomes of them. Knows the names of the
 * unit templates and nothing of what is in them. */
#include "app/report.h"
#include "base/name.h"
#include "ctl/client.h"
#include "ctl/journal.h"
#include "ctl/machine-unit.h"
#include "ctl/verbs.h"

static char *unit_name(const Ctl *c, const char *machine) {
        if (c->o.template)
                return machine_unit_instance(c->o.template, machine);
        return machine_unit_instance(c->o.ephemeral ? MACHINE_TEMPLATE_EPHEMERAL : MACHINE_TEMPLATE,
                                     machine);
}

int ctl_check_image(Ctl *c, const char *name, Error *e) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (!hostname_is_valid(name))
                return error_set(
                        e, EINVAL,
                        "'%.80s' cannot be the name of a machine (letters, digits, dots and "
                        "inner hyphens, at most %d)",
                        name, HOST_NAME_LENGTH_MAX);
        r = client_get(c, "GetImage", name, &path, e);
        return MIN(r, 0);
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
        _cleanup_free_ char *path = NULL, *result = NULL, *last = NULL, *id = NULL;
        const char *unit;

        if (sd_bus_path_encode("/org/freedesktop/systemd1/unit", j->unit, &path) < 0)
                return error_oom(e);
        (void) client_string_property(c, BUS_SYSTEMD1_NAME, path, BUS_SYSTEMD1_SERVICE, "Result",
                                      &result, NULL);
        /* With a template of its own the unit has a name of that as well, which the journal knows. */
        (void) client_string_property(c, BUS_SYSTEMD1_NAME, path, BUS_SYSTEMD1_UNIT, "Id", &id,
                                      NULL);
        unit = id ? id : j->unit;
        if (ctl_is_local(c))
                (void) journal_last_message(unit, &last);
        return error_set(e, EIO, "cannot start '%s': %s: %s%s%s (see \"journalctl -u %s\")",
                         j->machine, unit,
                         result && !streq(result, "success") ? result : strempty(j->result),
                         last ? ": " : "", strempty(last), unit);
}

/* Whether the machine runs, but in a unit of another name: it may have a template of its own, and
 * systemd's template may be ours as well. To start one that runs is no failure, but one that keeps what
 * is written to it is not what --ephemeral asks for. Return: 1 or 0; -EBUSY. */
static int runs_elsewhere(Ctl *c, const char *name, Error *e) {
        _cleanup_free_ char *path = NULL, *state = NULL, *unit = NULL, *own = unit_name(c, name);
        static const char interface[] = "org.freedesktop.machine1.Machine";

        if (!own || client_get(c, "GetMachine", name, &path, NULL) < 0 ||
            client_string_property(c, BUS_MACHINE1_NAME, path, interface, "State", &state, NULL) <
                    0 ||
            client_string_property(c, BUS_MACHINE1_NAME, path, interface, "Unit", &unit, NULL) < 0)
                return 0;
        /* Strangers are not told: PID 1 decides then. */
        if (!*unit || streq(unit, own) || !streq(state, "running"))
                return 0;
        if (c->o.ephemeral)
                return error_set(e, EBUSY, "machine '%s' is running already, in %s", name, unit);
        report_note("machine '%s' is running already, in %s", name, unit);
        return 1;
}

/* --ephemeral is a template of ours, so that it cannot be had together with another one. */
static int check_template(Ctl *c, const char *name, Error *e) {
        _cleanup_free_ char *own = machine_unit_instance(MACHINE_TEMPLATE, name);
        _cleanup_free_ char *wanted = unit_name(c, name), *id = NULL;
        int r;

        if (!c->o.ephemeral)
                return 0;
        if (!own || !wanted)
                return error_oom(e);
        r = ctl_load_unit(c, own, &id, NULL, e);
        if (r < 0 || streq(id, own) || streq(id, wanted))
                return MIN(r, 0);
        return error_set(
                e, EOPNOTSUPP,
                "machine '%s' has a template of its own, %s: --ephemeral is for those that "
                "have ours",
                name, id);
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
        *j = (Job){ .machine = strdup(name), .unit = unit_name(c, name) };
        if (!j->machine || !j->unit)
                return error_oom(e);

        r = client_act(c, &peer_systemd1, "StartUnit", &reply, e, "ss", j->unit, "fail");
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
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

                r = ctl_check_image(c, *name, &error);
                if (r >= 0)
                        r = check_template(c, *name, &error);
                if (r >= 0)
                        r = runs_elsewhere(c, *name, &error);
                if (r == 0)
                        r = start_unit(c, &jobs, *name, &error);
                if (r < 0) {
                        (void) error_wrap(&error, r, "cannot start '%s'", *name);
                        status = ctl_report(c, &error);
                }
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
        const CtlOptions *o = &((Ctl *) context)->o;
        int r = machine_unit_check(&(MachineUnit){ .template = o->template }, e);

        if (r < 0)
                return r;
        if (o->ephemeral && o->template)
                return error_set(e, EINVAL, "--ephemeral and --template do not go together");
        return ctl_start(context, args, e);
}
