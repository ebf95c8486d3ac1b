/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frame of our bus services: event loop, system bus, signals, watchdog, log level, name, readiness
 * and idle exit. What they serve is theirs. */
#pragma once

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "bus/log-control.h"
#include "bus/polkit.h"

/* When a daemon may leave; all are asked with the same @userdata. */
typedef struct DaemonIdle {
        uint64_t usec;                /* without work for so long; 0 = never */
        bool (*is_idle)(void *);      /* there is no work now, and nobody is connected */
        void (*close)(void *);        /* take nothing in but what comes over the bus */
        bool (*owes_answers)(void *); /* somebody still waits for one */
        void *userdata;
} DaemonIdle;

typedef struct Daemon {
        sd_event *event;
        sd_bus *bus;
        Polkit *polkit;
        const char *name; /* bus name, static */
        DaemonIdle idle;
        uint64_t active_usec; /* when something last came in */
        LogControl log;
        Error error; /* why the loop ended */
} Daemon;

/** daemon_init() - connect to the bus and make the loop: the system's, or the user's (base/home.h)
 * SIGTERM and SIGINT end it from here on. SIGCHLD is left alone: watch children by pidfd.
 * @d:          must not move afterwards
 * @identifier: name in the log, static
 * @set_level:  called when somebody changes the log level over the bus; may be NULL
 * Return: 0 or -errno with @e set; daemon_done() is right in either case. */
int daemon_init(Daemon *d, const char *identifier, void (*set_level)(int), Error *e);
/** daemon_done() - flush and close the bus, free the rest */
void daemon_done(Daemon *d);
/** daemon_set_idle_exit() - leave when nothing came in for a while
 * No call is lost: the name is given back first, and what has come by then is still answered. */
void daemon_set_idle_exit(Daemon *d, const DaemonIdle *idle);
/** daemon_run() - take the name, tell systemd READY=1, run until told to end
 * Objects have to be on the bus before.
 * Return: 0 or -errno with @e set (-EBUSY: somebody else owns the name). */
int daemon_run(Daemon *d, const char *name, Error *e);
