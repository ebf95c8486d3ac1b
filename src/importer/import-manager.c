/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts transfers, keeps them, takes them over from the daemon before and says how they ended, see
 * import-manager.h. How one is followed is in import-watch.c. */
#include "importer/import-manager.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/report.h"
#include "base/fd.h"
#include "base/home.h"
#include "base/path.h"
#include "bus/name.h"
#include "importer/import-front.h"

static void announce(ImportManager *m, const Transfer *t, const char *result) {
        _cleanup_free_ char *path = transfer_path(t->id);
        int r = !path    ? -ENOMEM
                : result ? sd_bus_emit_signal(m->daemon.bus, BUS_IMPORT1_PATH, BUS_IMPORT1_MANAGER,
                                              "TransferRemoved", "uos", t->id, path, result)
                         : sd_bus_emit_signal(m->daemon.bus, BUS_IMPORT1_PATH, BUS_IMPORT1_MANAGER,
                                              "TransferNew", "uo", t->id, path);

        if (r < 0)
                report(LOG_WARNING, "cannot announce transfer %u: %s", t->id, error_errno_text(r));
}

/* Removing what was left over takes its time, so a worker does it. */

static void start_sweep(ImportManager *m);

static int on_swept(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        ImportManager *m = userdata;
        siginfo_t info;

        (void) waitid((idtype_t) P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG);
        m->sweep = sd_event_source_disable_unref(m->sweep);
        m->sweep_pidfd = fd_close(m->sweep_pidfd);
        m->daemon.active_usec = now_usec();
        if (m->sweep_again)
                start_sweep(m);
        return 0;
}

static void start_sweep(ImportManager *m) {
        static char *const argv[] = { (char *) "sweep", NULL };
        Error e = {};

        m->sweep_again = m->sweep;
        if (m->sweep)
                return;
        int r = worker_start(argv, -EBADF, -EBADF, -EBADF, -EBADF, &m->sweep_pid, &m->sweep_pidfd,
                             &e);
        if (r >= 0) {
                r = sd_event_add_io(m->daemon.event, &m->sweep, m->sweep_pidfd, EPOLLIN, on_swept,
                                    m);
                if (r < 0)
                        (void) error_set(&e, r, "cannot watch a worker: %m");
        }
        if (r < 0)
                report(LOG_WARNING, "%s", e.text);
}

/* Those that have ended */

/* Takes over @t. */
static void remember(ImportManager *m, Transfer *t) {
        size_t at = m->n_ended;

        if (m->n_ended == HISTORY_MAX) {
                transfer_forget(m->state_fd, m->ended[0]);
                (void) transfer_free(m->ended[0]);
                memmove(m->ended, m->ended + 1, --m->n_ended * sizeof *m->ended);
                at--;
        }
        for (; at > 0 && m->ended[at - 1]->ended > t->ended; at--)
                ;
        memmove(m->ended + at + 1, m->ended + at, (m->n_ended++ - at) * sizeof *m->ended);
        m->ended[at] = t;
        m->last_id = MAX(m->last_id, t->id);
}

void import_manager_finish(Watched *w) {
        ImportManager *m = w->manager;
        Transfer *t = w->transfer;

        watched_pump(w);
        watched_stop(w);
        report(LOG_INFO, "Transfer %u (%s of '%s'): %s", t->id, transfer_kind_name(t->request.kind),
               strempty(t->request.local), transfer_result(t));
        /* Whoever was killed could not clean up. */
        if (t->result == RECORD_PROGRESS)
                start_sweep(m);
        int r = transfer_end(m->state_fd, t);
        if (r < 0)
                report(LOG_WARNING, "cannot note down how transfer %u ended: %s", t->id,
                       error_errno_text(r));
        announce(m, t, transfer_result(t));
        import_front_end(w);

        for (size_t i = 0; i < m->n_watched; i++)
                if (m->watched[i] == w) {
                        memmove(m->watched + i, m->watched + i + 1,
                                (--m->n_watched - i) * sizeof *m->watched);
                        break;
                }
        m->daemon.active_usec = now_usec();
        remember(m, TAKE_PTR(w->transfer));
        (void) watched_free(w);
}

/* Those that run */

