/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for machines, forgetting them, and work that is under way: the calls of org.skep.Machine1 and
 * org.skep.Manager1 about them. */
#include "machined/op.h"
#include "machined/waiter.h"

int op_wait(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        const char *until;
        uint64_t usec;
        int r = op_read(call, e, "st", &until, &usec);

        if (r < 0)
                return r;
        bool gone = streq(until, "gone");
        if (!gone && !streq(until, "ready"))
                return error_set(e, EINVAL, "'%.32s' is neither ready nor gone", until);
        if (gone && machine->class == MACHINE_HOST)
                return error_set(e, EOPNOTSUPP, "the host is never gone");
        if (!gone && machine->class != MACHINE_CONTAINER && machine->class != MACHINE_HOST)
                return error_set(e, EOPNOTSUPP,
                                 "machine '%s' is no container, one cannot look into it",
                                 machine->name);
        /* That a machine goes is told to everybody anyway. */
        r = gone ? 1
                 : op_authorize(m, call, BUS_MACHINE1_NAME ".inspect-machines", machine, "wait",
                                machine->uid, e);
        if (r <= 0)
                return r;
        return waiter_add(m, machine, gone ? WAIT_GONE : WAIT_READY, usec == 0 ? UINT64_MAX : usec,
                          call, e);
}

int op_forget(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        int even_alive;
        int r = op_read(call, e, "b", &even_alive);

        if (r < 0)
                return r;
        if (machine->class == MACHINE_HOST)
                return error_set(e, EOPNOTSUPP, "the host cannot be forgotten");
        r = op_authorize(m, call, BUS_MACHINE1_NAME ".manage-machines", machine, "forget",
                         machine->uid, e);
        if (r <= 0)
                return r;
        if (!even_alive && machine_process_is_alive(&machine->leader))
                return error_set(e, EBUSY, "machine '%s' is alive; it would run on, unknown",
                                 machine->name);
        manager_drop(m, machine);
        return op_sent(sd_bus_reply_method_return(call, NULL), e);
}

static int append_operation(const OperationInfo *info, void *userdata) {
        return sd_bus_message_append(userdata, "(tssbuttt)", info->id, info->what, info->subject,
                                     (int) info->has_owner, (uint32_t) info->uid, info->started,
                                     info->done, info->total) < 0
                       ? -ENOMEM
                       : 0;
}

int op_list_operations(Manager *m, sd_bus_message *call, Error *e) {
        static const char *const details[] = { "verb", "list_operations", NULL };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = polkit_check(m->daemon.polkit, call, BUS_MACHINE1_NAME ".inspect-machines", details,
                             POLKIT_NOBODY, e);

        if (r <= 0)
                return r;
        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(tssbuttt)");
        if (r >= 0)
                r = operation_each(&m->operations, append_operation, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        return op_sent(r, e);
}

typedef struct Sought {
        uint64_t id;
        OperationInfo found;
        char *subject;
} Sought;

static int match_operation(const OperationInfo *info, void *userdata) {
        Sought *s = userdata;

        if (info->id != s->id)
                return 0;
        s->found = *info;
        s->subject = strdup(info->subject);
        return s->subject ? 1 : -ENOMEM;
}

int op_cancel_operation(Manager *m, sd_bus_message *call, Error *e) {
        Sought s = {};
        int r = op_read(call, e, "t", &s.id);

        if (r < 0)
                return r;
        /* Who has asked for something may do without it. */
        if (s.id == 0) {
                (void) operation_cancel_of(&m->operations, call);
                return op_sent(sd_bus_reply_method_return(call, NULL), e);
        }
        r = operation_each(&m->operations, match_operation, &s);
        _cleanup_free_ char *subject = s.subject;
        if (r < 0)
                return error_oom(e);
        /* Who may not know what is under way does not learn it from the numbers either. */
        const char *details[] = { s.found.has_owner ? "machine" : "image", strempty(subject),
                                  "verb", "cancel", NULL };
        r = polkit_check(m->daemon.polkit, call,
                         r == 0 || s.found.has_owner ? BUS_MACHINE1_NAME ".manage-machines"
                                                     : BUS_MACHINE1_NAME ".manage-images",
                         details, subject ? s.found.uid : POLKIT_NOBODY, e);
        if (r <= 0)
                return r;
        if (!operation_cancel(&m->operations, s.id))
                return error_set(e, ENXIO, "no operation %llu is under way",
                                 (unsigned long long) s.id);
        return op_sent(sd_bus_reply_method_return(call, NULL), e);
}
