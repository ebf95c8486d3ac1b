/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports that lead into a machine, see ports.h. What is said to the packet filter is in net/port-rules.c, who
 * holds the ports in port-hold.c; here is when, and for which of the machine's addresses.
 *
 * Root of the machine chooses its addresses. Only those are taken that packets from here reach by the
 * link to the machine: else it could have its ports lead to anybody whom the host can talk to. And it is not
 * listened to more than once a second, or it could keep the host busy. */
#include "spawn/ports.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/path.h"
#include "net/conntrack.h"
#include "net/firewall.h"
#include "net/localnet.h"
#include "net/netns.h"
#include "net/nft.h"
#include "net/port-record.h"
#include "net/reach.h"
#include "spawn/port-hold.h"
#include "spawn/runtime.h"

#define ADDRESSES_MAX 32
#define REST_USEC     (UINT64_C(1000) * 1000)
#define AGAIN_MAX     (UINT64_C(64) * REST_USEC)
#define TRIES_MAX     3
#define MARK_PREFIX   ".loopback-" /* and a link: we let the host's loopback reach it */

static const int families[] = { AF_INET, AF_INET6 };

/* What a supervisor knows of its machine's ports. */
typedef struct Ports {
        int held_fd;                 /* see port-hold.h */
        char link[LINK_ALTNAME_MAX]; /* by one of its names */
        int link_index;              /* 0 = not yet */
        bool is_open;                /* loopback addresses reach the machine */
        bool is_noted;               /* in the runtime file */
        PortRecord record;           /* its list is the Spec's */
        uint64_t rest_until;         /* nothing is looked at before, µs */
        uint64_t look_at;            /* to be looked at then; UINT64_MAX = when there is news */
        uint64_t again; /* until the next time that it is looked whether there is a way now, µs */
} Ports;

int port_setting(const Setting *row, const char *value, void *at, Error *e) {
        PortList *l = at;
        Port p;

        (void) row;
        if (!*value) {
                port_list_done(l);
                return 0;
        }
        int r = port_parse(value, &p, e);
        return r < 0 ? error_wrap(e, r, "'%s'", value) : port_list_add(l, &p, e);
}

static PortTargets targets_of(const PortRecord *p, const Ip inside[static 2]) {
        return (PortTargets){ .ports = &p->ports,
                              .inside = { inside[0], inside[1] },
                              .link = *p->link ? p->link : NULL };
}

/* Other machines, while one is looked at. */
typedef struct Others {
        const char *machine;
        const PortRecord *record;
        int lock_fd;
        bool any;     /* there are some in this network namespace */
        bool at_link; /* and some behind the same link */
        Error *e;
} Others;

static int see_other(const char *machine, const PortRecord *p, void *data) {
        Others *o = data;

        if (streq(machine, o->machine) || p->netns != o->record->netns)
                return 0;
        o->any = true;
        o->at_link = o->at_link || streq(p->link, o->record->link);
        return 0;
}

/* Undoes what localnet_open() did for a link that stays, with the last machine behind it. */
static void close_link(const Others *o) {
        char mark[sizeof MARK_PREFIX + IFNAMSIZ];
        const char *link = o->record->link;

        (void) snprintf(mark, sizeof mark, MARK_PREFIX "%s", link);
        if (o->at_link || unlinkat(o->lock_fd, mark, 0) < 0)
                return;
        _cleanup_fd_ int sock = netlink_open();
        if (sock >= 0)
                localnet_close(sock, link);
}

