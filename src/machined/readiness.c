/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting till a machine is ready, see readiness.h. The guest is asked by its service manager's own socket,
 * which is there long before its bus; nothing but the words for "done" is taken from there. */
#include "machined/readiness.h"

#include <poll.h>
#include <systemd/sd-bus.h>

#include "base/path.h"
#include "base/proc.h"
#include "bus/name.h"
#include "machined/guest-bus.h"

#define LOOK_MSEC   100  /* how often something is looked for that may come */
#define ASK_MSEC    1000 /* how often it is asked, should its word have been missed */
#define BECOME_MSEC 3000 /* longest time that a first process takes to become somebody else */

/* Return: 1 some time has passed; -ESRCH the machine has ended. */
static int let_pass(const Target *t, int more, int msec, Error *e) {
        struct pollfd fds[] = { { .fd = t->pidfd, .events = POLLIN },
                                { .fd = more, .events = POLLIN } };

        if (poll(fds, ELEMENTSOF(fds), msec) < 0 && errno != EINTR)
                return error_set(e, errno, "cannot wait for machine '%s': %m", t->name);
        return fds[0].revents ? error_set(e, ESRCH, "machine '%s' has ended", t->name) : 1;
}

/* What makes a machine is its first process for a moment. */
static bool is_maker(const Target *t) {
        static const char *const makers[] = { "skep-spawn", "skep-init", "skep-oci",
                                              "systemd-nspawn" };
        _cleanup_free_ char *comm = NULL;

        if (proc_comm(t->pid, &comm) < 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(makers); i++)
                if (streq(comm, makers[i]))
                        return true;
        return false;
}

static bool has_systemd(const Target *t, int root_fd) {
        _cleanup_free_ char *comm = NULL;
        _cleanup_fd_ int fd = path_open_in_root(root_fd, "/run/systemd/system",
                                                O_PATH | O_DIRECTORY, 0);

        return fd >= 0 || (proc_comm(t->pid, &comm) >= 0 && streq(comm, "systemd"));
}

static int on_finished(sd_bus_message *signal, void *userdata, sd_bus_error *error) {
        *(bool *) userdata = true;
        return 0;
}

/* Return: 1 it has booted, 0 not yet, -errno the connection is no good. */
static int ask(sd_bus *bus) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *state = NULL;
        int r = sd_bus_get_property_string(bus, BUS_SYSTEMD1_NAME, BUS_SYSTEMD1_PATH,
                                           BUS_SYSTEMD1_MANAGER, "SystemState", &error, &state);

        if (r < 0)
                return r;
        return streq(state, "running") || streq(state, "degraded") || streq(state, "maintenance");
}

/* Return: 1 it has booted; -ESRCH the machine has ended; another code: connect again. */
static int listen_to(const Target *t, sd_bus *bus, Error *e) {
        bool finished = true;
        int r = sd_bus_match_signal(bus, NULL, NULL, BUS_SYSTEMD1_PATH, BUS_SYSTEMD1_MANAGER,
                                    "StartupFinished", on_finished, &finished);

        while (r >= 0) {
                if (finished) {
                        finished = false;
                        r = ask(bus);
                        if (r != 0)
                                return r;
                }
                r = sd_bus_process(bus, NULL);
                if (r != 0)
                        continue;
                r = let_pass(t, sd_bus_get_fd(bus), ASK_MSEC, e);
                finished = true;
        }
        return r;
}

int readiness_work(const void *arg, const WorkerOut *out, Error *e) {
        const Target *t = arg;
        int r;

        for (int waited = 0; is_maker(t) && waited < BECOME_MSEC; waited += LOOK_MSEC / 10) {
                r = let_pass(t, -1, LOOK_MSEC / 10, e);
                if (r < 0)
                        return r;
        }
        _cleanup_fd_ int root_fd = target_open_root(t, e);
        if (root_fd < 0)
                return root_fd;
        if (t->pid != 1 && !has_systemd(t, root_fd))
                return 0;
        for (;;) {
                _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
                Error other = {};

                r = guest_bus_open_manager(t, root_fd, &bus, &other);
                if (r >= 0)
                        r = listen_to(t, bus, &other);
                if (r > 0)
                        return 0;
                r = let_pass(t, -1, LOOK_MSEC, e);
                if (r < 0)
                        return r;
        }
}
