/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scope and registration over D-Bus, see register-bus.h. Talks to the service manager and to the machine
 * manager; what of it is wanted, and when, is register.c's. */
#include "spawn/register-bus.h"

#include <poll.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "spawn/bus-watch.h"
#include "spawn/keeper.h"
#include "spawn/property.h"

#define CALL_USEC   (20 * 1000 * 1000)
#define JOB_USEC    (30 * 1000 * 1000)
#define TASKS_MAX   16384
#define CLEAR_TRIES 100 /* of 10 ms */

#define MANAGER                                                                                    \
        "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
#define BUS "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus"
#define MACHINES                                                                                   \
        "org.freedesktop.machine1", "/org/freedesktop/machine1", "org.freedesktop.machine1.Manager"

static int open_on_socket(RegisterBus *b, int socket) {
        int r = b->sd.sd_bus_new(&b->bus);

        if (r >= 0)
                r = b->sd.sd_bus_set_fd(b->bus, socket, socket);
        if (r >= 0)
                r = b->sd.sd_bus_set_bus_client(b->bus, true);
        return r < 0 ? r : b->sd.sd_bus_start(b->bus);
}

int register_bus_open(RegisterBus *b, int socket, Error *e) {
        *b = (RegisterBus){ .is_lent = socket >= 0 };
        if (systemd_load(&b->sd, e) < 0)
                return -ENOTCONN;

        int r = socket >= 0 ? open_on_socket(b, socket) : b->sd.sd_bus_open_system(&b->bus);
        if (r < 0) {
                (void) error_set(e, r, "cannot connect to the system bus: %m");
                return -ENOTCONN;
        }
        return 0;
}

void register_bus_done(RegisterBus *b) {
        if (b->bus)
                b->bus = b->sd.sd_bus_flush_close_unref(b->bus);
}

/* What a peer answered, or why it could not be asked. Names that matter to us become an errno of their
 * own. */
static int bus_failure(const RegisterBus *b, const char *what, int r, sd_bus_error *error,
                       Error *e) {
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
        b->sd.sd_bus_error_free(error);
        return r;
}

/* Sends a message, which is freed, and waits for the answer. @ret_reply may be NULL. */
static int call(const RegisterBus *b, sd_bus_message *m, const char *what,
                sd_bus_message **ret_reply, Error *e) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        int r = b->sd.sd_bus_call(b->bus, m, CALL_USEC, &error, &reply);

        (void) b->sd.sd_bus_message_unref(m);
        if (r < 0)
                return bus_failure(b, what, r, &error, e);
        if (ret_reply)
                *ret_reply = reply;
        else
                (void) b->sd.sd_bus_message_unref(reply);
        return 0;
}

/* Jobs: a call answers at once with the path of a job, whose end is told by a signal. */

typedef struct Job {
        const RegisterBus *b;
        char *path; /* NULL until the call has been answered */
        char *result;
} Job;

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *path, *unit, *result;
        Job *job = userdata;
        uint32_t id;

        (void) error;
        if (job->b->sd.sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 &&
            streq_ptr(path, job->path))
                (void) str_replace(&job->result, result);
        return 0;
}

static int wait_for_job(const RegisterBus *b, const char *what, Job *job, Error *e) {
        uint64_t until = now_usec() + JOB_USEC, now;

        while (!job->result) {
                int r = b->sd.sd_bus_process(b->bus, NULL);
                if (r < 0)
                        return error_set(e, r, "%s: lost the system bus: %m", what);
                if (r > 0)
                        continue;
                now = now_usec();
                if (now >= until)
                        return error_set(e, ETIMEDOUT, "%s: the service manager takes too long",
                                         what);
                (void) b->sd.sd_bus_wait(b->bus, until - now);
        }
        if (!streq(job->result, "done") && !streq(job->result, "skipped"))
                return error_set(e, EPROTO, "%s: the service manager's job ended with '%s'", what,
                                 job->result);
        return 0;
}

/* Sends a message that is answered with a job, and waits for the job. */
static int call_job(const RegisterBus *b, sd_bus_message *m, const char *what, Error *e) {
        sd_bus_message *reply = NULL;
        sd_bus_slot *slot = NULL; /* lives as long as the bus */
        Job *job = calloc(1, sizeof *job);
        const char *path = NULL;

        if (!job) {
                (void) b->sd.sd_bus_message_unref(m);
                return error_oom(e);
        }
        job->b = b;
        int r = b->sd.sd_bus_match_signal(b->bus, &slot, MANAGER, "JobRemoved", on_job_removed,
                                          job);
        if (r < 0) {
                (void) b->sd.sd_bus_message_unref(m);
                return error_set(e, r, "%s: cannot listen to the service manager: %m", what);
        }
        r = call(b, m, what, &reply, e);
        if (r < 0)
                return r;
        r = b->sd.sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = str_replace(&job->path, path);
        (void) b->sd.sd_bus_message_unref(reply);
        if (r < 0)
                return error_set(e, r, "%s: the answer makes no sense", what);
        return wait_for_job(b, what, job, e);
}

