/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Talking to PID 1, see scope.h. A machine created by us lives in a scope below machine.slice; what
 * else the creator wants of the scope is passed through for PID 1 to judge. */
#include "machined/scope.h"

#include "app/report.h"

#define GIVE_UP_USEC ((uint64_t) 90 * 1000000)

static int new_call(Manager *m, sd_bus_message **ret, const char *method) {
        return sd_bus_message_new_method_call(m->daemon.bus, ret, BUS_SYSTEMD1_NAME,
                                              BUS_SYSTEMD1_PATH, BUS_SYSTEMD1_MANAGER, method);
}

/* A call that PID 1's answer is passed on to. */
typedef struct Forward {
        Manager *manager;
        sd_bus_message *call;
        char *closing; /* name of the machine that closes if all goes well; NULL = none */
} Forward;

static Forward *forward_free(Forward *f) {
        if (!f)
                return NULL;
        sd_bus_message_unref(f->call);
        free(f->closing);
        free(f);
        return NULL;
}
DEFINE_CLEANUP(Forward *, forward_free)

/* With the slot, be it that the answer came or that we end before. */
static void on_forward_gone(void *userdata) {
        forward_free(userdata);
}

static int on_forward(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Forward *f = userdata;
        const sd_bus_error *failed = sd_bus_message_get_error(reply);
        Machine *machine = f->closing ? registry_by_name(&f->manager->registry, f->closing) : NULL;

        if (!failed) {
                (void) sd_bus_reply_method_return(f->call, NULL);
                return 0;
        }
        (void) sd_bus_reply_method_error(f->call, failed);
        if (machine && machine->is_closing && machine_process_is_alive(&machine->leader)) {
                machine->is_closing = false;
                manager_state_changed(f->manager, machine);
        }
        return 0;
}

static int forward(Manager *m, sd_bus_message *request, sd_bus_message *call,
                   const Machine *closing, Error *e) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        _cleanup_(forward_freep) Forward *f = calloc(1, sizeof *f);

        if (!f || (closing && !(f->closing = strdup(closing->name))))
                return error_oom(e);
        f->manager = m;
        f->call = sd_bus_message_ref(call);
        int r = sd_bus_call_async(m->daemon.bus, &slot, request, on_forward, f, 0);
        if (r < 0)
                return error_set(e, r, "cannot ask PID 1: %m");
        (void) sd_bus_slot_set_destroy_callback(slot, on_forward_gone);
        (void) TAKE_PTR(f);
        (void) sd_bus_slot_set_floating(slot, true);
        return 0;
}

int scope_stop(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *request = NULL;
        int r = new_call(m, &request, "StopUnit");

        if (r >= 0)
                r = sd_bus_message_append(request, "ss", machine->unit, "fail");
        if (r < 0)
                return error_set(e, r, "cannot ask PID 1: %m");
        r = forward(m, request, call, machine, e);
        if (r < 0)
                return r;
        machine->is_closing = true;
        manager_state_changed(m, machine);
        return 0;
}

int scope_kill(Manager *m, Machine *machine, int signal, sd_bus_message *call, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *request = NULL;
        int r = new_call(m, &request, "KillUnit");

        if (r >= 0)
                r = sd_bus_message_append(request, "ssi", machine->unit, "all", signal);
        return r < 0 ? error_set(e, r, "cannot ask PID 1: %m") : forward(m, request, call, NULL, e);
}

static int on_dead_stopped(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        MachineEdge *edge = userdata;

        /* No such unit: gone by itself. Else UnitRemoved comes when it is. */
        if (sd_bus_message_get_error(reply))
                manager_drop(edge->manager, edge->machine);
        return 0;
}

static int on_give_up(sd_event_source *source, uint64_t usec, void *userdata) {
        MachineEdge *edge = userdata;

        report(LOG_WARNING, "unit %s does not go away; machine '%s' is forgotten",
               edge->machine->unit, edge->machine->name);
        manager_drop(edge->manager, edge->machine);
        return 0;
}