/* Takes out of the table what is a machine's; the table itself, if nobody else has anything there. */
static void take_away(int lock_fd, const char *machine, const PortRecord *p) {
        Others o = { .machine = machine, .record = p, .lock_fd = lock_fd };

        if (p->netns != port_record_netns() || port_record_each(lock_fd, see_other, &o) < 0)
                return;
        close_link(&o);
        /* Somebody may have died between the two: each is either there as a whole or not at all. */
        for (size_t i = 0; i < 2; i++) {
                _cleanup_(buf_done) Buf text = {};
                PortTargets t = targets_of(p, i == 0 ? p->former : p->inside);
                int r = o.any ? port_rules_drop(&t, !o.at_link, &text) : port_rules_clear(&text);

                for (unsigned n = 0; r >= 0 && text.n > 0 && n < TRIES_MAX; n++) {
                        r = nft_run(text.p, NULL, NULL);
                        /* It was removed by somebody else, with all that was in it. */
                        if (r >= 0 || r == -ENOENT || r == -EEXIST)
                                break;
                        r = 0;
                }
        }
        (void) conntrack_forget(&p->ports);
}

void ports_remove(const char *path) {
        const char *machine = path_last(path);
        _cleanup_(port_record_done) PortRecord p = {};
        _cleanup_fd_ int lock = port_record_lock(NULL);

        if (lock < 0)
                return;
        if (port_record_read(lock, machine, &p) >= 0)
                take_away(lock, machine, &p);
        port_record_remove(lock, machine);
}

static bool overlap(const PortList *a, const PortList *b, const Port **ret) {
        for (size_t i = 0; i < a->n; i++)
                for (size_t j = 0; j < b->n; j++)
                        if (port_overlaps(a->v + i, b->v + j)) {
                                *ret = a->v + i;
                                return true;
                        }
        return false;
}

static int in_use(const Port *p, const char *by, Error *e) {
        _cleanup_(buf_done) Buf text = {};

        return port_format(p, &text) < 0
                       ? error_oom(e)
                       : error_set(e, EADDRINUSE, "'%s' is in use by %s", text.p, by);
}

/* Somebody else's record: if that is in the way, its owner is told of, or is dead and leaves. */
static int give_way(const char *machine, const PortRecord *p, void *data) {
        _cleanup_free_ char *by = NULL;
        const Port *which = NULL;
        Others *o = data;

        if (streq(machine, o->machine) || p->netns != o->record->netns ||
            !overlap(&o->record->ports, &p->ports, &which))
                return 0;
        if (!runtime_is_running(machine)) {
                take_away(o->lock_fd, machine, p);
                port_record_remove(o->lock_fd, machine);
                return 0;
        }
        by = str_format("machine '%s'", machine);
        return by ? in_use(which, by, o->e) : error_oom(o->e);
}

static int reserve(const Spec *spec, Run *run, Ports *p, Buf *notes, Error *e) {
        _cleanup_fd_ int lock = port_record_lock(e);
        _cleanup_free_ char *path = path_join(PORT_RECORD_DIR, spec->machine);
        Others o = { .machine = spec->machine, .record = &p->record, .lock_fd = lock, .e = e };
        const Port *which = NULL;
        int r;

        if (lock < 0)
                return lock;
        if (!path)
                return error_oom(e);
        r = port_record_each(lock, give_way, &o);
        if (r < 0)
                return r == -EADDRINUSE || r == -ENOMEM
                               ? r
                               : error_set(e, r, "cannot read '" PORT_RECORD_DIR "': %m");
        r = port_hold(&spec->ports, &p->held_fd, &which, notes, e);
        if (r == -EADDRINUSE)
                return in_use(which, "a program of this host", e);
        if (r >= 0)
                r = runtime_note(run, "ports", path, e);
        if (r >= 0)
                r = port_record_write(lock, spec->machine, &p->record, e);
        p->is_noted = r >= 0;
        return r;
}

