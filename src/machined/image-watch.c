/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watching the pool, see image-watch.h. The kernel tells that something has happened in one of its folders; what
 * that means for images is found out by a worker, who lists them all, for names and kinds of images are not those
 * of directory entries. The daemon itself touches no path of the pool. */
#include "machined/image-watch.h"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <syslog.h>
#include <unistd.h>

#include "app/report.h"
#include "bus/operation.h"
#include "image/pool.h"

#define SETTLE_USEC ((uint64_t) 100 * 1000) /* what belongs together comes together */
#define LIST_USEC   ((uint64_t) 30 * 1000000)

struct ImageWatch {
        int fd; /* inotify */
        sd_event_source *input, *settle;
        bool is_listing; /* a worker is at it */
        bool is_stale;   /* and something has happened since it began */
        bool is_known;   /* there is a list to compare with */
        char **known;    /* "KIND NAME", ordered by name */
};

static int start_listing(Manager *m);

ImageWatch *image_watch_free(ImageWatch *w) {
        if (!w)
                return NULL;
        sd_event_source_disable_unref(w->input);
        sd_event_source_disable_unref(w->settle);
        (void) fd_close(w->fd);
        strv_free(w->known);
        free(w);
        return NULL;
}

/* In the worker. The watches are the daemon's, for they belong to the descriptor. */
static int add_watches(int fd, Error *e) {
        _cleanup_strv_ char **directories = NULL;
        int r = pool_directories(&directories, e);

        STRV_FOREACH(d, directories)
                if (r >= 0)
                        (void) inotify_add_watch(fd, *d,
                                                 IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                                         IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR);
        return r;
}

static int work(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(image_list_done) ImageList images = {};
        _cleanup_(buf_done) Buf b = {};
        int r = add_watches(*(const int *) arg, e);

        if (r >= 0)
                r = pool_list(&images, e);
        for (size_t i = 0; r >= 0 && i < images.n; i++) {
                const Image *image = images.items[i];

                r = buf_printf(&b, "%s%s %s", image_type_name(image->type),
                               image->read_only ? "-read-only" : "", image->name);
                if (r >= 0)
                        r = buf_append(&b, "", 1);
        }
        return r < 0 ? r : operation_send_text(out, b.p, b.n);
}

static void tell(Manager *m, const char *signal, const char *row) {
        const char *name = strchr(row, ' ') + 1;
        _cleanup_free_ char *path = NULL;
        int r = sd_bus_path_encode(BUS_MACHINE1_IMAGE, name, &path);

        if (r >= 0)
                r = sd_bus_emit_signal(m->daemon.bus, BUS_MACHINE1_PATH, BUS_SKEP_MANAGER1, signal,
                                       "so", name, path);
        if (r < 0)
                report(LOG_WARNING, "cannot emit %s for '%s': %s", signal, name,
                       error_errno_text(r));
}

/* Both are ordered by name. */
static void compare(Manager *m, char *const *before, char *const *now) {
        while ((before && *before) || (now && *now)) {
                int order = !before || !*before ? 1
                            : !now || !*now     ? -1
                                                : strcmp(strchr(*before, ' '), strchr(*now, ' '));

                if (order < 0)
                        tell(m, "ImageRemoved", *before);
                else if (order > 0)
                        tell(m, "ImageNew", *now);
                else if (!streq(*before, *now))
                        tell(m, "ImageChanged", *now);
                before += order <= 0;
                now += order >= 0;
        }
}

static int read_list(const OperationResult *result, char ***ret) {
        for (const char *s = result->text; s < result->text + result->n_text; s += strlen(s) + 1)
                if (strchr(s, ' ') && strv_append(ret, s) < 0)
                        return -ENOMEM;
        return 0;
}

static void done(void *userdata, void *owner, int r, const OperationResult *result,
                 const Error *e) {
        _cleanup_strv_ char **now = NULL;
        Manager *m = userdata;
        ImageWatch *w = m->image_watch;

        w->is_listing = false;
        if (r >= 0 && read_list(result, &now) >= 0) {
                if (w->is_known)
                        compare(m, w->known, now);
                strv_free(w->known);
                w->known = TAKE_PTR(now);
                w->is_known = true;
        } else
                report(LOG_WARNING, "cannot tell what has become of images: %s",
                       e ? e->text : "out of memory");
        if (w->is_stale) {
                w->is_stale = false;
                (void) start_listing(m);
        }
}

int image_watch_names(const Manager *m, char ***ret) {
        const ImageWatch *w = m->image_watch;
        _cleanup_strv_ char **names = NULL;

        if (!w || !w->is_known)
                return 0;
        STRV_FOREACH(row, w->known)
                if (strv_append(&names, strchr(*row, ' ') + 1) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(names);
        return 1;
}

static int start_listing(Manager *m) {
        static const OperationKind kind = {
                .what = "looking for images", .work = work, .timeout_usec = LIST_USEC, .done = done
        };
        ImageWatch *w = m->image_watch;
        Error e = {};

        if (w->is_listing) {
                w->is_stale = true;
                return 0;
        }
        int r = operation_start_own(&m->operations, &kind, NULL, &w->fd, &w->fd, 1, &e);
        w->is_listing = r >= 0;
        if (r < 0)
                report(LOG_WARNING, "%s", e.text);
        return r;
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;

        m->image_watch->settle = sd_event_source_disable_unref(m->image_watch->settle);
        (void) start_listing(m);
        return 0;
}

static int on_events(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        char buffer[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
        Manager *m = userdata;

        while (read(fd, buffer, sizeof buffer) > 0)
                ;
        if (m->image_watch->settle)
                return 0;
        if (sd_event_add_time_relative(m->daemon.event, &m->image_watch->settle, CLOCK_MONOTONIC,
                                       SETTLE_USEC, 0, on_settled, m) < 0)
                (void) start_listing(m);
        return 0;
}

void image_watch_start(Manager *m) {
        ImageWatch *w = calloc(1, sizeof *w);
        int r = -ENOMEM;

        if (w) {
                m->image_watch = w;
                w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
                r = w->fd < 0 ? -errno
                              : sd_event_add_io(m->daemon.event, &w->input, w->fd, EPOLLIN,
                                                on_events, m);
        }
        if (r >= 0)
                r = start_listing(m);
        if (r < 0)
                report(LOG_WARNING, "cannot watch the pool of images: %s", error_errno_text(r));
}
