/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scope and registration over D-Bus, see bus.h. Talks to the service manager and to the machine manager;
 * what of it is wanted, and when, is skep-spawn's. */
#include "spawn/bus/bus.h"

#include <poll.h>

#include "base/fd.h"
#include "spawn/bus-watch.h"
#include "spawn/property.h"

#define CALL_USEC   (20 * 1000 * 1000)
#define JOB_USEC    (30 * 1000 * 1000)
#define TASKS_MAX   16384
#define CLEAR_TRIES 500 /* of 10 ms: what is killed may take long to go */

#define MANAGER                                                                                    \
        "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
#define BUS "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"
#define MACHINES                                                                                   \
        "org.freedesktop.machine1", "/org/freedesktop/machine1", "org.freedesktop.machine1.Manager"

static int open_on_socket(int socket, sd_bus **ret) {
        sd_bus *bus = NULL;
        int r = sd_bus_new(&bus);

        if (r >= 0)
                r = sd_bus_set_fd(bus, socket, socket);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                (void) sd_bus_unref(bus);
        else
                *ret = bus;
        return r;
}

int bus_open(int socket, sd_bus **ret, Error *e) {
        int r = socket >= 0 ? open_on_socket(socket, ret) : sd_bus_open_system(ret);

        if (r >= 0)
                return 0;
        (void) error_set(e, r, "cannot connect to the system bus: %m");
        return -ENOTCONN;
}

/* What a peer answered, or why it could not be asked. Names that matter to us become an errno of their
 * own. */
static int bus_failure(const char *what, int r, sd_bus_error *error, Error *e) {
        static const struct {
                const char *name;
                int code;
        } known[] = {
                { "org.freedesktop.systemd1.UnitExists", EEXIST },
                { "org.freedesktop.systemd1.NoSuchUnit", ENOENT },
                { "org.freedesktop.machine1.MachineExists", EEXIST },
                { "org.freedesktop.machine1.NoSuchMachine", ENOENT },
                { "org.freedesktop.DBus.Error.ServiceUnknown", ENOTCONN },
                { "org.freedesktop.DBus.Error.NameHasNoOwner", ENOTCONN },
        };
        int code = -r;

        for (size_t i = 0; error->name && i < ELEMENTSOF(known); i++)
                if (streq(error->name, known[i].name))
                        code = known[i].code;
        r = error->message ? error_set(e, code, "%s: %s", what, error->message)
                           : error_set(e, code, "%s: %m", what);
        sd_bus_error_free(error);
        return r;
}

/* Sends a message, which is freed, and waits for the answer. @ret_reply may be NULL. */
static int call(sd_bus *bus, sd_bus_message *m, const char *what, sd_bus_message **ret_reply,
                Error *e) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        int r = sd_bus_call(bus, m, CALL_USEC, &error, &reply);

        (void) sd_bus_message_unref(m);
        if (r < 0)
                return bus_failure(what, r, &error, e);
        if (ret_reply)
                *ret_reply = reply;
        else
                (void) sd_bus_message_unref(reply);
        return 0;
}

/* Jobs: a call answers at once with the path of a job, whose end is told by a signal. */

typedef struct Job {
        char *path; /* NULL until the call has been answered */
        char *result;
} Job;

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path, *unit, *result;
        Job *job = userdata;
        uint32_t id;

        (void) error;
        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 &&
            streq_ptr(path, job->path))
                (void) str_replace(&job->result, result);
        return 0;
}

static int wait_for_job(sd_bus *bus, const char *what, Job *job, Error *e) {
        uint64_t until = now_usec() + JOB_USEC, now;

        while (!job->result) {
                int r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return error_set(e, r, "%s: lost the system bus: %m", what);
                if (r > 0)
                        continue;
                now = now_usec();
                if (now >= until)
                        return error_set(e, ETIMEDOUT, "%s: the service manager takes too long",
                                         what);
                (void) sd_bus_wait(bus, until - now);
        }
        if (!streq(job->result, "done") && !streq(job->result, "skipped"))
                return error_set(e, EPROTO, "%s: the service manager's job ended with '%s'", what,
                                 job->result);
        return 0;
}