int scope_stop_dead(Manager *m, Machine *machine) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *request = NULL;
        MachineEdge *edge = manager_edge(machine);
        int r = new_call(m, &request, "StopUnit");

        if (r >= 0)
                r = sd_bus_message_append(request, "ss", machine->unit, "fail");
        if (r >= 0)
                r = sd_event_add_time_relative(m->daemon.event, &edge->give_up, CLOCK_MONOTONIC,
                                               GIVE_UP_USEC, 0, on_give_up, edge);
        edge->call = sd_bus_slot_unref(edge->call);
        if (r >= 0)
                r = sd_bus_call_async(m->daemon.bus, &edge->call, request, on_dead_stopped, edge,
                                      0);
        if (r >= 0) {
                machine->is_closing = true;
                manager_state_changed(m, machine);
        }
        return r;
}

static int append_own_properties(Manager *m, sd_bus_message *request, const Machine *machine) {
        const char *what = machine->class == MACHINE_VM ? "Virtual Machine" : "Container";
        _cleanup_free_ char *description = str_format("%s %s", what, machine->name);
        int r;

        if (!description)
                return -ENOMEM;
        r = sd_bus_message_append(request, "(sv)(sv)(sv)(sv)(sv)", "Slice", "s", "machine.slice",
                                  "Description", "s", description, "Delegate", "b", 1,
                                  "CollectMode", "s", "inactive-or-failed", "TasksMax", "t",
                                  (uint64_t) 16384);
        if (r < 0)
                return r;
        /* Its own processes may divide the group then. */
        if (machine->uid != 0 && !m->no_scope_user) {
                char user[16];
                (void) snprintf(user, sizeof user, "%u", machine->uid);
                r = sd_bus_message_append(request, "(sv)", "User", "s", user);
                if (r < 0)
                        return r;
        }
        if (m->no_pidfds)
                return sd_bus_message_append(request, "(sv)", "PIDs", "au", 1,
                                             (uint32_t) machine->leader.pid);
        return sd_bus_message_append(request, "(sv)", "PIDFDs", "ah", 1, machine->leader.fd);
}

/* Everything before the a(sv) at the end of a call. */
static int skip_to_properties(sd_bus_message *call) {
        const char *signature = sd_bus_message_get_signature(call, true);
        size_t n = signature ? strlen(signature) : 0;

        if (n < strlen("a(sv)"))
                return -EBADMSG;
        _cleanup_free_ char *head = strndup(signature, n - strlen("a(sv)"));
        return head ? sd_bus_message_skip(call, head) : -ENOMEM;
}

static int append_given_properties(sd_bus_message *request, sd_bus_message *call) {
        int r = sd_bus_message_rewind(call, true);

        if (r >= 0)
                r = skip_to_properties(call);
        if (r >= 0)
                r = sd_bus_message_enter_container(call, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_copy(request, call, true);
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int send_start(Manager *m, Machine *machine, sd_bus_message *given);

static void start_failed(Machine *machine, const sd_bus_error *error) {
        MachineEdge *edge = manager_edge(machine);

        manager_created(machine, error);
        manager_drop(edge->manager, machine);
}

/* Whether PID 1 is too old for one of our properties, and the request may be tried without it. */
static bool can_do_without(Manager *m, const sd_bus_error *error) {
        static const struct {
                const char *property;
                size_t flag;
        } newer[] = {
                { "PIDFDs", offsetof(Manager, no_pidfds) },
                { "User", offsetof(Manager, no_scope_user) },
        };

        if (!sd_bus_error_has_name(error, SD_BUS_ERROR_PROPERTY_READ_ONLY))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(newer); i++) {
                bool *flag = (bool *) ((uint8_t *) m + newer[i].flag);
                if (*flag || !strstr(strempty(error->message), newer[i].property))
                        continue;
                *flag = true;
                return true;
        }
        return false;
}

static int on_started(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        MachineEdge *edge = userdata;
        Machine *machine = edge->machine;
        Manager *m = edge->manager;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        const char *job;

        if (error && can_do_without(m, error) &&
            send_start(m, machine, edge->creation.properties) >= 0)
                return 0;
        if (error) {
                start_failed(machine, error);
                return 0;
        }
        if (sd_bus_message_read(reply, "o", &job) < 0 ||
            str_replace(&machine->scope_job, job) < 0) {
                sd_bus_error bad = SD_BUS_ERROR_MAKE_CONST(SD_BUS_ERROR_FAILED,
                                                           "PID 1 answered with nonsense");
                start_failed(machine, &bad);
                return 0;
        }
        m->n_opening++;
        manager_save(m, machine);
        return 0;
}

static int send_start(Manager *m, Machine *machine, sd_bus_message *given) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *request = NULL;
        MachineEdge *edge = manager_edge(machine);
        int r = new_call(m, &request, "StartTransientUnit");

        if (r >= 0)
                r = sd_bus_message_append(request, "ss", machine->unit, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(request, 'a', "(sv)");
        if (r >= 0)
                r = append_own_properties(m, request, machine);
        if (r >= 0 && given)
                r = append_given_properties(request, given);
        if (r >= 0)
                r = sd_bus_message_close_container(request);
        if (r >= 0)
                r = sd_bus_message_append(request, "a(sa(sv))", 0);
        edge->call = sd_bus_slot_unref(edge->call);
        if (r >= 0)
                r = sd_bus_call_async(m->daemon.bus, &edge->call, request, on_started, edge, 0);
        return r;
}

int scope_start(Manager *m, Machine *machine, const Creation *creation, Error *e) {
        _cleanup_free_ char *name = machine_scope_name(machine->name);
        int r = name ? registry_set_unit(&m->registry, machine, name) : -ENOMEM;

        if (r >= 0)
                r = send_start(m, machine, creation->properties);
        if (r < 0)
                return error_set(e, r, "cannot ask PID 1 for a scope for machine '%s': %m",
                                 machine->name);
        manager_edge(machine)->creation = *creation;
        if (creation->properties)
                sd_bus_message_ref(creation->properties);
        return 0;
}

static Machine *find_job(Manager *m, const char *job) {
        for (Machine *i = m->registry.first; i; i = i->next)
                if (streq_ptr(i->scope_job, job))
                        return i;
        return NULL;
}

static void job_succeeded(Manager *m, Machine *machine) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        Error e = {};
        int r = manager_announce(m, machine, &e);

        if (r < 0)
                (void) bus_error_set(&error, r, &e);
        manager_created(machine, r < 0 ? &error : NULL);
}

