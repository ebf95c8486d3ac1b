/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Follows one worker: what it writes becomes signals and changed properties, see import-manager.h. */
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#include "app/report.h"
#include "base/fd.h"
#include "bus/name.h"
#include "importer/import-front.h"

/* Properties are told as often as that at most. */
#define CHANGE_USEC UINT64_C(500000)

char *transfer_path(uint32_t id) {
        return str_format(BUS_IMPORT1_TRANSFER "/_%u", id);
}

void watched_stop(Watched *w) {
        w->log = sd_event_source_disable_unref(w->log);
        w->exit = sd_event_source_disable_unref(w->exit);
        w->change = sd_event_source_disable_unref(w->change);
        w->kill = sd_event_source_disable_unref(w->kill);
}

Watched *watched_free(Watched *w) {
        if (!w)
                return NULL;
        watched_stop(w);
        (void) transfer_free(w->transfer);
        free(w);
        return NULL;
}

static void complain(int r, const char *what, const Transfer *t) {
        if (r < 0)
                report(LOG_WARNING, "cannot %s transfer %u: %s", what, t->id, error_errno_text(r));
}

/* Properties */

static void tell_change(Watched *w) {
        _cleanup_free_ char *path = transfer_path(w->transfer->id);
        sd_bus *bus = w->manager->daemon.bus;
        int r = path ? sd_bus_emit_properties_changed(bus, path, BUS_IMPORT1_TRANSFER_INTERFACE,
                                                      "Progress", NULL)
                     : -ENOMEM;

        if (r >= 0)
                r = sd_bus_emit_properties_changed(bus, path, BUS_SKEP_TRANSFER1, "BytesDone",
                                                   "BytesTotal", "Rate", "TimeLeft", "Phase", NULL);
        complain(r, "tell about", w->transfer);
        w->is_changed = false;
        w->changed_usec = now_usec();
}

static int on_change_due(sd_event_source *source, uint64_t usec, void *userdata) {
        Watched *w = userdata;

        if (w->is_changed)
                tell_change(w);
        return 0;
}

/* At once if they were not told for a while, else later, together with what comes until then. */
static void change(Watched *w) {
        sd_event *event = w->manager->daemon.event;
        uint64_t due = w->changed_usec + CHANGE_USEC;
        int r = 0;

        if (now_usec() >= due) {
                tell_change(w);
                return;
        }
        if (w->is_changed)
                return;
        w->is_changed = true;
        if (!w->change)
                r = sd_event_add_time(event, &w->change, CLOCK_MONOTONIC, due, 0, on_change_due, w);
        else {
                r = sd_event_source_set_time(w->change, due);
                if (r >= 0)
                        r = sd_event_source_set_enabled(w->change, SD_EVENT_ONESHOT);
        }
        complain(r, "tell later about", w->transfer);
}

/* What the worker writes */

static void tell_record(Watched *w, const char *path, const Record *record) {
        sd_bus *bus = w->manager->daemon.bus;
        Transfer *t = w->transfer;
        int r = 0;

        if (record->type == RECORD_LOG) {
                _cleanup_free_ char *text = strdup(record->text);
                if (text)
                        str_make_utf8(text);
                r = sd_bus_emit_signal(bus, path, BUS_IMPORT1_TRANSFER_INTERFACE, "LogMessage",
                                       "us", (uint32_t) record->level, strempty(text));
                import_front_log(w, record->level, strempty(text));
        } else if (record->type == RECORD_PROGRESS) {
                if (record->done != RECORD_UNKNOWN)
                        transfer_rate_add(&w->rate, now_usec(), record->done);
                if (record->ratio >= 0)
                        r = sd_bus_emit_signal(bus, path, BUS_IMPORT1_TRANSFER_INTERFACE,
                                               "ProgressUpdate", "d", record->ratio);
                import_front_progress(w);
        }
        complain(r, "tell about", t);
}

void watched_pump(Watched *w) {
        _cleanup_free_ char *path = transfer_path(w->transfer->id);
        bool is_new = false, has_line = false;
        Transfer *t = w->transfer;
        Record record;
        int r;

        if (!path)
                return;
        while ((r = transfer_read(t, &record)) > 0) {
                /* Lines were told by an earlier daemon; of all else the last is what counts. */
                if (transfer_was_told(t))
                        continue;
                tell_record(w, path, &record);
                is_new = true;
                has_line = has_line || record.type == RECORD_LOG;
        }
        complain(r, "read the log of", t);
        if (has_line)
                transfer_tell(w->manager->state_fd, t);
        if (is_new)
                change(w);
}

static int on_log(sd_event_source *source, const struct inotify_event *event, void *userdata) {
        watched_pump(userdata);
        return 0;
}

/* Its end */

static int on_exit_of_worker(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        siginfo_t info;

        /* Workers of an earlier daemon are not our children. */
        (void) waitid((idtype_t) P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG);
        import_manager_finish(userdata);
        return 0;
}

static int on_kill_due(sd_event_source *source, uint64_t usec, void *userdata) {
        Watched *w = userdata;

        report(LOG_WARNING, "Transfer %u does not end by itself, killing it", w->transfer->id);
        transfer_kill(w->transfer);
        return 0;
}

void watched_arm(Watched *w) {
        /* Whoever is asked to give up has that long to clean up after itself. */
        uint64_t usec = w->manager->kill_usec;

        if (w->kill || usec == UINT64_MAX)
                return;
        int r = sd_event_add_time_relative(w->manager->daemon.event, &w->kill, CLOCK_MONOTONIC,
                                           usec, 0, on_kill_due, w);
        complain(r, "watch the end of", w->transfer);
}

int watched_start(Watched *w, Error *e) {
        ImportManager *m = w->manager;
        _cleanup_free_ char *log = str_format("%s/%u.log", m->state_path, w->transfer->id);
        int r = log ? 0 : -ENOMEM;

        if (r >= 0)
                r = sd_event_add_inotify(m->daemon.event, &w->log, log, IN_MODIFY, on_log, w);
        if (r >= 0)
                r = sd_event_add_io(m->daemon.event, &w->exit, w->transfer->pidfd, EPOLLIN,
                                    on_exit_of_worker, w);
        if (r < 0)
                return error_set(e, r, "cannot watch a transfer: %m");
        w->is_watched = true;
        if (w->transfer->canceled)
                watched_arm(w);
        return 0;
}