/* Sends a message that is answered with a job, and waits for the job. */
static int call_job(sd_bus *bus, sd_bus_message *m, const char *what, Error *e) {
        sd_bus_message *reply = NULL;
        sd_bus_slot *slot = NULL; /* lives as long as the bus */
        Job *job = calloc(1, sizeof *job);
        const char *path = NULL;

        if (!job) {
                (void) sd_bus_message_unref(m);
                return error_oom(e);
        }
        int r = sd_bus_match_signal(bus, &slot, MANAGER, "JobRemoved", on_job_removed, job);
        if (r < 0) {
                (void) sd_bus_message_unref(m);
                return error_set(e, r, "%s: cannot listen to the service manager: %m", what);
        }
        r = call(bus, m, what, &reply, e);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = str_replace(&job->path, path);
        (void) sd_bus_message_unref(reply);
        if (r < 0)
                return error_set(e, r, "%s: the answer makes no sense", what);
        return wait_for_job(bus, what, job, e);
}

static int append_words(sd_bus_message *m, const Property *p) {
        int r = sd_bus_message_open_container(m, 'v', "as");

        if (r >= 0)
                r = sd_bus_message_append_strv(m, p->words);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_bytes(sd_bus_message *m, const Property *p) {
        int r = sd_bus_message_open_container(m, 'v', "ay");

        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', p->bytes, p->n_bytes);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_value(sd_bus_message *m, const Property *p) {
        switch (p->type) {
        case PROPERTY_BOOL:
                return sd_bus_message_append(m, "v", "b", (int) p->number);
        case PROPERTY_U32:
                return sd_bus_message_append(m, "v", "u", (uint32_t) p->number);
        case PROPERTY_U64:
                return sd_bus_message_append(m, "v", "t", p->number);
        case PROPERTY_I32:
                return sd_bus_message_append(m, "v", "i", (int32_t) p->number);
        case PROPERTY_STRING:
                return sd_bus_message_append(m, "v", "s", strempty(p->text));
        case PROPERTY_STRINGS:
                return append_words(m, p);
        case PROPERTY_BYTES:
                return append_bytes(m, p);
        case PROPERTY_PAIR:
                return p->text ? sd_bus_message_append(m, "v", "a(ss)", 1, p->text, p->second)
                               : sd_bus_message_append(m, "v", "a(ss)", 0);
        case PROPERTY_DEVICE:
                return p->text ? sd_bus_message_append(m, "v", "a(st)", 1, p->text, p->number)
                               : sd_bus_message_append(m, "v", "a(st)", 0);
        default:
                return -EINVAL;
        }
}

static int append_property(sd_bus_message *m, const char *assignment, Error *e) {
        _cleanup_(property_done) Property p = {};
        int r = property_parse(assignment, &p, e);

        if (r < 0)
                return r;
        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", p.name);
        if (r >= 0)
                r = append_value(m, &p);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? error_set(e, r, "cannot send '%s': %m", assignment) : 0;
}

/* Devices that any machine may use. */
static int append_devices(sd_bus_message *m, Error *e) {
        static const char *const always[] = {
                "DevicePolicy=closed",
                "DeviceAllow=/dev/net/tun rwm",
                "DeviceAllow=char-pts rw",
                "DeviceAllow=/dev/fuse rwm",
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(always) && r >= 0; i++)
                r = append_property(m, always[i], e);
        return r;
}

static int append_scope_properties(sd_bus *bus, sd_bus_message *m, const BusScope *s, Error *e) {
        _cleanup_free_ char *description = str_format("Machine %s", s->machine);
        const char *controller = NULL;
        int r;

        if (!description)
                return error_oom(e);
        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)", "PIDs", "au", 1, (uint32_t) s->pid,
                                  "Description", "s", description, "Slice", "s", s->slice,
                                  "Delegate", "b", 1, "CollectMode", "s", "inactive-or-failed",
                                  "TasksMax", "t", (uint64_t) TASKS_MAX);
        /* The controller is asked to stop the machine. The signal is for when there is none any more. */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)", "KillSignal", "i", (int32_t) s->kill_signal);
        if (r >= 0 && s->is_controller)
                r = sd_bus_get_unique_name(bus, &controller);
        if (r >= 0 && controller)
                r = sd_bus_message_append(m, "(sv)", "Controller", "s", controller);
        if (r < 0)
                return error_set(e, r, "cannot make a message: %m");
        r = append_devices(m, e);
        STRV_FOREACH(p, s->properties)
                if (r >= 0)
                        r = append_property(m, *p, e);
        return r;
}