static int append_words(const RegisterBus *b, sd_bus_message *m, const Property *p) {
        int r = b->sd.sd_bus_message_open_container(m, 'v', "as");

        if (r >= 0)
                r = b->sd.sd_bus_message_append_strv(m, p->words);
        return r < 0 ? r : b->sd.sd_bus_message_close_container(m);
}

static int append_bytes(const RegisterBus *b, sd_bus_message *m, const Property *p) {
        int r = b->sd.sd_bus_message_open_container(m, 'v', "ay");

        if (r >= 0)
                r = b->sd.sd_bus_message_append_array(m, 'y', p->bytes, p->n_bytes);
        return r < 0 ? r : b->sd.sd_bus_message_close_container(m);
}

static int append_value(const RegisterBus *b, sd_bus_message *m, const Property *p) {
        switch (p->type) {
        case PROPERTY_BOOL:
                return b->sd.sd_bus_message_append(m, "v", "b", (int) p->number);
        case PROPERTY_U32:
                return b->sd.sd_bus_message_append(m, "v", "u", (uint32_t) p->number);
        case PROPERTY_U64:
                return b->sd.sd_bus_message_append(m, "v", "t", p->number);
        case PROPERTY_I32:
                return b->sd.sd_bus_message_append(m, "v", "i", (int32_t) p->number);
        case PROPERTY_STRING:
                return b->sd.sd_bus_message_append(m, "v", "s", strempty(p->text));
        case PROPERTY_STRINGS:
                return append_words(b, m, p);
        case PROPERTY_BYTES:
                return append_bytes(b, m, p);
        case PROPERTY_PAIR:
                return p->text ? b->sd.sd_bus_message_append(m, "v", "a(ss)", 1, p->text, p->second)
                               : b->sd.sd_bus_message_append(m, "v", "a(ss)", 0);
        case PROPERTY_DEVICE:
                return p->text ? b->sd.sd_bus_message_append(m, "v", "a(st)", 1, p->text, p->number)
                               : b->sd.sd_bus_message_append(m, "v", "a(st)", 0);
        default:
                return -EINVAL;
        }
}

static int append_property(const RegisterBus *b, sd_bus_message *m, const char *assignment,
                           Error *e) {
        _cleanup_(property_done) Property p = {};
        int r = property_parse(assignment, &p, e);

        if (r < 0)
                return r;
        r = b->sd.sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = b->sd.sd_bus_message_append(m, "s", p.name);
        if (r >= 0)
                r = append_value(b, m, &p);
        if (r >= 0)
                r = b->sd.sd_bus_message_close_container(m);
        return r < 0 ? error_set(e, r, "cannot send '%s': %m", assignment) : 0;
}

/* Devices that any machine may use, and those that are bound into this one. */
static int append_devices(const RegisterBus *b, sd_bus_message *m, const Spec *spec, Error *e) {
        static const char *const always[] = {
                "DevicePolicy=closed",
                "DeviceAllow=/dev/net/tun rwm",
                "DeviceAllow=char-pts rw",
                "DeviceAllow=/dev/fuse rwm",
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(always) && r >= 0; i++)
                r = append_property(b, m, always[i], e);
        for (size_t i = 0; i < spec->n_mounts && r >= 0; i++) {
                const CustomMount *mount = spec->mounts + i;
                struct stat st;

                if (!mount->source || *mount->source == '+' || stat(mount->source, &st) < 0 ||
                    !(S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
                        continue;
                _cleanup_free_ char *text = str_format("DeviceAllow=%s %s", mount->source,
                                                       mount->type == CUSTOM_MOUNT_BIND_READ_ONLY
                                                               ? "r"
                                                               : "rw");
                r = text ? append_property(b, m, text, e) : error_oom(e);
        }
        return r;
}

static int append_scope_properties(const RegisterBus *b, sd_bus_message *m, const Spec *spec,
                                   pid_t pid, Error *e) {
        _cleanup_free_ char *description = str_format("Machine %s", spec->machine);
        const char *controller = NULL;
        int r;

        if (!description)
                return error_oom(e);
        r = b->sd.sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)", "PIDs", "au", 1,
                                        (uint32_t) pid, "Description", "s", description, "Slice",
                                        "s", spec->slice ? spec->slice : "machine.slice",
                                        "Delegate", "b", 1, "CollectMode", "s",
                                        "inactive-or-failed", "TasksMax", "t",
                                        (uint64_t) TASKS_MAX);
        /* The controller is asked to stop the machine. The signal is for when there is none any more. */
        if (r >= 0)
                r = b->sd.sd_bus_message_append(m, "(sv)", "KillSignal", "i",
                                                (int32_t) keeper_shutdown_signal(spec));
        if (r >= 0 && b->is_lent)
                r = b->sd.sd_bus_get_unique_name(b->bus, &controller);
        if (r >= 0 && controller)
                r = b->sd.sd_bus_message_append(m, "(sv)", "Controller", "s", controller);
        if (r < 0)
                return error_set(e, r, "cannot make a message: %m");
        r = append_devices(b, m, spec, e);
        STRV_FOREACH(p, spec->properties)
                if (r >= 0)
                        r = append_property(b, m, *p, e);
        return r;
}

