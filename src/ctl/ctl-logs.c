/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* logs: what the unit of a machine and the machine's own journal have to say, in the order in which it
 * happened. Of a machine that does not run its image is read. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/report.h"
#include "base/format.h"
#include "base/path.h"
#include "ctl/client.h"
#include "ctl/log-source.h"
#include "ctl/machine-unit.h"
#include "ctl/property.h"
#include "ctl/verbs.h"
#include "ctl/when.h"

#define SOURCES_MAX 64
#define FOLLOW_TAIL 10U /* lines of the past, where nobody says how many */
#define SCAN_MSEC   1000

typedef struct Logs {
        Ctl *c;
        LogRequest request;
        LogSource sources[SOURCES_MAX];
        size_t n_sources;
        int root; /* of the machine; -EBADF = its journal is not wanted, or not to be had */
        struct {
                dev_t dev;
                ino_t ino;
        } * seen; /* files that somebody reads already */
        size_t n_seen;
        LogEntry *last; /* the last lines of the past, where their number is limited */
        size_t n_last;
        JournalTime before; /* the entry that was printed last */
} Logs;

static void logs_done(Logs *l) {
        for (size_t i = 0; i < l->n_sources; i++)
                (void) log_source_done(l->sources + i);
        for (size_t i = 0; i < l->n_last; i++)
                free(l->last[i].text);
        free(l->last);
        free(l->seen);
        (void) fd_close(l->root);
}

/* Return: 1 it is new; 0 somebody reads it; -ENOMEM. */
static int see(Logs *l, int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        for (size_t i = 0; i < l->n_seen; i++)
                if (l->seen[i].dev == st.st_dev && l->seen[i].ino == st.st_ino)
                        return 0;
        void *seen = reallocarray(l->seen, l->n_seen + 1, sizeof *l->seen);
        if (!seen)
                return -ENOMEM;
        l->seen = seen;
        l->seen[l->n_seen].dev = st.st_dev;
        l->seen[l->n_seen++].ino = st.st_ino;
        return 1;
}

typedef struct Files {
        int v[LOG_SOURCE_FILES_MAX];
        size_t n;
} Files;

static void files_done(Files *f) {
        for (size_t i = 0; i < f->n; i++)
                (void) close(f->v[i]);
}

/* New journal files of one folder. They are opened in there, and only if they are files. */
static int scan_folder(Logs *l, int dir_fd, Files *files) {
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);
        int r = 0;

        for (struct dirent *de;
             d && r >= 0 && files->n < LOG_SOURCE_FILES_MAX && (de = readdir(d));) {
                if (!str_has_suffix(de->d_name, ".journal") &&
                    !str_has_suffix(de->d_name, ".journal~"))
                        continue;
                _cleanup_fd_ int file = path_open_regular_in_root(dir_fd, de->d_name);

                r = file < 0 ? 0 : see(l, file);
                if (r > 0)
                        files->v[files->n++] = TAKE_FD(file);
        }
        return r;
}

static int scan(Logs *l, Files *files) {
        static const char *const places[] = { "/var/log/journal", "/run/log/journal" };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(places) && r >= 0; i++) {
                _cleanup_dir_ DIR *d = NULL;
                int fd = path_open_in_root(l->root, places[i], O_RDONLY | O_DIRECTORY, 0);

                if (fd < 0 || !(d = fdopendir(fd))) {
                        (void) fd_close(fd);
                        continue;
                }
                for (struct dirent *de; r >= 0 && (de = readdir(d));) {
                        if (strlen(de->d_name) != 32 ||
                            strspn(de->d_name, "0123456789abcdef") != 32)
                                continue;
                        _cleanup_fd_ int below = path_open_beneath(fd, de->d_name,
                                                                   O_RDONLY | O_DIRECTORY, 0);
                        r = below < 0 ? 0 : scan_folder(l, below, files);
                }
        }
        return r;
}

/* Reads what files there are, or there are now that were not before. */
static int add_files(Logs *l, const LogRequest *q, Error *e) {
        _cleanup_(files_done) Files files = {};
        int r = scan(l, &files);

        if (r < 0)
                return error_oom(e);
        if (files.n == 0 || l->n_sources == SOURCES_MAX)
                return 0;
        r = log_source_open_files(files.v, files.n, q, l->sources + l->n_sources, e);
        l->n_sources += r >= 0;
        return r;
}