/* The link that packets to the machine leave by, or the bridge that it is a port of. */
static int find_link(const NetworkPlan *plan, Ports *p, Error *e) {
        const NetworkLink *found = NULL;

        for (size_t i = 0; i < plan->n && !(found && found->kind == NETWORK_VETH); i++)
                if (network_is_pair(plan->links[i].kind) &&
                    (!found || plan->links[i].kind == NETWORK_VETH))
                        found = plan->links + i;
        if (!found)
                return error_set(e, EINVAL,
                                 "there is no link between the host and the machine that they could"
                                 " lead over, such as --network-veth makes");
        p->record.link_is_shared = found->kind == NETWORK_VETH && *plan->bridge;
        (void) snprintf(p->link, sizeof p->link, "%s",
                        p->record.link_is_shared ? plan->bridge : found->host);
        return 0;
}

int ports_reserve(const Spec *spec, const NetworkPlan *plan, Run *run, Buf *notes, Error *e) {
        Ports *p = calloc(1, sizeof *p);

        if (!p)
                return error_oom(e);
        p->held_fd = -EBADF;
        p->look_at = UINT64_MAX;
        p->record = (PortRecord){ .netns = port_record_netns(), .ports = spec->ports };
        run->ports = p;
        int r = find_link(plan, p, e);
        return r < 0 ? r : reserve(spec, run, p, notes, e);
}

void ports_release(const Spec *spec, Run *run) {
        Ports *p = run->ports;

        if (!p)
                return;
        _cleanup_fd_ int lock = p->is_noted ? port_record_lock(NULL) : -EBADF;
        if (lock >= 0)
                port_record_remove(lock, spec->machine);
        (void) fd_close(p->held_fd);
        free(p);
        run->ports = NULL;
}

static int watch(Run *run, Error *e) {
        int r = 0;

        if (run->netns_sock < 0)
                r = run->netns_sock = netns_socket(run->netns_fd, AF_NETLINK, SOCK_RAW,
                                                   NETLINK_ROUTE, e);
        if (r >= 0)
                r = run->watch_fd = netns_socket(run->netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE,
                                                 e);
        if (r < 0)
                return r;
        r = reach_watch(run->watch_fd);
        return r < 0 ? error_set(e, r, "cannot watch the machine's addresses: %m") : 0;
}

static bool wants_family(const PortList *l, int family) {
        for (size_t i = 0; i < l->n; i++)
                if (port_has_family(l->v + i, family))
                        return true;
        return false;
}

/* The address of a family to use: that which is, as long as the machine has it.
 * @ret_pending: it has some that there is no way to
 * Return: 0 or -errno. */
static int choose(int sock, int host, int family, const Ports *p, Ip *chosen, bool *ret_pending) {
        Ip v[ADDRESSES_MAX], found = {};
        int n = reach_addresses(sock, family, v, ELEMENTSOF(v));

        for (int i = 0; i < n; i++) {
                if (found.family != AF_UNSPEC && !ip_equal(v + i, chosen))
                        continue;
                int link = reach_link(host, v + i);
                if (link < 0)
                        return link;
                if (link == p->link_index)
                        found = v[i];
        }
        *ret_pending = *ret_pending || (n > 0 && found.family == AF_UNSPEC);
        *chosen = found;
        return MIN(n, 0);
}

static int choose_both(const Run *run, const Ports *p, Ip inside[static 2], bool *ret_pending,
                       Error *e) {
        _cleanup_fd_ int host = netlink_open();
        int r = MIN(host, 0);

        for (size_t i = 0; i < ELEMENTSOF(families) && r >= 0; i++)
                if (wants_family(&p->record.ports, families[i]))
                        r = choose(run->netns_sock, host, families[i], p, inside + i, ret_pending);
        return r < 0 ? error_set(e, r, "cannot read the machine's addresses: %m") : 0;
}