static int start_scope(RegisterBus *b, const Spec *spec, const char *unit, pid_t pid, Error *e) {
        _cleanup_free_ char *what = str_format("cannot start %s", unit);
        sd_bus_message *m = NULL;
        int r;

        if (!what)
                return error_oom(e);
        r = b->sd.sd_bus_message_new_method_call(b->bus, &m, MANAGER, "StartTransientUnit");
        if (r >= 0)
                r = b->sd.sd_bus_message_append(m, "ss", unit, "fail");
        if (r >= 0)
                r = b->sd.sd_bus_message_open_container(m, 'a', "(sv)");
        if (r < 0)
                return error_set(e, r, "cannot make a message: %m");
        r = append_scope_properties(b, m, spec, pid, e);
        if (r < 0)
                return r;
        r = b->sd.sd_bus_message_close_container(m);
        if (r >= 0)
                r = b->sd.sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r < 0)
                return error_set(e, r, "cannot make a message: %m");
        return call_job(b, m, what, e);
}

/* A scope whose processes are gone is cleared away by the service manager in its own time, and one that
 * failed only when asked. One that runs stays as it is, and the name is taken. */
int register_bus_start_scope(RegisterBus *b, const Spec *spec, const char *unit, pid_t pid,
                             Error *e) {
        for (unsigned i = 0;; i++) {
                int r = start_scope(b, spec, unit, pid, e);
                if (r != -EEXIST || i == CLEAR_TRIES)
                        return r;
                (void) b->sd.sd_bus_call_method(b->bus, MANAGER, "ResetFailedUnit", NULL, NULL, "s",
                                                unit);
                (void) poll(NULL, 0, 10);
        }
}

int register_bus_find_manager(RegisterBus *b, uint64_t *ret, Error *e) {
        static const char rule[] = "type='signal',sender='org.freedesktop.DBus',"
                                   "member='NameOwnerChanged',arg0='org.freedesktop.systemd1'";
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        const char *owner;

        int r = b->sd.sd_bus_call_method(b->bus, BUS, "AddMatch", &error, NULL, "s", rule);
        if (r >= 0)
                r = b->sd.sd_bus_call_method(b->bus, BUS, "GetNameOwner", &error, &reply, "s",
                                             "org.freedesktop.systemd1");
        if (r < 0)
                return bus_failure(b, "cannot find the service manager on the bus", r, &error, e);
        r = b->sd.sd_bus_message_read(reply, "s", &owner);
        if (r >= 0)
                r = bus_name_parse(owner, ret);
        (void) b->sd.sd_bus_message_unref(reply);
        return r < 0 ? error_set(e, r, "the name of the service manager on the bus is odd") : 0;
}

int register_bus_stop_scope(RegisterBus *b, const char *unit, Error *e) {
        sd_bus_message *m = NULL;
        int r = b->sd.sd_bus_message_new_method_call(b->bus, &m, MANAGER, "StopUnit");

        if (r >= 0)
                r = b->sd.sd_bus_message_append(m, "ss", unit, "replace");
        return r < 0 ? error_set(e, r, "cannot make a message: %m")
                     : call_job(b, m, "cannot stop the scope", e);
}

int register_bus_register(RegisterBus *b, const Spec *spec, const Run *run, Error *e) {
        sd_bus_message *m = NULL;
        int r = b->sd.sd_bus_message_new_method_call(b->bus, &m, MACHINES,
                                                     "RegisterMachineWithNetwork");

        if (r >= 0)
                r = b->sd.sd_bus_message_append(m, "s", spec->machine);
        if (r >= 0)
                r = b->sd.sd_bus_message_append_array(m, 'y', run->uuid.bytes,
                                                      sizeof run->uuid.bytes);
        if (r >= 0)
                r = b->sd.sd_bus_message_append(m, "ssus", "skep", "container",
                                                (uint32_t) run->leader, spec->directory);
        if (r >= 0)
                r = b->sd.sd_bus_message_append_array(m, 'i', run->network_indices,
                                                      run->n_network *
                                                              sizeof *run->network_indices);
        return r < 0 ? error_set(e, r, "cannot make a message: %m")
                     : call(b, m, "cannot register the machine", NULL, e);
}

int register_bus_unregister(RegisterBus *b, const char *machine, Error *e) {
        sd_bus_message *m = NULL;
        int r = b->sd.sd_bus_message_new_method_call(b->bus, &m, MACHINES, "UnregisterMachine");

        if (r >= 0)
                r = b->sd.sd_bus_message_append(m, "s", machine);
        return r < 0 ? error_set(e, r, "cannot make a message: %m")
                     : call(b, m, "cannot unregister the machine", NULL, e);
}
