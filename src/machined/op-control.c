/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ending machines and sending them signals: by way of PID 1 where a machine has a unit of its own, through
 * pidfds where it shares one. */
#include <signal.h>

#include "machined/op.h"
#include "machined/scope.h"
#include "machined/subgroup.h"

static int refuse_host(const Machine *machine, Error *e) {
        return machine->class == MACHINE_HOST
                       ? error_set(e, EOPNOTSUPP, "this cannot be done to the host")
                       : 0;
}

static int signal_process(const MachineProcess *p, int signal, const char *who,
                          const Machine *machine, Error *e) {
        if (!machine_process_is_alive(p))
                return error_set(e, ESRCH, "machine '%s' has no %s that lives", machine->name, who);
        int r = proc_pidfd_signal(p->fd, signal);
        return r < 0 ? error_set(e, r, "cannot signal the %s of machine '%s': %m", who,
                                 machine->name)
                     : 0;
}

/* Whether a machine is ended by its unit. One whose leader was moved elsewhere has nothing to do any more with
 * what goes on in there. */
static bool has_unit(Manager *m, Machine *machine) {
        if (machine->owns_unit && machine_process_is_alive(&machine->leader) &&
            !machine_is_in_unit(machine)) {
                registry_disown_unit(&m->registry, machine);
                manager_save(m, machine);
        }
        return machine->owns_unit;
}

int op_terminate(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        int r = refuse_host(machine, e);

        if (r < 0)
                return r;
        r = op_authorize(m, call, BUS_MACHINE1_NAME ".manage-machines", machine, "terminate",
                         machine->uid, e);
        if (r <= 0)
                return r;
        if (has_unit(m, machine))
                return scope_stop(m, machine, call, e);

        /* Whoever supervises it knows how to end it; without one the leader takes the rest with it. */
        r = machine_process_is_alive(&machine->supervisor)
                    ? signal_process(&machine->supervisor, SIGTERM, "supervisor", machine, e)
                    : signal_process(&machine->leader, SIGKILL, "leader", machine, e);
        if (r < 0)
                return r;
        machine->is_closing = true;
        manager_state_changed(m, machine);
        return op_sent(sd_bus_reply_method_return(call, NULL), e);
}

static int kill_all(Manager *m, Machine *machine, int signal, sd_bus_message *call, Error *e) {
        if (has_unit(m, machine))
                return scope_kill(m, machine, signal, call, e);
        if (machine->subgroup) {
                int r = subgroup_kill(machine, signal, e);
                return r < 0 ? r : op_sent(sd_bus_reply_method_return(call, NULL), e);
        }

        if (machine_process_is_alive(&machine->supervisor))
                (void) proc_pidfd_signal(machine->supervisor.fd, signal);
        int r = signal_process(&machine->leader, signal, "leader", machine, e);
        return r < 0 ? r : op_sent(sd_bus_reply_method_return(call, NULL), e);
}

int op_kill(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        const char *whom;
        int32_t signal;
        int r = op_read(call, e, "si", &whom, &signal);

        if (r >= 0)
                r = refuse_host(machine, e);
        if (r < 0)
                return r;
        if (signal <= 0 || signal > SIGRTMAX)
                return error_set(e, EINVAL, "%d is not a signal", signal);
        bool all = !*whom || streq(whom, "all"), supervisor = streq(whom, "supervisor");
        if (!all && !supervisor && !streq(whom, "leader"))
                return error_set(e, EINVAL, "'%.32s' is neither leader, supervisor nor all", whom);

        r = op_authorize(m, call, BUS_MACHINE1_NAME ".manage-machines", machine, "kill",
                         machine->uid, e);
        if (r <= 0)
                return r;
        if (all)
                return kill_all(m, machine, signal, call, e);
        r = signal_process(supervisor ? &machine->supervisor : &machine->leader, signal,
                           supervisor ? "supervisor" : "leader", machine, e);
        return r < 0 ? r : op_sent(sd_bus_reply_method_return(call, NULL), e);
}