static int start_scope(sd_bus *bus, const BusScope *s, Error *e) {
        _cleanup_free_ char *what = str_format("cannot start %s", s->unit);
        sd_bus_message *m = NULL;
        int r;

        if (!what)
                return error_oom(e);
        r = sd_bus_message_new_method_call(bus, &m, MANAGER, "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", s->unit, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r < 0)
                return error_set(e, r, "cannot make a message: %m");
        r = append_scope_properties(bus, m, s, e);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r < 0)
                return error_set(e, r, "cannot make a message: %m");
        return call_job(bus, m, what, e);
}

/* A scope whose processes are gone is cleared away by the service manager in its own time, and one that
 * failed only when asked. One that runs stays as it is, and the name is taken. */
int bus_start_scope(sd_bus *bus, const BusScope *s, Error *e) {
        for (unsigned i = 0;; i++) {
                int r = start_scope(bus, s, e);
                if (r != -EEXIST || i == CLEAR_TRIES)
                        return r;
                (void) sd_bus_call_method(bus, MANAGER, "ResetFailedUnit", NULL, NULL, "s",
                                          s->unit);
                (void) poll(NULL, 0, 10);
        }
}

int bus_find_manager(sd_bus *bus, uint64_t *ret, Error *e) {
        static const char rule[] = "type='signal',sender='org.freedesktop.DBus',"
                                   "member='NameOwnerChanged',arg0='org.freedesktop.systemd1'";
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        const char *owner;

        int r = sd_bus_call_method(bus, BUS, "AddMatch", &error, NULL, "s", rule);
        if (r >= 0)
                r = sd_bus_call_method(bus, BUS, "GetNameOwner", &error, &reply, "s",
                                       "org.freedesktop.systemd1");
        if (r < 0)
                return bus_failure("cannot find the service manager on the bus", r, &error, e);
        r = sd_bus_message_read(reply, "s", &owner);
        if (r >= 0)
                r = bus_name_parse(owner, ret);
        (void) sd_bus_message_unref(reply);
        return r < 0 ? error_set(e, r, "the name of the service manager on the bus is odd") : 0;
}

int bus_set_properties(sd_bus *bus, const char *unit, char *const *properties, Error *e) {
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, MANAGER, "SetUnitProperties");

        if (r >= 0)
                r = sd_bus_message_append(m, "sb", unit, 1);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r < 0)
                return error_set(e, r, "cannot make a message: %m");
        STRV_FOREACH(p, properties)
                if (r >= 0)
                        r = append_property(m, *p, e);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(m);
        return r < 0 ? error_set(e, r, "cannot make a message: %m")
                     : call(bus, m, "cannot change the limits of the scope", NULL, e);
}

int bus_stop_scope(sd_bus *bus, const char *unit, Error *e) {
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, MANAGER, "StopUnit");

        if (r >= 0)
                r = sd_bus_message_append(m, "ss", unit, "replace");
        return r < 0 ? error_set(e, r, "cannot make a message: %m")
                     : call_job(bus, m, "cannot stop the scope", e);
}

int bus_register(sd_bus *bus, const BusMachine *machine, Error *e) {
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, MACHINES, "RegisterMachineWithNetwork");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", machine->name);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', machine->uuid.bytes,
                                                sizeof machine->uuid.bytes);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssus", "skep", "container",
                                          (uint32_t) machine->leader, machine->directory);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'i', machine->network_indices,
                                                machine->n_network *
                                                        sizeof *machine->network_indices);
        return r < 0 ? error_set(e, r, "cannot make a message: %m")
                     : call(bus, m, "cannot register the machine", NULL, e);
}

int bus_unregister(sd_bus *bus, const char *machine, Error *e) {
        sd_bus_message *m = NULL;
        int r = sd_bus_message_new_method_call(bus, &m, MACHINES, "UnregisterMachine");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", machine);
        return r < 0 ? error_set(e, r, "cannot make a message: %m")
                     : call(bus, m, "cannot unregister the machine", NULL, e);
}
