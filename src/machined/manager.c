/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of machines in the daemon, see manager.h. Decodes no calls: that is for op-*.c. */
#include "machined/manager.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

#include "app/report.h"
#include "base/home.h"
#include "machined/bind-record.h"
#include "machined/front.h"
#include "machined/image-object.h"
#include "machined/image-watch.h"
#include "machined/object.h"
#include "machined/op.h"
#include "machined/privacy.h"
#include "machined/scope.h"
#include "machined/state.h"
#include "machined/waiter.h"

/* After the watches of the bus, so that calls that came before an exit still find the machine. */
#define PRIORITY_EXIT (SD_EVENT_PRIORITY_NORMAL + 10)

/* Numbers below are for descriptors that come and go: calls, workers, the loop. */
#define LOW_FDS 512

static MachineEdge *edge_free(MachineEdge *edge) {
        if (!edge)
                return NULL;
        sd_event_source_disable_unref(edge->leader_exit);
        sd_event_source_disable_unref(edge->give_up);
        sd_bus_slot_unref(edge->call);
        if (edge->creation.answer)
                edge->creation.answer(edge->creation.userdata, NULL, NULL);
        sd_bus_message_unref(edge->creation.properties);
        for (unsigned i = 0; i < edge->n_waiting; i++)
                sd_bus_message_unref(edge->waiting[i]);
        free(edge);
        return NULL;
}

static int on_leader_exit(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        MachineEdge *edge = userdata;

        (void) manager_check_gone(edge->manager, edge->machine);
        return 0;
}

/* Out of the way of what workers are lent, see operation.c. */
static void move_up(MachineProcess *p) {
        int fd = p->fd < 0 ? -1 : fcntl(p->fd, F_DUPFD_CLOEXEC, LOW_FDS);

        if (fd < 0)
                return;
        (void) close(p->fd);
        p->fd = fd;
}

static int edge_attach(Manager *m, Machine *machine) {
        MachineEdge *edge = calloc(1, sizeof *edge);
        int r = 0;

        if (!edge)
                return -ENOMEM;
        move_up(&machine->leader);
        move_up(&machine->supervisor);
        edge->manager = m;
        edge->machine = machine;
        machine->edge = edge;
        if (machine->leader.fd >= 0)
                r = sd_event_add_io(m->daemon.event, &edge->leader_exit, machine->leader.fd,
                                    EPOLLIN, on_leader_exit, edge);
        if (r >= 0 && edge->leader_exit)
                r = sd_event_source_set_priority(edge->leader_exit, PRIORITY_EXIT);
        if (r >= 0)
                r = sd_bus_path_encode(BUS_MACHINE1_MACHINE, machine->name, &machine->path);
        if (r < 0)
                machine->edge = edge_free(edge);
        return r;
}

int manager_add(Manager *m, Machine *machine, Error *e) {
        Machine *old = registry_by_name(&m->registry, machine->name);

        if (old && !manager_check_gone(m, old))
                return error_set(e, ERR_MACHINE_EXISTS, "Machine '%s' already exists",
                                 machine->name);

        old = machine->leader.pid > 1 ? registry_by_leader(&m->registry, machine->leader.pid)
                                      : NULL;
        if (old && !manager_check_gone(m, old))
                return error_set(e, ERR_MACHINE_EXISTS, "process %d leads machine '%s' already",
                                 machine->leader.pid, old->name);

        int r = edge_attach(m, machine);
        if (r >= 0) {
                r = registry_add(&m->registry, machine);
                wire_clear(&m->machine_list);
                if (r < 0)
                        machine->edge = edge_free(machine->edge);
        }
        return r < 0 ? error_set(e, r, "cannot take up machine '%s': %m", machine->name) : 0;
}

static void emit(Manager *m, const Machine *machine, const char *signal) {
        int r = sd_bus_emit_signal(m->daemon.bus, BUS_MACHINE1_PATH, BUS_MACHINE1_MANAGER, signal,
                                   "so", machine->name, machine->path);

        if (r < 0)
                report(LOG_WARNING, "cannot emit %s for '%s': %s", signal, machine->name,
                       error_errno_text(r));
}

void manager_save(Manager *m, Machine *machine) {
        Error e = {};

        if (machine->class != MACHINE_HOST && state_save(m->state_fd, machine, &e) < 0)
                report(LOG_ERR, "%s", e.text);
}

int manager_announce(Manager *m, Machine *machine, Error *e) {
        if (machine->class != MACHINE_HOST) {
                int r = state_save(m->state_fd, machine, e);
                if (r < 0)
                        return r;
        }
        emit(m, machine, "MachineNew");
        front_life(m, machine, true);
        life_log_add(&m->life_log, m->daemon.event, machine, true);
        manager_edge(machine)->is_announced = true;
        return 0;
}