/* Once nothing but translated connections can pass there. */
static int open_loopback(int lock, Ports *p, Error *e) {
        _cleanup_fd_ int sock = netlink_open();
        char mark[sizeof MARK_PREFIX + IFNAMSIZ];
        bool changed = false, wanted = false;

        for (size_t i = 0; i < p->record.ports.n; i++)
                for (size_t f = 0; f < ELEMENTSOF(families); f++)
                        wanted = wanted || port_has_loopback(p->record.ports.v + i, families[f]);
        if (p->is_open || !wanted)
                return 0;
        p->is_open = true;
        if (sock < 0)
                return error_set(e, sock, "cannot open a netlink socket: %m");
        int r = localnet_open(sock, p->record.link, p->link_index, &changed, e);
        if (r < 0 || !changed || !p->record.link_is_shared)
                return r;
        (void) snprintf(mark, sizeof mark, MARK_PREFIX "%s", p->record.link);
        r = file_write(lock, mark, "", O_CREAT, 0600);
        return r < 0 ? error_set(e, r, "cannot write '" PORT_RECORD_DIR "/%s': %m", mark) : 0;
}

/* Has the table lead to other addresses than so far.
 * @ret_chains: what chains the packet filter has; NULL = it does not matter */
static int exchange(const Spec *spec, Ports *p, const Ip inside[static 2], char **ret_chains,
                    Error *e) {
        _cleanup_(buf_done) Buf text = {};
        _cleanup_fd_ int lock = port_record_lock(e);
        PortRecord next = p->record;
        PortTargets old = targets_of(&p->record, p->record.inside), new = targets_of(&next, inside);
        int r;

        if (lock < 0)
                return lock;
        memcpy(next.former, p->record.inside, sizeof next.former);
        memcpy(next.inside, inside, sizeof next.inside);
        r = port_rules_frame(&text);
        if (r >= 0)
                r = port_rules_drop(&old, false, &text);
        if (r >= 0)
                r = port_rules_put(&new, &text);
        if (r >= 0 && ret_chains)
                r = buf_puts(&text, "list chains\n");
        if (r < 0)
                return error_oom(e);
        /* First what is to be taken back. */
        r = port_record_write(lock, spec->machine, &next, e);
        if (r >= 0)
                r = nft_run(text.p, ret_chains, e);
        if (r < 0)
                return r;
        memset(next.former, 0, sizeof next.former);
        p->record = next;
        /* What cannot be had is no reason to do without the rest. */
        (void) conntrack_forget(&next.ports);
        r = port_record_write(lock, spec->machine, &next, e);
        return r < 0 ? r : open_loopback(lock, p, e);
}

/* Looks at the machine's addresses, and follows them.
 * Return: 0; -errno, and it is to be tried again. */
static int look(const Spec *spec, Run *run, char **ret_chains, Error *e) {
        Ports *p = run->ports;
        Ip inside[2] = { p->record.inside[0], p->record.inside[1] };
        bool pending = false;
        int r = choose_both(run, p, inside, &pending, e);

        if (r >= 0 && (ret_chains || !ip_equal(inside, p->record.inside) ||
                       !ip_equal(inside + 1, p->record.inside + 1)))
                r = exchange(spec, p, inside, ret_chains, e);
        /* The way to an address may come after it: the host's end of the link gets one of its own. */
        p->rest_until = now_usec() + REST_USEC;
        p->again = r >= 0 && !pending ? 0 : MIN(MAX(2 * p->again, REST_USEC), AGAIN_MAX);
        p->look_at = p->again == 0 ? UINT64_MAX : now_usec() + p->again;
        return r;
}

/* Where frames of bridges go through the host's filter as packets, answers to ::1 are translated before it is
 * looked at whether they are fit to come in, and they are not. */
static int note_bridge(const Spec *spec, const Ports *p, Buf *notes) {
        _cleanup_free_ char *filtered = NULL;

        if (!p->record.link_is_shared ||
            file_read_line(AT_FDCWD, "/proc/sys/net/bridge/bridge-nf-call-ip6tables", &filtered) <
                    0 ||
            streq(filtered, "0"))
                return 0;
        for (size_t i = 0; i < spec->ports.n; i++)
                if (port_has_loopback(spec->ports.v + i, AF_INET6))
                        return buf_puts(notes,
                                        "the machine's ports cannot be reached at ::1 over a bridge"
                                        " while net.bridge.bridge-nf-call-ip6tables is 1\n");
        return 0;
}

