/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state, list, ps: what is known of containers. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

#include "app/table.h"
#include "base/parse.h"
#include "base/proc.h"
#include "spawn/oci/group.h"
#include "spawn/oci/oci.h"

int oci_state(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        OciStatus status;
        int r = container_open(oci->o.root, args[0], &c, e);

        if (r >= 0)
                r = container_status(&c, &status, e);
        if (r < 0)
                return r;
        return oci_state_format(&c.state, status, true, &oci->out) < 0 ||
                               buf_puts(&oci->out, "\n") < 0
                       ? error_oom(e)
                       : 0;
}

static int add_row(Table *t, const Container *c, OciStatus status) {
        const OciState *s = &c->state;
        int r = table_add_text(t, s->id);

        if (r >= 0)
                r = table_add_number(t, status == OCI_STATUS_STOPPED ? 0 : s->pid.value);
        if (r >= 0)
                r = table_add_text(t, oci_status_name(status));
        if (r >= 0)
                r = table_add_text(t, s->bundle);
        if (r >= 0)
                r = table_add_text(t, s->created);
        return r < 0 ? r : table_add_text(t, s->owner);
}

static int add_container(Oci *oci, Table *t, const Container *c, OciStatus status) {
        bool any = oci->out.n > 0;
        int r;

        if (oci->o.quiet)
                return buf_printf(&oci->out, "%s\n", c->id);
        if (oci->o.form == OCI_FORM_TABLE)
                return add_row(t, c, status);
        r = buf_puts(&oci->out, any ? "," : "[");
        return r < 0 ? r : oci_state_format(&c->state, status, false, &oci->out);
}

/* One that is removed meanwhile, or whose record is broken, is none of the list. */
static int add_all(Oci *oci, Table *t, DIR *d, Error *e) {
        for (struct dirent *entry = readdir(d); entry; entry = readdir(d)) {
                _cleanup_(container_done) Container c = CONTAINER_NULL;
                OciStatus status;
                Error error = {};

                if (!oci_id_is_valid(entry->d_name))
                        continue;
                int r = container_open(oci->o.root, entry->d_name, &c, &error);
                if (r >= 0)
                        r = container_status(&c, &status, &error);
                if (r == -ENOENT)
                        continue;
                if (r < 0)
                        log_warning(&oci->log, error.text);
                else if (add_container(oci, t, &c, status) < 0)
                        return error_oom(e);
        }
        return 0;
}

int oci_list(Oci *oci, char *const *args, Error *e) {
        static const TableColumn columns[] = {
                { .key = "id", .flags = TABLE_KEEP },      { .key = "pid", .flags = TABLE_KEEP },
                { .key = "status", .flags = TABLE_KEEP },  { .key = "bundle", .flags = TABLE_KEEP },
                { .key = "created", .flags = TABLE_KEEP }, { .key = "owner", .flags = TABLE_KEEP }
        };
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_dir_ DIR *d = opendir(oci->o.root);
        int r = 0;

        if (!d && errno != ENOENT)
                return error_set(e, errno, "cannot open '%s': %m", oci->o.root);
        if (table_new(columns, ELEMENTSOF(columns), &t) < 0)
                return error_oom(e);
        if (d)
                r = add_all(oci, t, d, e);
        if (r < 0 || oci->o.quiet)
                return r;
        if (oci->o.form == OCI_FORM_JSON)
                r = buf_puts(&oci->out, oci->out.n > 0 ? "]\n" : "[]\n");
        else {
                const TableStyle style = {};

                r = table_sort(t, 0);
                if (r >= 0)
                        r = table_format(t, &style, &oci->out);
        }
        return r < 0 ? error_oom(e) : 0;
}

static int print_pids(const pid_t *pids, size_t n, Buf *out) {
        int r = buf_puts(out, "[");

        for (size_t i = 0; i < n && r >= 0; i++)
                r = buf_printf(out, "%s%d", i > 0 ? "," : "", pids[i]);
        return r < 0 ? r : buf_puts(out, "]\n");
}

static int read_ps(char *const *args, char **ret, Error *e) {
        _cleanup_strv_ char **argv = NULL;
        int fds[2], r = strv_append(&argv, "ps");

        if (!args[0] && r >= 0)
                r = strv_append(&argv, "-ef");
        STRV_FOREACH(a, args)
                if (r >= 0)
                        r = strv_append(&argv, *a);
        if (r < 0)
                return error_oom(e);
        if (pipe2(fds, O_CLOEXEC) < 0)
                return error_set(e, errno, "cannot make a pipe: %m");
        pid_t pid = fork();
        if (pid == 0) {
                if (dup2(fds[1], STDOUT_FILENO) >= 0)
                        (void) execvp("ps", argv);
                _exit(127);
        }
        (void) close(fds[1]);
        r = pid < 0 ? -errno : fd_read_all(fds[0], 16U << 20, ret, NULL);
        (void) close(fds[0]);
        int status = 0;
        if (pid > 0)
                (void) waitpid(pid, &status, 0);
        if (r >= 0 && status != 0)
                r = -ENOEXEC;
        return r < 0 ? error_set(e, r, "cannot run ps: %m") : 0;
}

/* Which word of a line is the PID, by the heading. Return: -1 none is. */
static int pid_column(const char *heading) {
        int n = 0;

        for (const char *p = heading + strspn(heading, " \t"); *p && *p != '\n'; n++) {
                size_t length = strcspn(p, " \t\n");
                if (length == 3 && strncmp(p, "PID", 3) == 0)
                        return n;
                p += length;
                p += strspn(p, " \t");
        }
        return -1;
}

static bool line_is_of(const char *line, int column, const pid_t *pids, size_t n) {
        const char *p = line + strspn(line, " \t");

        for (int i = 0; i < column; i++) {
                p += strcspn(p, " \t");
                p += strspn(p, " \t");
        }
        _cleanup_free_ char *word = strndup(p, strcspn(p, " \t"));
        pid_t pid;
        if (!word || parse_pid(word, &pid) < 0)
                return false;
        for (size_t i = 0; i < n; i++)
                if (pids[i] == pid)
                        return true;
        return false;
}

/* The host's ps knows its options best; we keep the lines that are of the container. */
static int print_table(char *const *args, const pid_t *pids, size_t n, Buf *out, Error *e) {
        _cleanup_free_ char *text = NULL;
        char *save = NULL;
        int column = -1, r = read_ps(args, &text, e);

        if (r < 0)
                return r;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                bool heading = column < 0;

                if (heading) {
                        column = pid_column(line);
                        if (column < 0)
                                return error_set(e, EINVAL, "ps shows no column PID");
                }
                if ((heading || line_is_of(line, column, pids, n)) &&
                    buf_printf(out, "%s\n", line) < 0)
                        return error_oom(e);
        }
        return 0;
}

int oci_ps(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        _cleanup_free_ pid_t *pids = NULL;
        size_t n = 0;
        int r = container_open(oci->o.root, args[0], &c, e);

        if (r >= 0)
                r = group_pids(&c, &pids, &n, e);
        if (r < 0)
                return r;
        if (oci->o.form == OCI_FORM_JSON)
                return print_pids(pids, n, &oci->out) < 0 ? error_oom(e) : 0;
        return print_table(args + 1, pids, n, &oci->out, e);
}