static int on_job_removed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        Manager *m = userdata;
        const char *job, *unit, *result;
        uint32_t id;

        if (m->n_opening == 0 || sd_bus_message_read(signal, "uoss", &id, &job, &unit, &result) < 0)
                return 0;
        Machine *machine = find_job(m, job);
        if (!machine)
                return 0;

        if (!streq(result, "done") && manager_edge(machine)->creation.answer) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                (void) sd_bus_error_setf(&error, bus_error_name(ERR_JOB_FAILED),
                                         "cannot start unit %s: the job's result is %s", unit,
                                         result);
                start_failed(machine, &error);
                return 0;
        }
        m->n_opening--;
        free(TAKE_PTR(machine->scope_job));
        job_succeeded(m, machine);
        return 0;
}

static int on_unit_removed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        Manager *m = userdata;
        const char *unit, *path;

        if (sd_bus_message_read(signal, "so", &unit, &path) < 0)
                return 0;
        Machine *machine = registry_by_unit(&m->registry, unit);
        if (machine && !machine_process_is_alive(&machine->leader))
                manager_drop(m, machine);
        return 0;
}

static int on_reloading(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        Manager *m = userdata;
        int begins;

        if (sd_bus_message_read(signal, "b", &begins) < 0 || begins)
                return 0;
        /* Signals may have been lost meanwhile. */
        for (Machine *i = m->registry.first, *next; i; i = next) {
                next = i->next;
                (void) manager_check_gone(m, i);
        }
        return 0;
}

int scope_watch(Manager *m, Error *e) {
        static const struct {
                const char *signal;
                sd_bus_message_handler_t handler;
        } signals[] = {
                { "JobRemoved", on_job_removed },
                { "UnitRemoved", on_unit_removed },
                { "Reloading", on_reloading },
        };

        for (size_t i = 0; i < ELEMENTSOF(signals); i++) {
                int r = sd_bus_match_signal_async(m->daemon.bus, NULL, BUS_SYSTEMD1_NAME,
                                                  BUS_SYSTEMD1_PATH, BUS_SYSTEMD1_MANAGER,
                                                  signals[i].signal, signals[i].handler, NULL, m);
                if (r < 0)
                        return error_set(e, r, "cannot watch %s of PID 1: %m", signals[i].signal);
        }
        int r = sd_bus_call_method_async(m->daemon.bus, NULL, BUS_SYSTEMD1_NAME, BUS_SYSTEMD1_PATH,
                                         BUS_SYSTEMD1_MANAGER, "Subscribe", NULL, NULL, NULL);
        return r < 0 ? error_set(e, r, "cannot subscribe to PID 1: %m") : 0;
}