static int print(Logs *l, LogEntry entry, Error *e) {
        Ctl *c = l->c;

        if (streq(l->request.mode, "short-delta"))
                journal_put_delta(entry.text, entry.n, &l->before, &entry.at);
        l->before = entry.at;
        int r = buf_append(&c->out, entry.text, entry.n);

        free(entry.text);
        if (r < 0)
                return error_oom(e);
        /* What is for a pager is shown as a whole. */
        return c->wants_pager || c->out.n < 64 * 1024 ? 0 : ctl_flush(c, e);
}

/* An entry of the past: printed, or kept until it is known to be one of the last. */
static int take_past(Logs *l, LogEntry entry, Error *e) {
        if (l->request.lines == UINT_MAX)
                return print(l, entry, e);
        if (l->n_last == l->request.lines && l->n_last > 0) {
                free(l->last[0].text);
                memmove(l->last, l->last + 1, --l->n_last * sizeof *l->last);
        }
        LogEntry *v = reallocarray(l->last, l->n_last + 1, sizeof *v);
        if (!v) {
                free(entry.text);
                return error_oom(e);
        }
        l->last = v;
        l->last[l->n_last++] = entry;
        return 0;
}

static LogSource *earliest(Logs *l) {
        LogSource *found = NULL;

        for (size_t i = 0; i < l->n_sources; i++) {
                LogSource *s = l->sources + i;

                if (s->next.text && (!found || s->next.at.realtime < found->next.at.realtime))
                        found = s;
        }
        return found;
}

/* Takes in what there is. Return: 1 each source has an entry or none of the past any more; 0; -errno. */
static int read_all(Logs *l, Error *e) {
        bool complete = true;

        for (size_t i = 0; i < l->n_sources; i++) {
                LogSource *s = l->sources + i;
                int r = log_source_read(s);

                if (r < 0)
                        return error_set(e, r, "cannot read what the journal says: %m");
                complete = complete && (s->next.text || s->is_current || s->fd < 0);
        }
        return complete;
}

static int wait_for_more(Logs *l, int timeout, Error *e) {
        struct pollfd p[SOURCES_MAX + 1] = { { .fd = STDOUT_FILENO } };

        for (size_t i = 0; i < l->n_sources; i++)
                p[i + 1] = (struct pollfd){ .fd = l->sources[i].next.text ? -1 : l->sources[i].fd,
                                            .events = POLLIN };
        if (poll(p, l->n_sources + 1, timeout) < 0)
                return errno == EINTR ? 0 : error_set(e, errno, "cannot wait for the journal: %m");
        /* Whoever reads what we print has seen enough. */
        return p[0].revents & (POLLERR | POLLHUP) ? error_set(e, EPIPE, "%m") : 0;
}

