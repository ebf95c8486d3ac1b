/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wait and forget, operations and cancel: when a machine is ready or gone, what the registry is to know no
 * more, and what it is at work on. */
#include "base/fd.h"
#include "base/parse.h"
#include "bus/code.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

/* A registry that is started anew meanwhile has forgotten us, which looks as if it had taken too long; it knows
 * all machines still. */
static int wait_again(Ctl *c, const char *name, const char *until, Error *e) {
        const uint64_t end = c->o.timeout == 0 ? UINT64_MAX : now_usec() + c->o.timeout;
        int r;

        for (;;) {
                uint64_t now = now_usec();

                *e = (Error){};
                r = client_act(c, &peer_skep, "WaitForMachine", NULL, e, "sst", name, until,
                               end == UINT64_MAX ? 0 : MAX(end - MIN(now, end), UINT64_C(1)));
                if (r != -ETIMEDOUT || now_usec() >= end)
                        return r;
        }
}

static int wait_one(Ctl *c, const char *name, Error *e) {
        const char *until = c->o.until ? c->o.until : "ready";
        if (!streq(until, "ready") && !streq(until, "gone"))
                return error_set(e, EINVAL, "--until: '%.60s' is none of ready, gone", until);
        int r = wait_again(c, name, until, e);

        if (r == -ERR_NO_SUCH_MACHINE && streq(until, "gone")) {
                *e = (Error){};
                return 0;
        }
        return r < 0 ? error_wrap(e, r, "waiting for '%s'", name) : 0;
}

int verb_wait(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, wait_one);
}

static int forget_one(Ctl *c, const char *name, Error *e) {
        return client_act(c, &peer_skep, "ForgetMachine", NULL, e, "sb", name, (int) c->o.force);
}

int verb_forget(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, forget_one);
}

static int add_operation(Table *t, sd_bus_message *reply) {
        uint64_t id, started, done, total;
        const char *what, *subject;
        uint32_t uid;
        int on_machine;
        int r = sd_bus_message_read(reply, "(tssbuttt)", &id, &what, &subject, &on_machine, &uid,
                                    &started, &done, &total);

        if (r <= 0)
                return r;
        r = table_add_number(t, id);
        if (r >= 0)
                r = table_add_text(t, what);
        if (r >= 0)
                r = table_add_text(t, subject);
        if (r >= 0)
                r = table_add_number(t, uid);
        if (r >= 0)
                r = table_add_time(t, started);
        if (r >= 0)
                r = table_add_size(t, done);
        if (r >= 0)
                r = table_add_size(t, total);
        return r < 0 ? r : 1;
}

int verb_operations(char *const *args, void *context, Error *e) {
        static const TableColumn columns[] = {
                { "id", NULL, TABLE_RIGHT },   { "operation" }, { "name" },
                { "uid", NULL, TABLE_RIGHT },  { "since" },     { "written", NULL, TABLE_RIGHT },
                { "total", NULL, TABLE_RIGHT }
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(table_freep) Table *t = NULL;
        Ctl *c = context;
        int r = client_act(c, &peer_skep, "ListOperations", &reply, e, NULL);

        if (r < 0)
                return r;
        if (table_new(columns, ELEMENTSOF(columns), &t) < 0)
                return error_oom(e);
        r = sd_bus_message_enter_container(reply, 'a', "(tssbuttt)");
        while (r >= 0 && (r = add_operation(t, reply)) > 0)
                ;
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        return ctl_print_table(c, t, "operations", e);
}

static int cancel_one(Ctl *c, const char *name, Error *e) {
        uint64_t id;

        if (parse_u64(name, 1, UINT64_MAX, &id) < 0)
                return error_set(e, EINVAL, "'%.60s' is no number of an operation", name);
        return client_act(c, &peer_skep, "CancelOperation", NULL, e, "t", id);
}

int verb_cancel(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, cancel_one);
}