/* Takes over @t, also on failure. */
static int add(ImportManager *m, Transfer *t, Watched **ret, Error *e) {
        Watched *w = calloc(1, sizeof *w);

        if (!w || m->n_watched == TRANSFERS_MAX) {
                (void) transfer_free(t);
                free(w);
                return error_set(e, w ? E2BIG : ENOMEM, "too many transfers");
        }
        w->manager = m;
        w->transfer = t;
        size_t at = m->n_watched++;
        for (; at > 0 && m->watched[at - 1]->transfer->id > t->id; at--)
                m->watched[at] = m->watched[at - 1];
        m->watched[at] = w;
        m->last_id = MAX(m->last_id, t->id);
        *ret = w;
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

/* Two that make the same image would be in each other's way; and two pulls from one place are one too many. */
static int check_others(const ImportManager *m, const TransferRequest *q, Error *e) {
        bool makes = transfer_kind_makes_image(q->kind) && q->local && q->local[0];

        for (size_t i = 0; i < m->n_watched; i++) {
                const Transfer *t = m->watched[i]->transfer;
                const TransferRequest *o = &t->request;

                if (q->kind == o->kind && transfer_kind_way(q->kind) == TRANSFER_WAY_PULL &&
                    streq(q->remote, strempty(o->remote)))
                        return error_set(e, ERR_TRANSFER_IN_PROGRESS,
                                         "a transfer from %s is in progress already",
                                         t->shown_remote);
                if (makes && transfer_kind_makes_image(o->kind) && q->class == o->class &&
                    streq(q->local, strempty(o->local)))
                        return error_set(e, ERR_TRANSFER_IN_PROGRESS,
                                         "a transfer to image '%s' is in progress already",
                                         q->local);
        }
        return 0;
}

int import_manager_start(ImportManager *m, const TransferRequest *request, int fd, Transfer **ret,
                         Error *e) {
        Transfer *t;
        Watched *w;

        if (m->n_watched == TRANSFERS_MAX)
                return error_set(e, E2BIG, "there are %d transfers already", TRANSFERS_MAX);
        int r = check_others(m, request, e);
        if (r >= 0)
                r = open_state(m, e);
        if (r >= 0)
                r = transfer_start(m->state_fd, m->last_id == UINT32_MAX ? 1 : m->last_id + 1,
                                   request, fd, &t, e);
        if (r < 0)
                return r;
        r = add(m, t, &w, e);
        if (r < 0)
                return r;
        announce(m, t, NULL);
        r = watched_start(w, e);
        if (r < 0) {
                transfer_kill(t);
                import_manager_finish(w);
                return r;
        }
        *ret = t;
        return 0;
}

Watched *import_manager_find(const ImportManager *m, uint32_t id) {
        for (size_t i = 0; i < m->n_watched; i++)
                if (m->watched[i]->transfer->id == id)
                        return m->watched[i];
        return NULL;
}

int import_manager_cancel(ImportManager *m, Watched *w, Error *e) {
        int r = transfer_cancel(m->state_fd, w->transfer, e);

        /* Over already, which is what was wanted. */
        if (r == -ESRCH)
                return 0;
        if (r >= 0)
                watched_arm(w);
        return r;
}

/* Those of the daemon before */

static void load_one(ImportManager *m, const char *name) {
        Transfer *t = NULL;
        Watched *w;
        Error e = {};
        int r = transfer_load_ended(m->state_fd, name, &t, &e);

        if (r > 0) {
                remember(m, t);
                return;
        }
        if (r == 0) {
                r = transfer_load(m->state_fd, name, &t, &e);
                if (r > 0)
                        r = add(m, t, &w, &e);
        }
        if (r < 0) {
                (void) unlinkat(m->state_fd, name, 0);
                report(LOG_WARNING, "%s", e.text);
        }
}

/* Nobody hears signals of a name that is not there yet. */
static int on_name_acquired(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        ImportManager *m = userdata;

        for (size_t i = 0; i < m->n_watched;) {
                Watched *w = m->watched[i];
                Error e = {};

                if (w->transfer->pidfd < 0) {
                        import_manager_finish(w);
                        continue;
                }
                i++;
                if (w->is_watched)
                        continue;
                if (watched_start(w, &e) < 0)
                        report(LOG_WARNING, "%s", e.text);
                watched_pump(w);
        }
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
        STRV_FOREACH(name, names)
                transfer_sweep(m->state_fd, *name);
        start_sweep(m);

        int r = sd_bus_add_match(
                m->daemon.bus, NULL,
                "type='signal',sender='org.freedesktop.DBus',member='NameAcquired',"
                "arg0='" BUS_IMPORT1_NAME "'",
                on_name_acquired, m);
        return r < 0 ? error_set(e, r, "cannot wait for the bus name: %m") : 0;
}

static bool owes_answers(void *userdata) {
        const ImportManager *m = userdata;

        return m->operations.first || polkit_is_asking(m->daemon.polkit);
}

static bool is_idle(void *userdata) {
        const ImportManager *m = userdata;

        return m->n_watched == 0 && !m->sweep && import_front_is_idle(m) && !owes_answers(userdata);
}

static void close_front(void *userdata) {
        import_front_close(userdata);
}

void import_manager_set_idle_exit(ImportManager *m, uint64_t usec) {
        const DaemonIdle idle = { .usec = usec,
                                  .is_idle = is_idle,
                                  .close = close_front,
                                  .owes_answers = owes_answers,
                                  .userdata = m };

        daemon_set_idle_exit(&m->daemon, &idle);
}

int import_manager_init(ImportManager *m, Error *e) {
        m->operations = (Operations){ .daemon = &m->daemon, .userdata = m };
        m->state_fd = m->sweep_pidfd = -EBADF;
        m->state_path = home_run("skep/import");
        return m->state_path ? open_state(m, e) : error_oom(e);
}

void import_manager_done(ImportManager *m) {
        operation_done_all(&m->operations);
        import_front_done(m);
        while (m->n_watched > 0)
                (void) watched_free(m->watched[--m->n_watched]);
        while (m->n_ended > 0)
                (void) transfer_free(m->ended[--m->n_ended]);
        m->sweep = sd_event_source_disable_unref(m->sweep);
        m->sweep_pidfd = fd_close(m->sweep_pidfd);
        m->state_fd = fd_close(m->state_fd);
        free(m->state_path);
}