static int note_firewall(const Spec *spec, const char *chains, Buf *notes) {
        _cleanup_(buf_done) Buf who = {};
        bool outside = false;
        int r = firewall_find(chains, &who);

        for (size_t i = 0; i < spec->ports.n; i++)
                outside = outside || !(port_has_loopback(spec->ports.v + i, AF_INET) &&
                                       spec->ports.v[i].address.family != AF_UNSPEC);
        if (r < 0 || !outside)
                return r;
        if (r > 0)
                r = buf_printf(notes,
                               "the host's firewall may drop what comes to the machine's ports from"
                               " elsewhere: %s must let it pass\n",
                               who.p);
        /* Those who are given addresses by us have that seen to, for the interfaces that there are. */
        if (r >= 0 && spec->addresses.n == 0 && !firewall_forwards(AF_INET))
                r = buf_puts(notes, "the machine's ports can be reached from this host alone, which"
                                    " does not forward (net.ipv4.ip_forward=0)\n");
        return r;
}

/* The packet filter, and the kernel's files, know it by one name alone. */
static int find_index(Ports *p, Error *e) {
        unsigned index = if_nametoindex(p->link);

        if (index == 0 || !if_indextoname(index, p->record.link))
                return error_set(e, errno, "cannot find network interface '%s': %m", p->link);
        if (!port_rules_can_name(p->record.link))
                return error_set(e, EINVAL, "the packet filter cannot be told of an interface '%s'",
                                 p->record.link);
        p->link_index = (int) index;
        return 0;
}

int ports_apply(const Spec *spec, Run *run, Buf *notes, Error *e) {
        _cleanup_free_ char *chains = NULL;
        Ports *p = run->ports;

        int r = find_index(p, e);
        if (r >= 0)
                r = watch(run, e);
        if (r >= 0)
                r = look(spec, run, &chains, e);
        if (r == -ENOPKG)
                return error_wrap(e, r, "ports cannot be forwarded");
        if (r < 0)
                return r;
        p->rest_until = 0;
        return note_firewall(spec, chains, notes) < 0 || note_bridge(spec, p, notes) < 0
                       ? error_oom(e)
                       : 0;
}

void ports_revert(const Spec *spec, Run *run) {
        Ports *p = run->ports;

        if (!p || p->link_index == 0)
                return;
        _cleanup_fd_ int lock = port_record_lock(NULL);
        if (lock >= 0) {
                /* What an exchange that failed left is in the record alone. */
                PortRecord last = {};
                if (port_record_read(lock, spec->machine, &last) >= 0)
                        take_away(lock, spec->machine, &last);
                port_record_done(&last);
                memset(p->record.inside, 0, sizeof p->record.inside);
                (void) port_record_write(lock, spec->machine, &p->record, NULL);
        }
        p->link_index = 0;
        p->is_open = false;
        p->look_at = UINT64_MAX;
}

int ports_poll(const Run *run) {
        return run->ports && now_usec() >= run->ports->rest_until ? run->watch_fd : -EBADF;
}

uint64_t ports_wait(const Run *run) {
        const Ports *p = run->ports;

        if (!p)
                return UINT64_MAX;
        uint64_t now = now_usec();
        uint64_t next = p->rest_until > now ? p->rest_until : p->look_at;
        return next == UINT64_MAX ? UINT64_MAX : next > now ? next - now : 0;
}

void ports_step(const Spec *spec, Run *run, bool readable) {
        Ports *p = run->ports;

        if (!p)
                return;
        if (readable && reach_changed(run->watch_fd))
                p->look_at = p->again = 0;
        if (now_usec() >= p->look_at)
                (void) look(spec, run, NULL, NULL);
}
