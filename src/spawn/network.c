/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links between a machine and its host, see network.h. Addresses, routes and address translation are
 * left to the host's and the machine's network managers.
 *
 * The alias of the host's end names the process that made it, so that a later start can tell a leftover
 * from the link of a machine that runs. */
#include "spawn/network.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/maker.h"
#include "net/netns.h"
#include "spawn/network-lend.h"
#include "spawn/network-zone.h"
#include "spawn/runtime.h"

#define TRIES_MAX  50 /* of 10 ms: the kernel removes links of a dead machine in its own time */
#define ZONE_TRIES 10
/* Before it has its own; a name that is taken on the host is not always free for it. */
#define FIRST_NAME "skep-new"

/* What making links takes. */
typedef struct Maker {
        const NetworkPlan *plan;
        Run *run;
        int sock;
        int bridge; /* index; 0 = none */
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

static int send_pair(const Maker *m, const NetworkLink *l, Error *e) {
        const LinkRequest request = {
                .kind = "veth",
                .end = { .name = l->host, .mac = l->host_mac, .netns_fd = -EBADF },
                .peer = { .name = l->inside, .mac = l->inside_mac, .netns_fd = m->run->netns_fd },
                .alias = m->alias,
                .master = l->kind == NETWORK_VETH ? m->bridge : 0,
                .up = true,
                .dormant = l->kind == NETWORK_VETH && m->plan->in_zone,
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
static int make_pair(const Maker *m, const NetworkLink *l, NetworkMade *made, Error *e) {
        int r = send_pair(m, l, e);

        if (r < 0)
                return r;
        made->host = (int) if_nametoindex(l->host);
        if (made->host == 0)
                return error_set(e, errno, "cannot find network interface '%s': %m", l->host);
        r = link_set(m->sock, made->host, NULL, m->alias, true, e);
        if (r >= 0 && *l->host_altname)
                r = link_add_altname(m->sock, made->host, l->host_altname, e);
        return r < 0 ? error_wrap(e, r, "cannot set up network interface '%s'", l->host) : 0;
}

static int make_port(Maker *m, const NetworkLink *l, NetworkMade *made, Error *e) {
        Link bridge;
        int r = link_find(m->sock, m->plan->bridge, &bridge);

        if (r == -ENODEV)
                return error_set(e, r, "the host has no bridge '%s'", m->plan->bridge);
        if (r < 0)
                return error_set(e, r, "cannot look at bridge '%s': %m", m->plan->bridge);
        m->bridge = bridge.index;
        r = make_pair(m, l, made, e);
        return r < 0 ? error_wrap(e, r, "bridge '%s'", m->plan->bridge) : 0;
}

/* Whoever does not heed the lock may take the bridge away again before we are at it. */
static int make_member(Maker *m, const NetworkLink *l, NetworkMade *made, Error *e) {
        _cleanup_free_ char *noted = str_format("/%s", m->plan->bridge);
        int r = 0, lock;

        if (!noted)
                return error_oom(e);
        if (!m->run->zone_is_noted)
                r = runtime_note(m->run, "zone", noted, e);
        if (r < 0)
                return r;
        m->run->zone_is_noted = true;
        lock = zone_lock(e);
        if (lock < 0)
                return lock;
        r = make_pair(m, l, made, e);
        for (unsigned i = 0; r >= 0 && i < ZONE_TRIES; i++) {
                r = zone_join(m->sock, m->plan->bridge, m->plan->bridge_mac, made->host, e);
                if (r != -ENODEV && r != -EINVAL) /* a master that is not there is the latter */
                        break;
                r = i + 1 < ZONE_TRIES ? 0 : r;
        }
        zone_unlock(lock);
        return r;
}

static int open_inside(Run *run, Error *e) {
        if (run->netns_sock < 0)
                run->netns_sock = netns_socket(run->netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE,
                                               e);
        return MIN(run->netns_sock, 0);
}

static int send_on_top(const Maker *m, const NetworkLink *l, Error *e) {
        const bool is_macvlan = l->kind == NETWORK_MACVLAN;
        Link below;
        int r = link_find(m->sock, l->host, &below);

        if (r == -ENODEV)
                return error_set(e, r, "the host has no network interface '%s'", l->host);
        if (r < 0)
                return error_set(e, r, "cannot look at network interface '%s': %m", l->host);
        const LinkRequest request = {
                .kind = is_macvlan ? "macvlan" : "ipvlan",
                .end = { .name = FIRST_NAME,
                         .mac = is_macvlan ? l->inside_mac : NULL,
                         .netns_fd = m->run->netns_fd },
                .below = below.index,
        };
        r = link_create(m->sock, &request, e);
        if (r == -EOPNOTSUPP)
                return error_wrap(e, r,
                                  "the kernel cannot make an interface of the kind %s on '%s'",
                                  request.kind, l->host);
        return r < 0 ? error_wrap(e, r, "cannot create network interface '%s' on '%s'", l->inside,
                                  l->host)
                     : 0;
}

static int make_on_top(Maker *m, const NetworkLink *l, NetworkMade *made, Error *e) {
        int r = open_inside(m->run, e), sock = m->run->netns_sock;
        Link new;

        if (r >= 0)
                r = send_on_top(m, l, e);
        if (r < 0)
                return r;
        r = link_find(sock, FIRST_NAME, &new);
        if (r < 0)
                return error_set(e, r, "cannot find network interface '%s': %m", l->inside);
        made->inside = new.index;
        r = link_set(sock, new.index, l->inside, NULL, false, e);
        if (r >= 0 && *l->inside_altname)
                r = link_add_altname(sock, new.index, l->inside_altname, e);
        return r < 0 ? error_wrap(e, r, "cannot name network interface '%s'", l->inside) : 0;
}

static int lend(Maker *m, const NetworkLink *l, Error *e) {
        Run *run = m->run;
        int r = open_inside(run, e);

        if (r >= 0 && !run->lending)
                r = lending_start(run->netns_sock, m->plan->n, &run->lending, e);
        return r < 0 ? r : lending_give(run->lending, run, m->sock, l->host, l->inside, e);
}

static int make(Maker *m, const NetworkLink *l, NetworkMade *made, Error *e) {
        switch (l->kind) {
        case NETWORK_VETH:
                return m->plan->in_zone   ? make_member(m, l, made, e)
                       : *m->plan->bridge ? make_port(m, l, made, e)
                                          : make_pair(m, l, made, e);
        case NETWORK_EXTRA:
                return make_pair(m, l, made, e);
        case NETWORK_MACVLAN:
        case NETWORK_IPVLAN:
                return make_on_top(m, l, made, e);
        case NETWORK_LENT:
                return lend(m, l, e);
        default:
                return -EINVAL;
        }
}

int network_apply(const NetworkPlan *plan, Run *run, Error *e) {
        _cleanup_fd_ int sock = netlink_open();
        Maker m = { .plan = plan, .run = run, .sock = sock };
        int r;

        if (sock < 0)
                return error_set(e, sock, "cannot open a netlink socket: %m");
        r = maker_sign(m.alias);
        if (r < 0)
                return error_set(e, r, "cannot read our own start time: %m");
        free(run->network);
        run->network = calloc(plan->n, sizeof *run->network);
        if (!run->network)
                return error_oom(e);
        run->n_network = plan->n;

        for (size_t i = 0; i < plan->n && r >= 0; i++)
                r = make(&m, plan->links + i, run->network + i, e);
        if (r < 0)
                network_revert(plan, run, NULL);
        return MIN(r, 0);
}

/* Those inside as well: they would go with the namespace, but only some time after we have ended, and what they
 * are on would stay in use until then. */
void network_revert(const NetworkPlan *plan, Run *run, Buf *notes) {
        _cleanup_fd_ int sock = run->n_network > 0 ? netlink_open() : -EBADF;

        run->lending = lending_end(run->lending, notes);
        for (size_t i = run->n_network; i > 0; i--) {
                const NetworkMade *made = run->network + i - 1;
                if (made->host > 0 && sock >= 0)
                        (void) link_remove(sock, made->host, NULL);
                if (made->inside > 0)
                        (void) link_remove(run->netns_sock, made->inside, NULL);
        }
        if (run->n_network > 0 && plan->in_zone)
                zone_leave(plan->bridge, plan->bridge_mac);
        run->n_network = 0;
        free(TAKE_PTR(run->network));
}

int network_join(const Spec *spec, const Run *run, Error *e) {
        return setns(run->netns_fd, CLONE_NEWNET) < 0
                       ? error_set(e, errno, "cannot join network namespace '%s': %m",
                                   spec->network.namespace_path)
                       : 0;
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
