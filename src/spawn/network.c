/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links between a machine and its host, see network.h. Addresses, routes and address translation are
 * left to the host's and the machine's network managers.
 *
 * The alias of the host's end names the process that made it, so that a later start can tell a leftover
 * from the link of a machine that runs. */
#include "spawn/network.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/maker.h"

#define TRIES_MAX 50 /* of 10 ms: the kernel removes links of a dead machine in its own time */

/* What making links takes. */
typedef struct Maker {
        int sock;
        int netns_fd;
        char alias[MAKER_MAX];
} Maker;

/* A link of that name is in the way: removes it if its maker is dead. Return: 0 = try again. */
static int clear_leftover(const Maker *m, const NetworkLink *l, Error *e) {
        Link found;
        int r = link_find(m->sock, l->host, &found);

        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return error_set(e, r, "cannot look at network interface '%s': %m", l->host);

        /* Without an alias but with the address that nobody else derives: its maker died before it could
         * sign. That it is not at it now, the lock on the machine's name says. */
        bool is_unsigned = !*found.alias && found.has_mac &&
                           memcmp(found.mac, l->host_mac, sizeof found.mac) == 0;
        if (!*found.alias && !is_unsigned)
                return error_set(e, EEXIST, "network interface '%s' exists already and is not ours",
                                 l->host);
        if (*found.alias && !maker_is_dead(found.alias))
                return error_set(e, EEXIST,
                                 "network interface '%s' exists already and is in use (%s)",
                                 l->host, found.alias);
        r = link_remove(m->sock, found.index, e);
        return r < 0 ? error_wrap(e, r, "cannot remove network interface '%s'", l->host) : 0;
}

static int send_veth(const Maker *m, const NetworkLink *l, Error *e) {
        const LinkRequest request = {
                .kind = "veth",
                .end = { .name = l->host, .mac = l->host_mac, .netns_fd = -EBADF },
                .peer = { .name = l->inside, .mac = l->inside_mac, .netns_fd = m->netns_fd },
                .alias = m->alias,
                .up = true,
        };
        int r;

        for (unsigned i = 0;; i++) {
                r = link_create(m->sock, &request, e);
                if (r != -EEXIST || i == TRIES_MAX)
                        break;
                r = clear_leftover(m, l, e);
                if (r < 0)
                        return r;
                if (i > 0)
                        (void) usleep(10 * 1000);
        }
        return r < 0 ? error_wrap(e, r, "cannot create network interface '%s'", l->host) : 0;
}

/* Not all versions of the kernel take an alias while they make a link, so it is set once more. */
static int make_veth(const Maker *m, const NetworkLink *l, int *ret_index, Error *e) {
        int r = send_veth(m, l, e);

        if (r < 0)
                return r;
        int index = (int) if_nametoindex(l->host);
        if (index == 0)
                return error_set(e, errno, "cannot find network interface '%s': %m", l->host);
        r = link_set(m->sock, index, NULL, m->alias, true, e);
        if (r >= 0 && *l->host_altname)
                r = link_add_altname(m->sock, index, l->host_altname, e);
        if (r < 0) {
                (void) link_remove(m->sock, index, NULL);
                return error_wrap(e, r, "cannot set up network interface '%s'", l->host);
        }
        *ret_index = index;
        return 0;
}

int network_apply(const NetworkPlan *plan, Run *run, Error *e) {
        _cleanup_fd_ int sock = netlink_open();
        Maker m = { .sock = sock, .netns_fd = run->netns_fd };
        int r;

        if (sock < 0)
                return error_set(e, sock, "cannot open a netlink socket: %m");
        r = maker_sign(m.alias);
        if (r < 0)
                return error_set(e, r, "cannot read our own start time: %m");
        free(run->network_indices);
        run->network_indices = calloc(plan->n, sizeof *run->network_indices);
        if (!run->network_indices)
                return error_oom(e);

        for (size_t i = 0; i < plan->n; i++) {
                r = make_veth(&m, plan->links + i, run->network_indices + i, e);
                if (r < 0) {
                        network_revert(run);
                        return r;
                }
                run->n_network++;
        }
        return 0;
}

void network_revert(Run *run) {
        _cleanup_fd_ int sock = run->n_network > 0 ? netlink_open() : -EBADF;

        for (size_t i = 0; i < run->n_network && sock >= 0; i++)
                (void) link_remove(sock, run->network_indices[i], NULL);
        run->n_network = 0;
        free(TAKE_PTR(run->network_indices));
}

int network_loopback_up(Error *e) {
        struct ifreq request = { .ifr_name = "lo" };
        _cleanup_fd_ int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (sock < 0 || ioctl(sock, SIOCGIFFLAGS, &request) < 0)
                return error_set(e, errno, "cannot look at the loopback interface: %m");
        request.ifr_flags |= IFF_UP;
        if (ioctl(sock, SIOCSIFFLAGS, &request) < 0)
                return error_set(e, errno, "cannot bring up the loopback interface: %m");
        return 0;
}
