/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus of two, see pair.h. Serves nothing and calls nothing. */
#include "bus/pair.h"

#include <sys/socket.h>
#include <systemd/sd-id128.h>

#include "base/fd.h"

/* Far more than it takes. */
#define GREETING_STEPS_MAX 64U

/* @fd is consumed. */
static int start_end(sd_event *event, int fd, bool is_server, sd_bus **ret) {
        _cleanup_fd_ int mine = fd;
        sd_bus *bus = NULL;
        sd_id128_t id;
        int r = sd_bus_new(ret);

        if (r < 0)
                return r;
        bus = *ret;
        r = sd_id128_randomize(&id);
        if (r >= 0 && is_server)
                r = sd_bus_set_server(bus, true, id);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0) {
                (void) TAKE_FD(mine);
                r = sd_bus_start(bus);
        }
        return r < 0 ? r : sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
}

/* Both ends greet each other, now: a message with a descriptor would wait for that. */
static int greet(const BusPair *p) {
        for (unsigned i = 0; i < GREETING_STEPS_MAX; i++) {
                if (sd_bus_is_ready(p->server) > 0 && sd_bus_is_ready(p->client) > 0)
                        return 0;
                int r = sd_bus_process(p->server, NULL);
                if (r >= 0)
                        r = sd_bus_process(p->client, NULL);
                if (r < 0)
                        return r;
        }
        return -EPROTO;
}

int bus_pair_open(sd_event *event, BusPair *ret, Error *e) {
        BusPair p = {};
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return error_set(e, errno, "cannot make a pair of sockets: %m");
        int r = start_end(event, fds[0], true, &p.server);
        if (r < 0)
                fd_close(fds[1]);
        else
                r = start_end(event, fds[1], false, &p.client);
        if (r >= 0)
                r = greet(&p);
        if (r < 0) {
                bus_pair_close(&p);
                return error_set(e, r, "cannot make a bus for two: %m");
        }
        *ret = p;
        return 0;
}

void bus_pair_close(BusPair *p) {
        p->client = sd_bus_close_unref(p->client);
        p->server = sd_bus_close_unref(p->server);
}