void manager_created(Machine *machine, const sd_bus_error *error) {
        Creation creation = manager_edge(machine)->creation;

        if (!creation.answer)
                return;
        manager_edge(machine)->creation = (Creation){};
        creation.answer(creation.userdata, error ? NULL : machine, error);
        sd_bus_message_unref(creation.properties);
}

int manager_wait_for_end(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        MachineEdge *edge = manager_edge(machine);

        if (edge->n_waiting >= ELEMENTSOF(edge->waiting))
                return error_set(e, ERR_MACHINE_EXISTS,
                                 "Machine '%s' still exists, and others wait for its end",
                                 machine->name);
        edge->waiting[edge->n_waiting++] = sd_bus_message_ref(call);
        return 1;
}

static void wake_waiting(Manager *m, const MachineEdge *edge) {
        for (unsigned i = 0; i < edge->n_waiting; i++)
                if (sd_bus_enqueue_for_read(sd_bus_message_get_bus(edge->waiting[i]),
                                            edge->waiting[i]) < 0)
                        (void) bus_error_reply(edge->waiting[i], -EIO, NULL);
}

void manager_state_changed(Manager *m, const Machine *machine) {
        /* By hand: the library tells no values of properties that are asked for by name only. */
        if (manager_edge(machine)->is_announced)
                (void) sd_bus_emit_signal(m->daemon.bus, machine->path, BUS_PROPERTIES,
                                          "PropertiesChanged", "sa{sv}as", BUS_SKEP_MACHINE1, 1,
                                          "State", "s", machine_state_name(machine), 0);
}

void manager_drop(Manager *m, Machine *machine) {
        MachineEdge *edge = manager_edge(machine);
        _cleanup_(sd_bus_error_free) sd_bus_error early = SD_BUS_ERROR_NULL;

        if (edge->creation.answer) {
                (void) sd_bus_error_setf(&early, bus_error_name(ERR_JOB_FAILED),
                                         "machine '%s' is gone before it was set up",
                                         machine->name);
                manager_created(machine, &early);
        }
        if (machine->scope_job)
                m->n_opening--;
        registry_remove(&m->registry, machine);
        wire_clear(&m->machine_list);
        state_remove(m->state_fd, machine);
        Error ended = {};
        int code = error_set(&ended, ERR_NO_SUCH_MACHINE, "machine '%s' has ended", machine->name);
        operation_forget(&m->operations, machine, code, &ended);
        waiter_machine_gone(m, machine);
        bind_records_forget(machine->name);
        if (edge->is_announced) {
                emit(m, machine, "MachineRemoved");
                front_life(m, machine, false);
                life_log_add(&m->life_log, m->daemon.event, machine, false);
        }
        wake_waiting(m, edge);
        machine->edge = edge_free(edge);
        machine_free(machine);
}

bool manager_check_gone(Manager *m, Machine *machine) {
        MachineEdge *edge = manager_edge(machine);

        if (machine_process_is_alive(&machine->leader))
                return false;
        /* Level-triggered; once is enough. */
        edge->leader_exit = sd_event_source_disable_unref(edge->leader_exit);

        /* A scope of our making goes with its machine, and its name is free only then. */
        if (edge->give_up || (machine_has_own_scope(machine) && scope_stop_dead(m, machine) >= 0))
                return false;
        manager_drop(m, machine);
        return true;
}

int manager_find(Manager *m, const char *name, Machine **ret, Error *e) {
        Machine *machine = registry_by_name(&m->registry, name);

        if (!machine)
                return error_set(e, ERR_NO_SUCH_MACHINE, "No machine '%.64s' known", name);
        *ret = machine;
        return 0;
}

/* A PID is another's only after its process has ended, which the kernel told this turn of the loop when it told
 * of the call. */
Machine *manager_by_leader(const Manager *m, pid_t pid) {
        Machine *machine = registry_by_leader(&m->registry, pid);
        sd_event_source *end = machine ? manager_edge(machine)->leader_exit : NULL;

        return end && sd_event_source_get_pending(end) == 0 ? machine : NULL;
}

Machine *manager_caller_machine(Manager *m, sd_bus_message *message) {
        pid_t pid;

        if (polkit_find_caller(m->daemon.polkit, message, NULL, &pid, NULL) <= 0)
                return NULL;
        return registry_by_pid(&m->registry, pid);
}

