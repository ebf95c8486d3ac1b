/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What machines use, and what runs in them. Counted by the kernel, but in namespaces and processes of
 * machines, so workers look. */
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "bus/operation.h"
#include "machined/op.h"
#include "machined/process-list.h"
#include "machined/statistics.h"

#define LOOK_USEC ((uint64_t) 10 * 1000000)

typedef struct Request {
        StatisticsSource *v;
        size_t n;
        bool is_list; /* of all, whoever of them has ended meanwhile */
} Request;

/* What the worker gives for one machine. */
typedef struct Row {
        char name[HOST_NAME_LENGTH_MAX + 1];
        Statistics statistics;
} Row;

static void request_done(Request *q) {
        for (size_t i = 0; i < q->n; i++)
                free(q->v[i].group);
        free(q->v);
}

static int request_add(Request *q, const Machine *machine, Error *e) {
        StatisticsSource *v = reallocarray(q->v, q->n + 1, sizeof *v);

        if (!v)
                return error_oom(e);
        q->v = v;
        if (statistics_source(machine, v + q->n) < 0)
                return error_oom(e);
        q->n++;
        return 0;
}

static int work(const void *arg, const WorkerOut *out, Error *e) {
        const Request *q = arg;
        _cleanup_(buf_done) Buf all = {};
        _cleanup_fd_ int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        if (net < 0)
                return error_set(e, errno, "cannot open our network namespace: %m");
        for (size_t i = 0; i < q->n; i++) {
                Row row = {};
                int r = statistics_read(q->v + i, net, &row.statistics);

                if (r < 0 && q->is_list)
                        continue;
                if (r < 0)
                        return error_set(e, r, "machine '%s' has ended", q->v[i].name);
                memcpy(row.name, q->v[i].name, sizeof row.name);
                if (buf_append(&all, &row, sizeof row) < 0)
                        return error_oom(e);
        }
        return operation_send_text(out, strempty(all.p), all.n);
}

static int append_statistics(sd_bus_message *reply, const Statistics *s) {
        int r = sd_bus_message_open_container(reply, 'a', "{st}");

        for (StatisticsField f = 0; f < _STATISTICS_FIELD_MAX && r >= 0; f++)
                if (s->v[f] != STATISTICS_UNKNOWN)
                        r = sd_bus_message_append(reply, "{st}", statistics_name(f), s->v[f]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int finish_one(sd_bus_message *call, const OperationResult *result, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(call, &reply);
        Row row;

        if (result->n_text < sizeof row)
                return error_set(e, EIO, "the worker told nothing");
        memcpy(&row, result->text, sizeof row);
        if (r >= 0)
                r = append_statistics(reply, &row.statistics);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        return op_sent(r, e);
}

static int append_row(sd_bus_message *reply, const char *at, size_t n) {
        Row row;

        if (n < sizeof row)
                return 0;
        memcpy(&row, at, sizeof row);
        int r = sd_bus_message_open_container(reply, 'r', "sa{st}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", row.name);
        if (r >= 0)
                r = append_statistics(reply, &row.statistics);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : (int) sizeof row;
}

static int finish_all(sd_bus_message *call, const OperationResult *result, Error *e) {
        return operation_reply_list(call, result, "(sa{st})", append_row, e);
}

int op_statistics(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading statistics", work, finish_one, LOOK_USEC,
                                            false };
        _cleanup_(request_done) Request q = {};
        int r = op_authorize(m, call, BUS_MACHINE1_NAME ".inspect-machines", machine,
                             "get_statistics", machine->uid, e);

        if (r <= 0)
                return r;
        r = request_add(&q, machine, e);
        return r < 0 ? r : operation_start(&m->operations, &kind, call, machine, &q, NULL, 0, e);
}

int op_list_statistics(Manager *m, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading statistics", work, finish_all, LOOK_USEC,
                                            false };
        static const char *const details[] = { "verb", "list_statistics", NULL };
        _cleanup_(request_done) Request q = { .is_list = true };
        int r = polkit_check(m->daemon.polkit, call, BUS_MACHINE1_NAME ".inspect-machines", details,
                             POLKIT_NOBODY, e);

        if (r <= 0)
                return r;
        for (const Machine *i = m->registry.first; i; i = i->next) {
                r = request_add(&q, i, e);
                if (r < 0)
                        return r;
        }
        return operation_start(&m->operations, &kind, call, NULL, &q, NULL, 0, e);
}

typedef struct ProcessRequest {
        Target target;
        const char *group;
} ProcessRequest;

static int work_processes(const void *arg, const WorkerOut *out, Error *e) {
        const ProcessRequest *q = arg;
        _cleanup_free_ ProcessEntry *v = NULL;
        int n = process_list_read(&q->target, q->group, &v, e);

        return n < 0 ? n
                     : operation_send_text(out, v ? (const void *) v : "", (size_t) n * sizeof *v);
}

static int append_process(sd_bus_message *reply, const char *at, size_t n) {
        ProcessEntry p;

        if (n < sizeof p)
                return 0;
        memcpy(&p, at, sizeof p);
        int r = sd_bus_message_append(reply, "(uuusttts)", p.pid, p.inner, p.uid, p.user,
                                      p.cpu_nsec, p.memory, p.started_usec, p.command);
        return r < 0 ? r : (int) sizeof p;
}

static int finish_processes(sd_bus_message *call, const OperationResult *result, Error *e) {
        return operation_reply_list(call, result, "(uuusttts)", append_process, e);
}

int op_processes(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "listing processes", work_processes, finish_processes,
                                            LOOK_USEC, false };
        StatisticsSource source;
        int r;

        if (machine->class == MACHINE_HOST)
                return error_set(e, EOPNOTSUPP, "the host is no machine");
        r = op_authorize(m, call, BUS_MACHINE1_NAME ".inspect-machines", machine, "list_processes",
                         machine->uid, e);
        if (r <= 0)
                return r;
        r = statistics_source(machine, &source);
        if (r < 0)
                return error_oom(e);
        _cleanup_free_ char *group = source.group;
        if (!group)
                return error_set(e, EOPNOTSUPP, "machine '%s' shares its control group with others",
                                 machine->name);
        const ProcessRequest q = { .target = target_of(machine), .group = group };
        return operation_start(&m->operations, &kind, call, machine, &q, &q.target.pidfd, 1, e);
}
