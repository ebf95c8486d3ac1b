/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats and top: what machines use, and what runs in them. Looked at once the figures are totals; on a
 * terminal they are drawn again and again, and what happened since the last time is shown. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/format.h"
#include "ctl/client.h"
#include "ctl/live.h"
#include "ctl/verbs.h"

#define UNKNOWN UINT64_MAX

/* The fields of a reply that are shown, in the order of the columns after the machine. */
enum {
        CPU,
        MEMORY,
        LIMIT,
        TASKS,
        READ,
        WRITTEN,
        RECEIVED,
        SENT,
        TIMESTAMP,
        _FIELDS,
};

static const char *const fields[_FIELDS] = {
        [CPU] = "CPUUsageNSec",
        [MEMORY] = "MemoryCurrent",
        [LIMIT] = "MemoryMax",
        [TASKS] = "TasksCurrent",
        [READ] = "IOReadBytes",
        [WRITTEN] = "IOWriteBytes",
        [RECEIVED] = "NetworkReceivedBytes",
        [SENT] = "NetworkSentBytes",
        [TIMESTAMP] = "TimestampMonotonic",
};

typedef struct Sample {
        char *name;
        uint64_t v[_FIELDS];
} Sample;

typedef struct Samples {
        Sample *v;
        size_t n;
} Samples;

static void samples_done(Samples *s) {
        for (size_t i = 0; i < s->n; i++)
                free(s->v[i].name);
        free(s->v);
        *s = (Samples){};
}