static int add_host(Manager *m, Error *e) {
        _cleanup_(machine_freep) Machine *host = NULL;
        struct timespec real, boot;
        sd_id128_t id;

        int r = machine_new(MACHINE_HOST_NAME, &host);
        if (r < 0)
                return error_oom(e);
        host->class = MACHINE_HOST;
        host->leader.pid = 1;
        if (sd_id128_get_machine(&id) >= 0)
                memcpy(host->id.bytes, id.bytes, sizeof host->id.bytes);
        if (str_replace(&host->root, "/") < 0 || str_replace(&host->unit, "-.slice") < 0)
                return error_oom(e);
        if (access("/dev/vsock", F_OK) >= 0)
                host->vsock_cid = 1; /* VMADDR_CID_LOCAL */

        (void) clock_gettime(CLOCK_REALTIME, &real);
        (void) clock_gettime(CLOCK_BOOTTIME, &boot);
        host->realtime = (uint64_t) (real.tv_sec - boot.tv_sec) * 1000000;

        r = manager_add(m, host, e);
        if (r >= 0)
                (void) TAKE_PTR(host);
        return r;
}

/* A machine that ended while nobody looked: what is left in its scope ends as well, and until then nobody else
 * has its name. */
static int take_leave(Manager *m, Machine *machine, Error *e) {
        machine->leader = machine->supervisor = MACHINE_PROCESS_NONE;
        free(TAKE_PTR(machine->scope_job));
        if (!machine_has_own_scope(machine)) {
                state_remove(m->state_fd, machine);
                machine_free(machine);
                return 0;
        }
        int r = manager_add(m, machine, e);
        if (r < 0) {
                machine_free(machine);
                return r;
        }
        if (scope_stop_dead(m, machine) < 0)
                manager_drop(m, machine);
        return 0;
}

/* Return: 1 taken up; 0 the machine is gone. */
static int take_up(Manager *m, const char *name, Error *e) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        MachineProcess p;
        int r = state_load(m->state_fd, name, &machine, e);

        if (r < 0)
                return r;
        if (machine_process_pin(machine->leader.pid, machine->leader.id, &p) < 0)
                return take_leave(m, TAKE_PTR(machine), e);
        machine->leader = p;
        if (machine->supervisor.pid > 0) {
                pid_t pid = machine->supervisor.pid;
                uint64_t id = machine->supervisor.id;
                machine->supervisor = MACHINE_PROCESS_NONE;
                (void) machine_process_pin(pid, id, &machine->supervisor);
        }
        /* A start job that ended while nobody looked. Where it failed, its creator has seen that. */
        if (machine->scope_job && !machine_is_in_unit(machine)) {
                state_remove(m->state_fd, machine);
                return 0;
        }
        free(TAKE_PTR(machine->scope_job));

        r = manager_add(m, machine, e);
        if (r < 0)
                return r;
        Machine *added = TAKE_PTR(machine);
        r = manager_announce(m, added, e);
        if (r < 0)
                return r;
        return 1;
}

static bool is_known(const char *name, void *userdata) {
        return registry_by_name(&((Manager *) userdata)->registry, name);
}

static int take_up_all(Manager *m, Error *e) {
        _cleanup_strv_ char **names = NULL;

        state_sweep(m->state_fd);
        int r = state_names(m->state_fd, &names, e);
        if (r < 0)
                return r;
        STRV_FOREACH(name, names) {
                Error one = {};
                if (take_up(m, *name, &one) >= 0)
                        continue;
                report(LOG_WARNING, "%s", one.text);
                state_remove_name(m->state_fd, *name);
        }
        bind_records_sweep(is_known, m);
        return 0;
}

static const char *owner_name(const void *owner) {
        return ((const Machine *) owner)->name;
}

int manager_init(Manager *m, void (*set_level)(int), Error *e) {
        *m = (Manager){ .state_fd = -EBADF,
                        .operations = {
                                .daemon = &m->daemon, .userdata = m, .owner_name = owner_name } };

        int r = daemon_init(&m->daemon, "skep-machined", set_level, e);
        if (r >= 0)
                r = m->state_fd = state_open(e);
        if (r >= 0)
                r = object_add_all(m, m->daemon.bus, e);
        if (r >= 0)
                r = privacy_watch(m, m->daemon.bus, e);
        if (r >= 0)
                r = image_object_watch(m, m->daemon.bus, e);
        if (r >= 0)
                r = scope_watch(m, e);
        /* A user has no host; and gives no part of what is theirs to others. */
        m->no_scope_user = home_is_user();
        if (r >= 0 && !home_is_user())
                r = add_host(m, e);
        if (r >= 0)
                r = take_up_all(m, e);
        if (r >= 0) {
                image_watch_start(m);
                image_change_recover(m);
        }
        return r < 0 ? r : front_init(m, e);
}

void manager_done(Manager *m) {
        operation_done_all(&m->operations);
        front_done(m);
        life_log_done(&m->life_log);
        waiter_done_all(m);
        m->image_watch = image_watch_free(m->image_watch);
        image_object_stop(m);
        image_object_forget(m);
        for (Machine *machine = m->registry.first; machine; machine = machine->next)
                machine->edge = edge_free(machine->edge);
        registry_done(&m->registry);
        wire_done(&m->machine_list);
        m->state_fd = fd_close(m->state_fd);
        daemon_done(&m->daemon);
}
