/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watches transfers and tells the bus about them, see import-manager.h. */
#include "importer/import-manager.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/report.h"
#include "base/path.h"
#include "bus/name.h"

#define STATE_DIRECTORY "/run/skep/import"

char *transfer_path(uint32_t id) {
        return str_format(BUS_IMPORT1_TRANSFER "/_%u", id);
}

static Watched *watched_free(Watched *w) {
        if (!w)
                return NULL;
        (void) sd_event_source_disable_unref(w->log);
        (void) sd_event_source_disable_unref(w->exit);
        (void) transfer_free(w->transfer);
        free(w);
        return NULL;
}
DEFINE_CLEANUP(Watched *, watched_free)

static void complain(int r, const char *what, const Transfer *t) {
        if (r < 0)
                report(LOG_WARNING, "cannot %s transfer %u: %s", what, t->id, error_errno_text(r));
}

/* Passes on what the worker wrote since. @quiet: log lines were told before, by an earlier daemon. */
static void pump(ImportManager *m, Transfer *t, bool quiet) {
        _cleanup_free_ char *path = transfer_path(t->id);
        Record record;
        int r;

        while ((r = transfer_read(t, &record)) > 0) {
                if (quiet || !path || record.type == RECORD_PHASE ||
                    (record.type == RECORD_PROGRESS && record.ratio < 0))
                        continue;
                int q = record.type == RECORD_LOG
                                ? sd_bus_emit_signal(m->daemon.bus, path,
                                                     BUS_IMPORT1_TRANSFER_INTERFACE, "LogMessage",
                                                     "us", (uint32_t) record.level, record.text)
                                : sd_bus_emit_signal(m->daemon.bus, path,
                                                     BUS_IMPORT1_TRANSFER_INTERFACE,
                                                     "ProgressUpdate", "d", record.ratio);
                complain(q, "tell about", t);
        }
        complain(r, "read the log of", t);
}

static void announce(ImportManager *m, const Transfer *t, const char *result) {
        _cleanup_free_ char *path = transfer_path(t->id);
        int r = !path    ? -ENOMEM
                : result ? sd_bus_emit_signal(m->daemon.bus, BUS_IMPORT1_PATH, BUS_IMPORT1_MANAGER,
                                              "TransferRemoved", "uos", t->id, path, result)
                         : sd_bus_emit_signal(m->daemon.bus, BUS_IMPORT1_PATH, BUS_IMPORT1_MANAGER,
                                              "TransferNew", "uo", t->id, path);

        complain(r, "announce", t);
}

/* The worker is gone: say how it went and forget. */
static void finish(ImportManager *m, Watched *w) {
        Transfer *t = w->transfer;

        pump(m, t, false);
        report(LOG_INFO, "Transfer %u to image '%s': %s", t->id, t->local, transfer_result(t));
        announce(m, t, transfer_result(t));
        transfer_remove(m->state_fd, t);

        for (size_t i = 0; i < m->n_watched; i++)
                if (m->watched[i] == w) {
                        memmove(m->watched + i, m->watched + i + 1,
                                (--m->n_watched - i) * sizeof *m->watched);
                        break;
                }
        m->daemon.active_usec = now_usec();
        (void) watched_free(w);
}

static int on_log(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        Watched *w = userdata;

        pump(w->manager, w->transfer, false);
        return 0;
}

static int on_exit_of_worker(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        siginfo_t info;

        /* Workers of an earlier daemon are not our children. */
        (void) waitid((idtype_t) P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG);
        finish(((Watched *) userdata)->manager, userdata);
        return 0;
}

static int watch(ImportManager *m, Watched *w, Error *e) {
        _cleanup_free_ char *log = str_format("%s/%u.log", m->state_path, w->transfer->id);
        int r = log ? 0 : -ENOMEM;

        if (r >= 0)
                r = sd_event_add_inotify(m->daemon.event, &w->log, log, IN_MODIFY, on_log, w);
        if (r >= 0)
                r = sd_event_add_io(m->daemon.event, &w->exit, w->transfer->pidfd, EPOLLIN,
                                    on_exit_of_worker, w);
        return r < 0 ? error_set(e, r, "cannot watch a transfer: %m") : 0;
}

/* Takes over @t, also on failure. */
static int add(ImportManager *m, Transfer *t, Watched **ret, Error *e) {
        _cleanup_(watched_freep) Watched *w = calloc(1, sizeof *w);

        if (!w) {
                (void) transfer_free(t);
                return error_oom(e);
        }
        w->manager = m;
        w->transfer = t;
        if (m->n_watched == TRANSFERS_MAX)
                return error_set(e, E2BIG, "there are %d transfers already", TRANSFERS_MAX);
        if (t->pidfd >= 0) {
                int r = watch(m, w, e);
                if (r < 0)
                        return r;
        }
        m->watched[m->n_watched++] = w;
        m->last_id = MAX(m->last_id, t->id);
        *ret = TAKE_PTR(w);
        return 0;
}