/* One a{st} of a reply. */
static int read_sample(sd_bus_message *reply, const char *name, Samples *all) {
        Sample *v = reallocarray(all->v, all->n + 1, sizeof *v), *sample;
        const char *key;
        uint64_t value;

        if (!v)
                return -ENOMEM;
        all->v = v;
        sample = all->v + all->n;
        for (size_t i = 0; i < _FIELDS; i++)
                sample->v[i] = UNKNOWN;
        sample->name = strdup(name);
        if (!sample->name)
                return -ENOMEM;
        all->n++;
        int r = sd_bus_message_enter_container(reply, 'a', "{st}");
        while (r >= 0 && (r = sd_bus_message_read(reply, "{st}", &key, &value)) > 0)
                for (size_t i = 0; i < _FIELDS; i++)
                        if (streq(key, fields[i]))
                                sample->v[i] = value;
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int by_name(const void *x, const void *y) {
        return strcmp(((const Sample *) x)->name, ((const Sample *) y)->name);
}

static int read_all(Ctl *c, Samples *ret, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name;
        int r = client_query(c, &peer_skep, "ListStatistics", &reply, e, NULL);

        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(sa{st})");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "sa{st}")) > 0) {
                r = sd_bus_message_read(reply, "s", &name);
                if (r >= 0 && name[0] == '.' && !c->o.all)
                        r = sd_bus_message_skip(reply, "a{st}");
                else if (r >= 0)
                        r = read_sample(reply, name, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return error_set(e, r, "cannot read the statistics: %m");
        if (ret->n > 1)
                qsort(ret->v, ret->n, sizeof *ret->v, by_name);
        return 0;
}

static int read_named(Ctl *c, char *const *names, Samples *ret, Error *e) {
        STRV_FOREACH(name, names) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                int r = client_query(c, &peer_skep, "GetMachineStatistics", &reply, e, "s", *name);

                if (r < 0)
                        return r;
                r = read_sample(reply, *name, ret);
                if (r < 0)
                        return error_set(e, r, "cannot read the statistics of '%s': %m", *name);
        }
        return 0;
}

/* What grew between two samples, a second; unknown where one of them is. */
static uint64_t growth(const Sample *now, const Sample *before, unsigned field) {
        uint64_t spent = before && now->v[TIMESTAMP] > before->v[TIMESTAMP]
                                 ? now->v[TIMESTAMP] - before->v[TIMESTAMP]
                                 : 0;

        if (spent == 0 || now->v[field] == UNKNOWN || before->v[field] == UNKNOWN ||
            now->v[field] < before->v[field])
                return UNKNOWN;
        return (uint64_t) ((double) (now->v[field] - before->v[field]) * 1e6 / (double) spent);
}

static const Sample *find_sample(const Samples *s, const char *name) {
        for (size_t i = 0; i < s->n; i++)
                if (streq(s->v[i].name, name))
                        return s->v + i;
        return NULL;
}

static int add_count(Table *t, uint64_t n) {
        return n == UNKNOWN ? table_add_empty(t) : table_add_number(t, n);
}

/* Time of the processor: a number in JSON, else what people read. */
static int add_time(Ctl *c, Table *t, uint64_t nsec) {
        char text[FORMAT_MAX];

        if (nsec == UNKNOWN || ctl_is_json(c))
                return add_count(t, nsec);
        /* Below a second it is nobody's business how much exactly. */
        return table_add_text(t, format_span(nsec / 1000000 * 1000, text));
}

/* More than one processor is more than 100 %. */
static int add_percent(Table *t, double ratio) {
        char text[FORMAT_MAX];

        if (ratio < 0)
                return table_add_empty(t);
        (void) snprintf(text, sizeof text, "%.1f%%", ratio * 100);
        return table_add_text(t, text);
}

static int total_row(Ctl *c, Table *t, const Sample *s) {
        int r = table_add_text(t, s->name);

        if (r >= 0)
                r = add_time(c, t, s->v[CPU]);
        if (r >= 0)
                r = table_add_size(t, s->v[MEMORY]);
        if (r >= 0)
                r = table_add_size(t, s->v[LIMIT]);
        if (r >= 0)
                r = add_count(t, s->v[TASKS]);
        for (unsigned i = READ; i <= SENT && r >= 0; i++)
                r = table_add_size(t, s->v[i]);
        return r;
}

static int rate_row(Table *t, const Sample *s, const Sample *before) {
        uint64_t cpu = growth(s, before, CPU);
        int r = table_add_text(t, s->name);

        if (r >= 0)
                r = add_percent(t, cpu == UNKNOWN ? -1 : (double) cpu / 1e9);
        if (r >= 0)
                r = table_add_size(t, s->v[MEMORY]);
        if (r >= 0)
                r = table_add_size(t, s->v[LIMIT]);
        if (r >= 0)
                r = add_count(t, s->v[TASKS]);
        for (unsigned i = READ; i <= SENT && r >= 0; i++)
                r = table_add_size(t, growth(s, before, i));
        return r;
}

#define STATS_COLUMNS(cpu, a, b, c, d)                                                             \
        { "machine" }, { cpu, .flags = TABLE_RIGHT }, { "memory", .flags = TABLE_RIGHT },          \
                { "limit", .flags = TABLE_RIGHT }, { "tasks", .flags = TABLE_RIGHT },              \
                { a, .flags = TABLE_RIGHT }, { b, .flags = TABLE_RIGHT },                          \
                { c, .flags = TABLE_RIGHT }, {                                                     \
                d, .flags = TABLE_RIGHT                                                            \
        }

typedef struct StatsView {
        char *const *names;
        bool is_live;
        Samples before;
} StatsView;

static int draw_stats(Ctl *c, void *userdata, Error *e) {
        static const TableColumn totals[] = { STATS_COLUMNS("cpu", "read", "written", "received",
                                                            "sent") };
        static const TableColumn rates[] = { STATS_COLUMNS("cpu", "read/s", "written/s",
                                                           "received/s", "sent/s") };
        StatsView *view = userdata;
        _cleanup_(samples_done) Samples now = {};
        _cleanup_(table_freep) Table *t = NULL;
        int r = view->names[0] ? read_named(c, view->names, &now, e) : read_all(c, &now, e);

        if (r < 0)
                return r;
        r = table_new(view->is_live ? rates : totals, ELEMENTSOF(totals), &t);
        for (size_t i = 0; i < now.n && r >= 0; i++)
                r = view->is_live
                            ? rate_row(t, now.v + i, find_sample(&view->before, now.v[i].name))
                            : total_row(c, t, now.v + i);
        if (r < 0)
                return error_oom(e);
        samples_done(&view->before);
        view->before = now;
        now = (Samples){};
        return ctl_print_table(c, t, view->is_live ? NULL : "machines", e);
}

int verb_stats(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        StatsView view = { .names = args, .is_live = live_is_wanted(c) };
        int r = view.is_live ? live_run(c, draw_stats, &view, e) : draw_stats(c, &view, e);

        samples_done(&view.before);
        return r;
}

typedef struct Process {
        const char *machine;
        char *user, *command;
        uint32_t pid, inner;
        uint64_t cpu, memory, started;
        uint64_t order; /* what it is sorted by: the more the earlier */
        double ratio;   /* of a processor, since the last time; -1 = unknown */
} Process;

typedef struct Processes {
        Process *v;
        size_t n;
        uint64_t taken; /* µs of CLOCK_MONOTONIC */
} Processes;

static void processes_done(Processes *p) {
        for (size_t i = 0; i < p->n; i++) {
                free(p->v[i].user);
                free(p->v[i].command);
        }
        free(p->v);
        *p = (Processes){};
}

static int add_process(Processes *all, const Process *one) {
        Process *v = reallocarray(all->v, all->n + 1, sizeof *v);

        if (!v)
                return -ENOMEM;
        all->v = v;
        Process *p = all->v + all->n;
        *p = *one;
        p->user = strdup(one->user);
        p->command = strdup(one->command);
        all->n++;
        return p->user && p->command ? 0 : -ENOMEM;
}

static int read_processes(Ctl *c, const char *machine, Processes *all, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Process p = { .machine = machine };
        const char *user, *command;
        int r = client_query(c, &peer_skep, "ListMachineProcesses", &reply, e, "s", machine);

        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(uuusttts)");
        while (r >= 0 &&
               (r = sd_bus_message_read(reply, "(uuusttts)", &p.pid, &p.inner, NULL, &user, &p.cpu,
                                        &p.memory, &p.started, &command)) > 0) {
                p.user = (char *) (uintptr_t) user;
                p.command = (char *) (uintptr_t) command;
                r = add_process(all, &p);
        }
        return r < 0 ? error_set(e, r, "cannot read the processes of '%s': %m", machine) : 0;
}

/* By the time of the processor: that since the last look, where there was one. */
static void rate_processes(Processes *now, const Processes *before) {
        double spent = (double) (now->taken - before->taken) * 1000;

        for (size_t i = 0; i < now->n; i++) {
                Process *p = now->v + i;

                p->ratio = -1;
                p->order = p->cpu;
                if (before->taken == 0)
                        continue;
                p->order = 0;
                for (size_t k = 0; k < before->n; k++)
                        if (before->v[k].pid == p->pid &&
                            before->v[k].started / 1000000 == p->started / 1000000 &&
                            before->v[k].cpu <= p->cpu) {
                                p->order = p->cpu - before->v[k].cpu;
                                p->ratio = (double) p->order / spent;
                                break;
                        }
        }
}

static int by_order(const void *x, const void *y) {
        const Process *a = x, *b = y;

        if (a->order != b->order)
                return a->order > b->order ? -1 : 1;
        return a->pid < b->pid ? -1 : a->pid > b->pid;
}

typedef struct TopView {
        char *const *names;
        bool is_live;
        Processes before;
} TopView;

static int top_row(Ctl *c, Table *t, const TopView *view, const Process *p) {
        int r = table_add_text(t, p->machine);

        if (r >= 0)
                r = table_add_number(t, p->inner);
        if (r >= 0)
                r = table_add_number(t, p->pid);
        if (r >= 0)
                r = table_add_text(t, p->user);
        if (r >= 0 && view->is_live)
                r = add_percent(t, p->ratio);
        if (r >= 0)
                r = add_time(c, t, p->cpu);
        if (r >= 0)
                r = table_add_size(t, p->memory);
        if (r >= 0 && !view->is_live)
                r = table_add_time(t, p->started);
        return r < 0 ? r : table_add_text(t, p->command);
}

static int draw_top(Ctl *c, void *userdata, Error *e) {
        static const TableColumn once[] = {
                { "machine" },
                { "pid", .flags = TABLE_RIGHT },
                { "host", .flags = TABLE_RIGHT },
                { "user" },
                { "time", .flags = TABLE_RIGHT },
                { "memory", .flags = TABLE_RIGHT },
                { "started" },
                { "command" },
        };
        static const TableColumn live[] = {
                { "machine" },
                { "pid", .flags = TABLE_RIGHT },
                { "host", .flags = TABLE_RIGHT },
                { "user" },
                { "cpu", .flags = TABLE_RIGHT },
                { "time", .flags = TABLE_RIGHT },
                { "memory", .flags = TABLE_RIGHT },
                { "command" },
        };
        TopView *view = userdata;
        _cleanup_(processes_done) Processes now = { .taken = now_usec() };
        _cleanup_(table_freep) Table *t = NULL;
        int r;

        STRV_FOREACH(name, view->names) {
                r = read_processes(c, *name, &now, e);
                if (r < 0)
                        return r;
        }
        rate_processes(&now, &view->before);
        if (now.n > 1)
                qsort(now.v, now.n, sizeof *now.v, by_order);
        r = table_new(view->is_live ? live : once, ELEMENTSOF(once), &t);
        for (size_t i = 0; i < now.n && r >= 0; i++)
                r = top_row(c, t, view, now.v + i);
        if (r < 0)
                return error_oom(e);
        if (!view->names[1] && !ctl_is_json(c))
                table_hide(t, 0);
        processes_done(&view->before);
        view->before = now;
        now = (Processes){};
        return ctl_print_table(c, t, view->is_live ? NULL : "processes", e);
}

int verb_top(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        TopView view = { .names = args, .is_live = live_is_wanted(c) };
        int r;

        c->wants_pager = !view.is_live;
        r = view.is_live ? live_run(c, draw_top, &view, e) : draw_top(c, &view, e);
        processes_done(&view.before);
        return r;
}
