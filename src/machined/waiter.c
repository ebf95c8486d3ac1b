/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Those who wait, see waiter.h. */
#include "machined/waiter.h"

#include "bus/operation.h"
#include "machined/readiness.h"

#define WAITERS_MAX       4096
#define WAITERS_OTHER_MAX 256 /* of those who are not root, together */

struct Waiter {
        Waiter *next;
        Manager *manager;
        Machine *machine;
        WaitFor what;
        uid_t uid;
        sd_bus_message *call;
        sd_bus_track *caller;
        sd_event_source *timeout;
};

static Waiter *waiter_free(Waiter *w) {
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->timeout);
        sd_bus_track_unref(w->caller);
        sd_bus_message_unref(w->call);
        free(w);
        return NULL;
}
DEFINE_CLEANUP(Waiter *, waiter_free)

static void unlink_waiter(Waiter *gone) {
        Manager *m = gone->manager;

        for (Waiter **w = &m->waiters; *w; w = &(*w)->next)
                if (*w == gone) {
                        *w = gone->next;
                        m->n_waiters--;
                        break;
                }
        waiter_free(gone);
}

/* @e is NULL if it went well. */
static void answer(Waiter *w, int r, const Error *e) {
        if (e)
                (void) bus_error_reply(w->call, r, e);
        else
                (void) sd_bus_reply_method_return(w->call, NULL);
        unlink_waiter(w);
}

/* All who wait for the same. */
static void answer_all(Manager *m, const Machine *machine, WaitFor what, int r, const Error *e) {
        for (Waiter *w = m->waiters, *next; w; w = next) {
                next = w->next;
                if (w->machine == machine && w->what == what)
                        answer(w, r, e);
        }
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Waiter *w = userdata;
        Error e = {};
        int r = error_set(&e, ETIMEDOUT, "machine '%s' is not %s yet", w->machine->name,
                          w->what == WAIT_READY ? "ready" : "gone");

        answer(w, r, &e);
        return 0;
}

static int on_caller_gone(sd_bus_track *track, void *userdata) {
        unlink_waiter(userdata);
        return 0;
}

static void readiness_done(void *userdata, void *owner, int r, const OperationResult *result,
                           const Error *e) {
        Machine *machine = owner;
        Manager *m = userdata;
        MachineEdge *edge = manager_edge(machine);

        edge->is_watched = false;
        edge->is_ready = r >= 0;
        answer_all(m, machine, WAIT_READY, r, r < 0 ? e : NULL);
}

static int watch_readiness(Manager *m, Machine *machine, Error *e) {
        static const OperationKind kind = { .what = "waiting till the machine is ready",
                                            .work = readiness_work,
                                            .done = readiness_done };
        const Target target = target_of(machine);

        if (manager_edge(machine)->is_watched)
                return 0;
        int r = operation_start_own(&m->operations, &kind, machine, &target, &target.pidfd,
                                    target.pidfd >= 0, e);
        manager_edge(machine)->is_watched = r >= 0;
        return r;
}

static int count_others(const Manager *m) {
        int n = 0;

        for (const Waiter *w = m->waiters; w; w = w->next)
                n += w->uid != 0;
        return n;
}

static int arm(Waiter *w, uint64_t usec) {
        Manager *m = w->manager;
        int r = sd_bus_track_new(m->daemon.bus, &w->caller, on_caller_gone, w);

        if (r >= 0)
                r = sd_bus_track_add_sender(w->caller, w->call);
        if (r >= 0 && usec != UINT64_MAX)
                r = sd_event_add_time_relative(m->daemon.event, &w->timeout, CLOCK_MONOTONIC, usec,
                                               0, on_timeout, w);
        return r;
}

int waiter_add(Manager *m, Machine *machine, WaitFor what, uint64_t usec, sd_bus_message *call,
               Error *e) {
        _cleanup_(waiter_freep) Waiter *w = NULL;
        uid_t uid;
        int r = polkit_find_caller(m->daemon.polkit, call, &uid, NULL, e);

        if (r <= 0)
                return r;
        if (what == WAIT_READY && manager_edge(machine)->is_ready)
                return sd_bus_reply_method_return(call, NULL);
        if (m->n_waiters >= WAITERS_MAX || (uid != 0 && count_others(m) >= WAITERS_OTHER_MAX))
                return error_set(e, ENOBUFS, "too many wait for machines");

        w = calloc(1, sizeof *w);
        if (!w)
                return error_oom(e);
        *w = (Waiter){ .manager = m, .machine = machine, .what = what, .uid = uid };
        w->call = sd_bus_message_ref(call);
        r = arm(w, usec);
        if (r < 0)
                return error_set(e, r, "cannot wait for machine '%s': %m", machine->name);
        if (what == WAIT_READY) {
                r = watch_readiness(m, machine, e);
                if (r < 0)
                        return r;
        }
        w->next = m->waiters;
        m->waiters = TAKE_PTR(w);
        m->n_waiters++;
        return 0;
}

void waiter_machine_gone(Manager *m, const Machine *machine) {
        Error e = {};
        int r = error_set(&e, ERR_NO_SUCH_MACHINE, "machine '%s' has ended", machine->name);

        answer_all(m, machine, WAIT_GONE, 0, NULL);
        answer_all(m, machine, WAIT_READY, r, &e);
}

void waiter_done_all(Manager *m) {
        while (m->waiters)
                unlink_waiter(m->waiters);
}