/* Opens the folder of states, once more if somebody has removed it meanwhile. */
static int open_state(ImportManager *m, Error *e) {
        struct stat st;

        if (m->state_fd >= 0 && fstat(m->state_fd, &st) >= 0 && st.st_nlink > 0)
                return 0;

        int r = path_mkdirs(m->state_path, 0755);
        if (r < 0)
                return error_set(e, r, "cannot make '%s': %m", m->state_path);
        m->state_fd = fd_close(m->state_fd);
        m->state_fd = open(m->state_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->state_fd < 0 || fchmod(m->state_fd, 0700) < 0)
                return error_set(e, errno, "cannot open '%s': %m", m->state_path);
        return 0;
}

int import_manager_start(ImportManager *m, ImageClass class, const char *local, TransferFlags flags,
                         int source_fd, Transfer **ret, Error *e) {
        Transfer *t;
        Watched *w;
        int r;

        if (m->n_watched == TRANSFERS_MAX)
                return error_set(e, E2BIG, "there are %d transfers already", TRANSFERS_MAX);
        for (size_t i = 0; i < m->n_watched; i++)
                if (m->watched[i]->transfer->class == class &&
                    streq(m->watched[i]->transfer->local, local))
                        return error_set(e, ERR_TRANSFER_IN_PROGRESS,
                                         "a transfer to image '%s' is in progress already", local);

        r = open_state(m, e);
        if (r >= 0)
                r = transfer_start(m->state_fd, m->last_id + 1, class, local, flags, source_fd, &t,
                                   e);
        if (r < 0)
                return r;
        r = add(m, t, &w, e);
        if (r < 0)
                return r;
        announce(m, t, NULL);
        *ret = t;
        return 0;
}

Watched *import_manager_find(const ImportManager *m, uint32_t id) {
        for (size_t i = 0; i < m->n_watched; i++)
                if (m->watched[i]->transfer->id == id)
                        return m->watched[i];
        return NULL;
}

static void load_one(ImportManager *m, const char *name) {
        Transfer *t;
        Watched *w;
        Error e = {};
        int r = transfer_load(m->state_fd, name, &t, &e);

        if (r > 0) {
                pump(m, t, t->pidfd >= 0);
                r = add(m, t, &w, &e);
        } else if (r < 0)
                (void) unlinkat(m->state_fd, name, 0);
        if (r < 0)
                report(LOG_WARNING, "%s", e.text);
}

static int on_swept(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        ImportManager *m = userdata;
        siginfo_t info;

        (void) waitid((idtype_t) P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG);
        m->sweep = sd_event_source_disable_unref(m->sweep);
        m->sweep_pidfd = fd_close(m->sweep_pidfd);
        return 0;
}

/* Removing a tree takes its time, so a worker does it. */
static void start_sweep(ImportManager *m) {
        static char *const argv[] = { (char *) "sweep", NULL };
        Error e = {};
        int r = worker_start(argv, -EBADF, -EBADF, &m->sweep_pid, &m->sweep_pidfd, &e);

        if (r >= 0) {
                r = sd_event_add_io(m->daemon.event, &m->sweep, m->sweep_pidfd, EPOLLIN, on_swept,
                                    m);
                if (r < 0)
                        (void) error_set(&e, r, "cannot watch a worker: %m");
        }
        if (r < 0)
                report(LOG_WARNING, "%s", e.text);
}

/* Nobody hears signals of a name that is not there yet. */
static int on_name_acquired(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        ImportManager *m = userdata;

        for (size_t i = 0; i < m->n_watched;)
                if (m->watched[i]->transfer->pidfd < 0)
                        finish(m, m->watched[i]);
                else
                        i++;
        return 0;
}

int import_manager_load(ImportManager *m, Error *e) {
        int fd = openat(m->state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
        _cleanup_strv_ char **names = NULL;

        /* Listed first, for files go away while they are looked at. */
        for (struct dirent *de; d && (de = readdir(d));)
                (void) strv_append(&names, de->d_name);
        STRV_FOREACH(name, names)
                load_one(m, *name);
        start_sweep(m);

        int r = sd_bus_add_match(
                m->daemon.bus, NULL,
                "type='signal',sender='org.freedesktop.DBus',member='NameAcquired',"
                "arg0='" BUS_IMPORT1_NAME "'",
                on_name_acquired, m);
        return r < 0 ? error_set(e, r, "cannot wait for the bus name: %m") : 0;
}

bool import_manager_is_idle(void *userdata) {
        ImportManager *m = userdata;

        return m->n_watched == 0 && !m->sweep;
}

int import_manager_init(ImportManager *m, Error *e) {
        m->state_fd = m->sweep_pidfd = -EBADF;
        m->state_path = strdup(STATE_DIRECTORY);
        return m->state_path ? open_state(m, e) : error_oom(e);
}

void import_manager_done(ImportManager *m) {
        while (m->n_watched > 0)
                (void) watched_free(m->watched[--m->n_watched]);
        m->sweep = sd_event_source_disable_unref(m->sweep);
        m->sweep_pidfd = fd_close(m->sweep_pidfd);
        m->state_fd = fd_close(m->state_fd);
        free(m->state_path);
}