/* In the order of their times, until all sources have told what was before. */
static int tell_past(Logs *l, Error *e) {
        for (;;) {
                int r = read_all(l, e);

                if (r < 0)
                        return r;
                if (r == 0) {
                        r = wait_for_more(l, -1, e);
                        if (r < 0)
                                return r;
                        continue;
                }
                LogSource *s = earliest(l);
                if (!s)
                        break;
                r = take_past(l, log_source_take(s), e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < l->n_last; i++) {
                int r = print(l, l->last[i], e);

                l->last[i].text = NULL;
                if (r < 0)
                        return r;
        }
        l->n_last = 0;
        return 0;
}

static int follow(Logs *l, Error *e) {
        const LogRequest from_now = { .mode = l->request.mode, .lines = UINT_MAX, .follow = true };

        for (;;) {
                int r = ctl_flush(l->c, e);
                if (r >= 0)
                        r = wait_for_more(l, SCAN_MSEC, e);
                if (r >= 0)
                        r = read_all(l, e);
                for (LogSource *s; r >= 0 && (s = earliest(l));) {
                        r = print(l, log_source_take(s), e);
                        if (r >= 0)
                                r = read_all(l, e);
                }
                /* A journal that grew too long goes on in another file. */
                if (r >= 0 && l->root >= 0)
                        r = add_files(l, &from_now, e);
                if (r < 0)
                        return r;
        }
}

/* The unit that a machine runs in, and those that it may have run in. */
static int find_units(Ctl *c, const char *name, char ***ret, bool *ret_runs, Error *e) {
        _cleanup_strv_ char **units = NULL;
        _cleanup_free_ char *path = NULL, *unit = NULL;

        *ret_runs = client_get(c, "GetMachine", name, &path, NULL) >= 0;
        if (*ret_runs &&
            client_string_property(c, BUS_MACHINE1_NAME, path, BUS_MACHINE1_NAME ".Machine", "Unit",
                                   &unit, e) >= 0 &&
            *unit && strv_append(&units, unit) < 0)
                return error_oom(e);
        for (const char *const *t = machine_templates; *t; t++) {
                _cleanup_free_ char *one = machine_unit_instance(*t, name);

                if (!one || (!strv_contains(units, one) && strv_append(&units, one) < 0))
                        return error_oom(e);
        }
        *ret = TAKE_PTR(units);
        return 0;
}

static int open_running(Ctl *c, const char *name, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int fd, r = client_act(c, &peer_machine1, "OpenMachineRootDirectory", &reply, e, "s", name);

        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        if (r >= 0)
                r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return r < 0 ? error_set(e, r == -1 ? errno : r, "cannot take the root directory: %m") : r;
}

static int open_image(Ctl *c, const char *name, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(properties_done) Properties p = {};
        _cleanup_free_ char *object = NULL;
        int r = client_get(c, "GetImage", name, &object, e);

        if (r >= 0)
                r = client_properties(c, BUS_MACHINE1_NAME, object, BUS_MACHINE1_NAME ".Image",
                                      &reply, e);
        if (r < 0)
                return r;
        r = properties_read(reply, &p);
        if (r < 0)
                return error_set(e, r, "cannot read the properties of '%s': %m", name);
        const char *type = strempty(properties_text(&p, "Type"));
        if (!streq(type, "directory") && !streq(type, "subvolume"))
                return error_set(e, EOPNOTSUPP, "'%s' does not run, and its image is no folder",
                                 name);
        int fd = open(strempty(properties_text(&p, "Path")), O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open the image '%s': %m", name) : fd;
}

static int check_options(Ctl *c, Logs *l, Error *e) {
        const CtlOptions *o = &c->o;

        if (!ctl_is_local(c))
                return error_set(e, EOPNOTSUPP, "journals of other systems cannot be read");
        l->request = (LogRequest){ .mode = o->output ? o->output : "short",
                                   .lines = o->lines,
                                   .follow = o->follow };
        if (!o->output && ctl_is_json(c))
                l->request.mode = o->json == CTL_JSON_PRETTY ? "json-pretty" : "json";
        if (o->since && when_parse(o->since, now_realtime_usec(), &l->request.since_usec) < 0)
                return error_set(e, EINVAL, "--since: '%.60s' is no point in time", o->since);
        if (o->until && when_parse(o->until, now_realtime_usec(), &l->request.until_usec) < 0)
                return error_set(e, EINVAL, "--until: '%.60s' is no point in time", o->until);
        if (o->until && o->follow)
                return error_set(e, EINVAL, "--until and --follow do not go together");
        if (o->lines == UINT_MAX && o->follow && !o->since)
                l->request.lines = FOLLOW_TAIL;
        return 0;
}

int verb_logs(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        _cleanup_(logs_done) Logs l = { .c = c, .root = -EBADF };
        _cleanup_strv_ char **units = NULL;
        const char *from = c->o.from ? c->o.from : "all";
        bool runs;
        int r = check_options(c, &l, e);

        if (r >= 0)
                r = find_units(c, args[0], &units, &runs, e);
        if (r < 0)
                return r;
        if (!streq(from, "unit")) {
                Error why = {};
                l.root = runs ? open_running(c, args[0], &why) : open_image(c, args[0], &why);
                if (l.root < 0 && (streq(from, "guest") || l.root == -ERR_NO_SUCH_IMAGE)) {
                        *e = why;
                        return l.root;
                }
                if (l.root < 0 && !c->o.quiet)
                        report(LOG_NOTICE, "what '%s' itself has written down is left out: %s",
                               args[0], why.text);
        }
        if (!streq(from, "guest")) {
                r = log_source_open_units(units, &l.request, l.sources, e);
                if (r < 0)
                        return r;
                l.n_sources = 1;
        }
        if (l.root >= 0)
                r = add_files(&l, &l.request, e);
        if (r < 0)
                return r;
        c->wants_pager = !l.request.follow && c->out_is_tty;
        r = tell_past(&l, e);
        if (r >= 0 && l.request.follow)
                r = follow(&l, e);
        if (r == -EPIPE)
                return EXIT_SUCCESS;
        /* The first one may be ours; those after it read what a machine has written. */
        for (size_t i = l.n_sources; r >= 0 && i > 0; i--)
                if (!log_source_done(l.sources + --l.n_sources))
                        r = error_set(e, EBADMSG, "a journal of '%s' cannot be read", args[0]);
        return r;
}
