/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Builds and draws a tree of control groups, see process-tree.h. Does not ask anybody for processes. */
#include "ctl/process-tree.h"

#include <inttypes.h>

#include "app/table.h"
#include "base/path.h"

#define DEPTH_MAX                                                                                  \
        64 /* groups deeper than that are not drawn; the kernel allows more than anybody wants */

typedef struct Process {
        uint32_t pid;
        char *command;
} Process;

typedef struct Group Group;
struct Group {
        char *name;
        Group **groups;
        size_t n_groups;
        Process *processes;
        size_t n_processes;
};

struct ProcessTree {
        char *root;
        Group top;
};

static void group_done(Group *g) {
        for (size_t i = 0; i < g->n_groups; i++) {
                group_done(g->groups[i]);
                free(g->groups[i]);
        }
        for (size_t i = 0; i < g->n_processes; i++)
                free(g->processes[i].command);
        free(g->groups);
        free(g->processes);
        free(g->name);
}

int process_tree_new(const char *root, ProcessTree **ret) {
        _cleanup_(process_tree_freep) ProcessTree *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->root = path_clean(*root ? root : "/");
        if (!t->root)
                return -ENOMEM;
        *ret = TAKE_PTR(t);
        return 0;
}

ProcessTree *process_tree_free(ProcessTree *t) {
        if (!t)
                return NULL;
        group_done(&t->top);
        free(t->root);
        free(t);
        return NULL;
}

static Group *group_find(Group *g, const char *name) {
        for (size_t i = 0; i < g->n_groups; i++)
                if (streq(g->groups[i]->name, name))
                        return g->groups[i];
        return NULL;
}

/* The sub-group of that name, made if it is not there. */
static Group *group_get(Group *g, const char *name) {
        Group *found = group_find(g, name), **groups;

        if (found)
                return found;
        groups = reallocarray(g->groups, g->n_groups + 1, sizeof(*groups));
        if (!groups)
                return NULL;
        g->groups = groups;
        found = calloc(1, sizeof(*found));
        if (!found)
                return NULL;
        found->name = strdup(name);
        if (!found->name) {
                free(found);
                return NULL;
        }
        return g->groups[g->n_groups++] = found;
}

int process_tree_add(ProcessTree *t, const char *cgroup, uint32_t pid, const char *command) {
        _cleanup_free_ char *clean = path_clean(cgroup);
        _cleanup_strv_ char **names = NULL;
        Group *g = &t->top;

        if (!clean)
                return -ENOMEM;
        if (!path_is_below(clean, t->root))
                return 0;
        if (str_split(clean + (streq(t->root, "/") ? 0 : strlen(t->root)), "/", &names) < 0)
                return -ENOMEM;
        if (strv_length(names) > DEPTH_MAX)
                return 0;
        STRV_FOREACH(name, names) {
                g = group_get(g, *name);
                if (!g)
                        return -ENOMEM;
        }

        Process *v = reallocarray(g->processes, g->n_processes + 1, sizeof(*v));
        if (!v)
                return -ENOMEM;
        g->processes = v;
        char *copy = strdup(command);
        if (!copy)
                return -ENOMEM;
        v[g->n_processes++] = (Process){ pid, copy };
        return 0;
}

static int process_compare(const void *a, const void *b) {
        const Process *x = a, *y = b;

        return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static int group_compare(const void *a, const void *b) {
        const Group *const *x = a, *const *y = b;

        return strcmp((*x)->name, (*y)->name);
}

typedef struct Drawing {
        const char *prefix;
        unsigned width;
        bool ascii;
        Buf *out;
} Drawing;

static int put_line(const Drawing *d, const char *lead, bool is_last, const char *text) {
        const char *branch = d->ascii ? (is_last ? "`-" : "|-") : (is_last ? "└─" : "├─");
        _cleanup_free_ char *printable = text_printable(text, false), *line = NULL, *cut = NULL;

        if (!printable)
                return -ENOMEM;
        line = str_format("%s%s%s", lead, branch, printable);
        if (!line)
                return -ENOMEM;
        cut = d->width > 0 ? text_cut(line, d->width, d->ascii) : NULL;
        if (d->width > 0 && !cut)
                return -ENOMEM;
        return buf_printf(d->out, "%s%s\n", d->prefix, cut ? cut : line);
}

static int put_group(const Drawing *d, const char *lead, Group *g) {
        int digits = 0, r = 0;

        if (g->n_processes > 1)
                qsort(g->processes, g->n_processes, sizeof(*g->processes), process_compare);
        if (g->n_groups > 1)
                qsort(g->groups, g->n_groups, sizeof(*g->groups), group_compare);
        if (g->n_processes > 0)
                digits = snprintf(NULL, 0, "%" PRIu32, g->processes[g->n_processes - 1].pid);

        for (size_t i = 0; i < g->n_processes && r >= 0; i++) {
                bool is_last = i + 1 == g->n_processes && g->n_groups == 0;
                _cleanup_free_ char *text = str_format("%*" PRIu32 " %s", digits,
                                                       g->processes[i].pid,
                                                       g->processes[i].command);

                r = text ? put_line(d, lead, is_last, text) : -ENOMEM;
        }
        for (size_t i = 0; i < g->n_groups && r >= 0; i++) {
                bool is_last = i + 1 == g->n_groups;
                const char *line = is_last ? "  " : d->ascii ? "| " : "│ ";
                _cleanup_free_ char *below = str_format("%s%s", lead, line);
                /* A '_' in front only keeps a name apart from the kernel's own files. */
                const char *name = g->groups[i]->name;

                r = below ? put_line(d, lead, is_last, name + (name[0] == '_')) : -ENOMEM;
                if (r >= 0)
                        r = put_group(d, below, g->groups[i]);
        }
        return r;
}

int process_tree_format(ProcessTree *t, const char *prefix, unsigned width, bool ascii, Buf *out) {
        const Drawing d = { prefix, width, ascii, out };

        return put_group(&d, "", &t->top);
}
