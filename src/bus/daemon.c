/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frame of bus services, see daemon.h. */
#include "bus/daemon.h"

#include <signal.h>
#include <systemd/sd-daemon.h>

#include "base/fd.h"
#include "base/home.h"
#include "bus/error.h"

/* How long those are waited for that came in while we were leaving. After 25 s the bus gives up on who waits for the
 * next of us. */
#define LEAVE_USEC (20 * UINT64_C(1000000))

static int add_signals(sd_event *event) {
        sigset_t set;

        if (sigemptyset(&set) < 0 || sigaddset(&set, SIGTERM) < 0 || sigaddset(&set, SIGINT) < 0 ||
            sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                return -errno;
        if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
                return -errno;

        int r = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
        return r < 0 ? r : sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Daemon *d = userdata;

        d->active_usec = now_usec();
        return 0;
}

int daemon_init(Daemon *d, const char *identifier, void (*set_level)(int), Error *e) {
        *d = (Daemon){ .log = { identifier, LOG_INFO, set_level } };

        int r = sd_event_default(&d->event);
        if (r >= 0)
                r = add_signals(d->event);
        if (r >= 0)
                r = sd_event_set_watchdog(d->event, true);
        if (r < 0)
                return error_set(e, r, "cannot make an event loop: %m");

        r = home_is_user() ? sd_bus_open_user_with_description(&d->bus, identifier)
                           : sd_bus_open_system_with_description(&d->bus, identifier);
        if (r >= 0)
                r = sd_bus_attach_event(d->bus, d->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(d->bus, true);
        if (r < 0)
                return error_set(e, r, "cannot connect to the %s bus: %m",
                                 home_is_user() ? "user's" : "system");

        r = log_control_add(d->bus, &d->log);
        if (r >= 0)
                r = sd_bus_add_filter(d->bus, NULL, on_message, d);
        if (r >= 0)
                r = polkit_new(d->bus, &d->polkit);
        return r < 0 ? error_set(e, r, "cannot set up the bus connection: %m") : 0;
}

void daemon_done(Daemon *d) {
        d->polkit = polkit_free(d->polkit);
        d->bus = sd_bus_flush_close_unref(d->bus);
        d->event = sd_event_unref(d->event);
}

void daemon_set_idle_exit(Daemon *d, const DaemonIdle *idle) {
        d->idle = *idle;
}

static int on_name(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Daemon *d = userdata;
        const sd_bus_error *failed = sd_bus_message_get_error(m);
        uint32_t result = 0;

        if (failed)
                (void) error_set(&d->error, EACCES, "cannot take the bus name %s: %s", d->name,
                                 strempty(failed->message));
        else if (sd_bus_message_read(m, "u", &result) < 0 || (result != 1 && result != 4))
                (void) error_set(&d->error, EBUSY, "the bus name %s belongs to another process",
                                 d->name);
        else {
                (void) sd_notify(false, "READY=1");
                return 0;
        }
        return sd_event_exit(d->event, 0);
}

/* What came between the last look and giving the name back is served, then we go. For systemd we are as good as gone
 * from the first word on: it starts the next one for whoever calls from now on, once we are. So there is no way
 * back, and work that can do without us is not waited for. */
static int leave(Daemon *d) {
        (void) sd_notify(false, "STOPPING=1");
        int r = sd_bus_release_name(d->bus, d->name);
        if (r < 0)
                return r;
        d->idle.close(d->idle.userdata);
        for (uint64_t now = now_usec(), end = now + LEAVE_USEC; now < end; now = now_usec()) {
                r = sd_event_run(d->event, 0);
                if (r == 0) {
                        if (!d->idle.owes_answers(d->idle.userdata))
                                return 0;
                        r = sd_event_run(d->event, end - now);
                }
                if (r < 0 || sd_event_get_state(d->event) == SD_EVENT_FINISHED)
                        return r;
        }
        return 0;
}

static int loop(Daemon *d) {
        for (;;) {
                if (sd_event_get_state(d->event) == SD_EVENT_FINISHED)
                        return 0;

                uint64_t wait = UINT64_MAX;
                if (d->idle.usec > 0 && d->idle.usec < UINT64_MAX) {
                        uint64_t now = now_usec(), end = d->active_usec + d->idle.usec;
                        if (now >= end && d->idle.is_idle(d->idle.userdata))
                                return MIN(leave(d), 0);
                        wait = now >= end ? d->idle.usec : end - now;
                }
                int r = sd_event_run(d->event, wait);
                if (r < 0)
                        return r;
        }
}

int daemon_run(Daemon *d, const char *name, Error *e) {
        d->name = name;
        d->active_usec = now_usec();

        int r = sd_bus_request_name_async(d->bus, NULL, name, 0, on_name, d);
        if (r < 0)
                return error_set(e, r, "cannot ask for the bus name %s: %m", name);

        r = loop(d);
        (void) sd_notify(false, "STOPPING=1");
        if (r < 0)
                return error_set(e, r, "the event loop failed: %m");
        if (error_is_set(&d->error)) {
                if (e)
                        *e = d->error;
                return d->error.code;
        }
        /* The library ends the loop with a failure when the bus goes away. */
        int code = 0;
        if (sd_event_get_exit_code(d->event, &code) >= 0 && code != 0)
                return error_set(e, ECONNRESET, "the connection to the bus is lost");
        return 0;
}
