/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Claims addresses for a machine, gives them to both ends of its links and takes them back, see
 * network-address.h. Which ones, net/claim.h says; this sees to it that they are had, by the kernel's
 * interfaces, by the packet filter and by the neighbours' files. */
#include "spawn/network-address.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "net/claim.h"
#include "net/firewall.h"
#include "net/forwarding.h"
#include "net/hosts.h"
#include "net/nat.h"
#include "net/netns.h"
#include "net/reach.h"
#include "spawn/network-files.h"
#include "spawn/runtime.h"

#define RECORDS   "/run/skep/network/machines/"
#define REST_USEC (UINT64_C(1000) * 1000) /* between two looks at a machine's own addresses */
#define SEEN_MAX  4 /* addresses of a family by which one who finds them by itself is known */

/* What is open while records are read and changed. */
typedef struct Ledger {
        int lock_fd;
        int sock;
        MemberList members;
} Ledger;

static void ledger_close(Ledger *l) {
        member_list_done(&l->members);
        (void) fd_close(l->sock);
        (void) fd_close(l->lock_fd);
}

static int ledger_open(Ledger *ret, Error *e) {
        Ledger l = { .lock_fd = member_lock(e), .sock = -EBADF };
        int r = l.lock_fd;

        if (r < 0)
                return r;
        l.sock = netlink_open();
        if (l.sock < 0)
                r = error_set(e, l.sock, "cannot open a netlink socket: %m");
        else
                r = member_read_all(l.lock_fd, &l.members, e);
        if (r < 0) {
                ledger_close(&l);
                return r;
        }
        *ret = l;
        return 0;
}

static bool is_routed(const Member *m) {
        for (size_t i = 0; i < m->n; i++)
                if (m->v[i].nat || m->v[i].host.ip.family != AF_UNSPEC)
                        return true;
        return false;
}

/* Forwarding and translation, as the members need them now. */
static int settle(Ledger *l, char **ret_chains, Error *e) {
        _cleanup_strv_ char **opened = NULL;
        bool v4 = false, v6 = false;
        int r = 0;

        for (size_t i = 0; i < l->members.n; i++)
                for (size_t j = 0; j < l->members.v[i].n && is_routed(l->members.v + i); j++) {
                        v4 |= l->members.v[i].v[j].address.ip.family == AF_INET;
                        v6 |= l->members.v[i].v[j].address.ip.family == AF_INET6;
                }
        if (v4 || v6)
                r = forwarding_enable(l->lock_fd, v4, v6, e);
        else
                forwarding_restore(l->lock_fd);
        if (r < 0)
                return r;
        r = forwarding_opened(l->lock_fd, &opened);
        if (r < 0)
                r = error_set(e, r, "cannot read which interfaces forward: %m");
        return r < 0 ? r : nat_apply(&l->members, opened, ret_chains, e);
}

static bool others_have(const MemberList *l, const MemberAddress *a) {
        for (size_t i = 0; i < l->n; i++)
                for (size_t j = 0; j < l->v[i].n; j++)
                        if (ip_equal(&l->v[i].v[j].host.ip, &a->host.ip) &&
                            streq(l->v[i].v[j].link, a->link))
                                return true;
        return false;
}

/* To a machine that shares no subnet with the host's address. */
static bool needs_route(const MemberAddress *a, Route *ret, int link) {
        if (a->host.ip.family == AF_UNSPEC || a->host.length != ip_bits(a->host.ip.family))
                return false;
        *ret = (Route){ .destination = a->address, .link = link };
        return true;
}

static void remove_host_side(Ledger *l, const Member *m) {
        for (size_t i = 0; i < m->n; i++) {
                int link = (int) if_nametoindex(m->v[i].link);
                Route route;

                if (link <= 0 || m->v[i].host.ip.family == AF_UNSPEC)
                        continue;
                if (needs_route(m->v + i, &route, link))
                        (void) route_remove(l->sock, &route, NULL);
                if (!others_have(&l->members, m->v + i))
                        (void) route_remove_address(l->sock, link, &m->v[i].host, NULL);
        }
}

/* Takes one out of the list and undoes what was done for it. */
static void forget(Ledger *l, size_t index) {
        Member m = l->members.v[index];

        l->members.v[index] = l->members.v[--l->members.n];
        remove_host_side(l, &m);
        if (is_routed(&m))
                (void) settle(l, NULL, NULL);
        /* Last, so that who dies over this, or cannot do it, leaves what tells the next of it. */
        if (MIN(hosts_remove(l->lock_fd, m.name), network_files_remove(m.name)) >= 0)
                member_remove(l->lock_fd, m.name);
        hosts_refresh(l->lock_fd, &l->members, m.name, m.segment);
        member_done(&m);
}

static void forget_dead(Ledger *l, const char *own) {
        for (size_t i = l->members.n; i > 0; i--)
                if (streq(l->members.v[i - 1].name, own) ||
                    maker_is_dead(l->members.v[i - 1].maker))
                        forget(l, i - 1);
}

static bool host_has_ipv6(void) {
        static const char *const files[] = { "/proc/sys/net/ipv6/conf/all/disable_ipv6",
                                             "/proc/sys/net/ipv6/conf/default/disable_ipv6" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *line = NULL;
                if (file_read_line(AT_FDCWD, files[i], &line) < 0 || !streq(line, "0"))
                        return false;
        }
        return true;
}

/* A bridge may be named by a further name of it; what holds it has a first one. */
static void find_host_end(int sock, const char *name, ClaimEnd *end) {
        Link link;

        if (link_find(sock, name, &link) >= 0)
                end->index = link.index;
        else
                (void) snprintf(link.name, sizeof link.name, "%.*s", IFNAMSIZ - 1, name);
        memcpy(end->host, link.name, sizeof end->host);
}

static ClaimEnd end_of(int sock, const NetworkPlan *plan, const NetworkLink *l) {
        bool is_port = l->kind == NETWORK_VETH && *plan->bridge;
        ClaimEnd end = { .kind = CLAIM_OTHER };

        (void) snprintf(end.inside, sizeof end.inside, "%s", l->inside);
        if (!network_is_pair(l->kind))
                return end;
        end.kind = is_port && !plan->in_zone ? CLAIM_BRIDGE : CLAIM_OURS;
        end.shared = is_port && plan->in_zone;
        find_host_end(sock, is_port ? plan->bridge : l->host, &end);
        return end;
}

static int make_ends(int sock, const NetworkPlan *plan, ClaimEnd **ret) {
        ClaimEnd *ends = calloc(plan->n + 1, sizeof *ends);

        if (!ends)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n; i++)
                ends[i] = end_of(sock, plan, plan->links + i);
        *ret = ends;
        return 0;
}

static int init_member(const Spec *spec, const ClaimEnd *ends, size_t n, Member *m, Error *e) {
        int r = maker_sign(m->maker);

        if (r < 0)
                return error_set(e, r, "cannot read our own start time: %m");
        (void) snprintf(m->name, sizeof m->name, "%s", spec->machine);
        if (spec->hostname && !streq(spec->hostname, spec->machine))
                (void) snprintf(m->hostname, sizeof m->hostname, "%s", spec->hostname);
        for (size_t i = 0; i < n; i++)
                if (ends[i].shared || ends[i].kind == CLAIM_BRIDGE)
                        (void) snprintf(m->segment, sizeof m->segment, "%s", ends[i].host);
        return 0;
}

static int claim(const Spec *spec, const NetworkPlan *plan, Ledger *l, Member *m, Error *e) {
        _cleanup_(route_list_done) RouteList routes = {};
        _cleanup_free_ ClaimEnd *ends = NULL;

        if (make_ends(l->sock, plan, &ends) < 0)
                return error_oom(e);
        const ClaimFacts facts = {
                .wanted = &spec->addresses,
                .ends = ends,
                .n_ends = plan->n,
                .members = &l->members,
                .routes = &routes,
                .host_id = network_host_id(),
                .has_ipv6 = host_has_ipv6(),
        };
        int r = route_list_read(l->sock, &routes, e);
        if (r >= 0)
                r = init_member(spec, ends, plan->n, m, e);
        return r < 0 ? r : claim_make(&facts, m, e);
}

int network_address_claim(const Spec *spec, const NetworkPlan *plan, Run *run, Error *e) {
        _cleanup_(ledger_close) Ledger l = { .lock_fd = -EBADF, .sock = -EBADF };
        _cleanup_free_ char *path = str_format(RECORDS "%s", spec->machine);
        _cleanup_(member_done) Member m = {};
        int r = path ? ledger_open(&l, e) : error_oom(e);

        if (r < 0)
                return r;
        forget_dead(&l, spec->machine);
        r = claim(spec, plan, &l, &m, e);
        if (r >= 0 && !run->address_is_noted)
                r = runtime_note(run, "network", path, e);
        if (r < 0)
                return r;
        run->address_is_noted = true;

        _cleanup_fd_ int hosts = network_address_wants(spec)
                                         ? hosts_open(l.lock_fd, m.name, O_CREAT | O_TRUNC)
                                         : -EBADF;
        if (hosts < 0 && network_address_wants(spec))
                return error_set(e, hosts, "cannot make the machine's hosts file: %m");
        Member *kept = malloc(sizeof *kept);
        if (!kept)
                return error_oom(e);
        *kept = m;
        m = (Member){};
        run->member = kept;
        return member_write(l.lock_fd, kept, e);
}

/* PHASE_BUILD */

void network_address_tell(const Spec *spec, const Run *run) {
        network_files_apply(spec, run);
}

/* PHASE_ATTACH */

/* Below /proc/sys/net/ipv6/conf, of the namespace that we are in. */
static void set_ipv6(const char *link, const char *key, const char *value) {
        char path[sizeof "/proc/sys/net/ipv6/conf//disable_ipv6" + IFNAMSIZ];

        (void) snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", link, key);
        (void) file_write(AT_FDCWD, path, value, 0, 0);
}

static int add_host_side(int sock, const MemberAddress *a, Error *e) {
        char text[IP_PREFIX_TEXT_MAX];
        Route route;

        if (a->host.ip.family == AF_UNSPEC)
                return 0;
        int link = (int) if_nametoindex(a->link);
        if (link <= 0)
                return error_set(e, errno, "cannot find network interface '%s': %m", a->link);
        /* Nobody else is there yet who could have the link's own address, and looking takes a second. */
        if (a->host.ip.family == AF_INET6)
                set_ipv6(a->link, "accept_dad", "0");
        int r = route_add_address(sock, link, &a->host, e);
        if (r == -EEXIST) /* by another machine of the zone */
                r = 0;
        if (r >= 0 && needs_route(a, &route, link)) {
                r = route_add(sock, &route, e);
                r = r == -EEXIST ? 0 : r;
        }
        return r < 0 ? error_wrap(e, r, "cannot give '%s' the address %s", a->link,
                                  ip_prefix_format(&a->host, text))
                     : 0;
}

static int add_inside(int sock, const MemberAddress *a, Error *e) {
        const char *inside = a->inside;
        char text[IP_PREFIX_TEXT_MAX];
        Link link;
        int r = link_find(sock, inside, &link);

        if (r < 0)
                return error_set(e, r, "cannot find the machine's link '%s': %m", inside);
        if (!(link.flags & IFF_UP))
                r = link_set(sock, link.index, NULL, NULL, true, e);
        if (r >= 0)
                r = route_add_address(sock, link.index, &a->address, e);
        if (r < 0)
                return error_wrap(e, r, "cannot give the machine's '%s' the address %s", inside,
                                  ip_prefix_format(&a->address, text));
        if (a->gateway.family == AF_UNSPEC)
                return 0;

        Route direct = { .destination = { a->gateway, ip_bits(a->gateway.family) },
                         .link = link.index };
        Route away = { .destination = { { .family = a->gateway.family }, 0 },
                       .gateway = a->gateway,
                       .link = link.index };
        if (!ip_prefix_has(&a->address, &a->gateway) && !ip_is_link_local(&a->gateway))
                r = route_add(sock, &direct, e);
        if (r >= 0 || r == -EEXIST)
                r = route_add(sock, &away, e);
        return r < 0 && r != -EEXIST
                       ? error_wrap(e, r, "cannot route by way of %s", ip_format(&a->gateway, text))
                       : 0;
}

/* In a child within the machine's network: what the host's advertisements would say of the way out is settled, and
 * nobody else can be there yet who has the same address. */
static int prepare_ipv6(const void *data) {
        const Member *m = data;

        for (size_t i = 0; i < m->n; i++) {
                if (m->v[i].address.ip.family != AF_INET6)
                        continue;
                set_ipv6(m->v[i].inside, "disable_ipv6", "0");
                set_ipv6(m->v[i].inside, "accept_dad", "0");
                if (m->v[i].gateway.family != AF_UNSPEC)
                        set_ipv6(m->v[i].inside, "accept_ra", "0");
        }
        return 0;
}

static bool has_ipv6(const Member *m) {
        for (size_t i = 0; i < m->n; i++)
                if (m->v[i].address.ip.family == AF_INET6)
                        return true;
        return false;
}

static int apply_inside(const Run *run, Error *e) {
        int r = has_ipv6(run->member) ? netns_do(run->netns_fd, prepare_ipv6, run->member, e) : 0;
        _cleanup_fd_ int sock = r < 0 ? r
                                      : netns_socket(run->netns_fd, AF_NETLINK, SOCK_RAW,
                                                     NETLINK_ROUTE, e);

        if (r >= 0)
                r = MIN(sock, 0);
        for (size_t i = 0; i < run->member->n && r >= 0; i++)
                r = add_inside(sock, run->member->v + i, e);
        return r;
}

/* All addresses of the host are on one link, or nearly all: the first of them is looked after. That it cannot
 * be is no reason not to start. */
static void watch(Run *run) {
        const Member *m = run->member;
        int link = 0;

        for (size_t i = 0; i < m->n && link == 0; i++)
                if (m->v[i].host.ip.family != AF_UNSPEC)
                        link = (int) if_nametoindex(m->v[i].link);
        if (link <= 0)
                return;
        run->address_watch_fd = netlink_open();
        if (run->address_watch_fd >= 0 && route_watch(run->address_watch_fd, link) < 0)
                run->address_watch_fd = fd_close(run->address_watch_fd);
}

void network_address_restore(Run *run) {
        _cleanup_fd_ int sock = netlink_open();

        route_watch_drain(run->address_watch_fd);
        for (size_t i = 0; sock >= 0 && i < run->member->n; i++)
                (void) add_host_side(sock, run->member->v + i, NULL);
}

/* A verdict of ours would not hold against that of another chain. */
static int note_firewall(const char *chains, Buf *notes) {
        _cleanup_(buf_done) Buf who = {};
        int r = firewall_find(chains, &who);

        if (r > 0)
                r = buf_printf(
                        notes,
                        "the host's firewall may drop what the machine sends and is answered:"
                        " %s must let it pass\n",
                        who.p);
        return MIN(r, 0);
}

/* That a name is not known is no reason not to start. */
static void watch_names(Run *run) {
        run->name_watch_fd = netns_socket(run->netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, NULL);
        if (run->name_watch_fd >= 0 && reach_watch(run->name_watch_fd) < 0)
                run->name_watch_fd = fd_close(run->name_watch_fd);
}

/* What there is inside by now, as addresses of the record. */
static int collect_seen(const Run *run, Member *m) {
        static const int families[] = { AF_INET, AF_INET6 };
        _cleanup_fd_ int sock = netns_socket(run->netns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE,
                                             NULL);
        int r = MIN(sock, 0);

        m->n = 0;
        for (size_t i = 0; i < ELEMENTSOF(families) && r >= 0; i++) {
                Ip seen[SEEN_MAX];
                int n = reach_addresses(sock, families[i], seen, ELEMENTSOF(seen));
                r = MIN(n, 0);
                for (int j = 0; j < n && r >= 0; j++) {
                        MemberAddress a = { .address = { seen[j], ip_bits(families[i]) },
                                            .link = "-",
                                            .inside = "-" };
                        r = member_add(m, &a);
                }
        }
        return r;
}

int network_address_poll(const Run *run) {
        return run->name_watch_fd >= 0 && now_usec() >= run->name_rest_until ? run->name_watch_fd
                                                                             : -EBADF;
}

uint64_t network_address_wait(const Run *run) {
        if (run->name_watch_fd < 0)
                return UINT64_MAX;
        uint64_t now = now_usec();
        return run->name_rest_until > now ? run->name_rest_until - now : UINT64_MAX;
}

void network_address_see(Run *run) {
        _cleanup_(ledger_close) Ledger l = { .lock_fd = -EBADF, .sock = -EBADF };

        run->name_rest_until = now_usec() + REST_USEC;
        if (!reach_changed(run->name_watch_fd) || collect_seen(run, run->member) < 0 ||
            ledger_open(&l, NULL) < 0 || member_write(l.lock_fd, run->member, NULL) < 0)
                return;
        member_list_done(&l.members);
        if (member_read_all(l.lock_fd, &l.members, NULL) >= 0)
                hosts_refresh(l.lock_fd, &l.members, run->member->name, run->member->segment);
}

int network_address_apply(Run *run, Buf *notes, Error *e) {
        _cleanup_(ledger_close) Ledger l = { .lock_fd = -EBADF, .sock = -EBADF };
        _cleanup_free_ char *chains = NULL;
        Member *m = run->member;
        struct stat st;

        if (m->n == 0) {
                watch_names(run);
                return 0;
        }
        int r = ledger_open(&l, e);

        if (r >= 0)
                watch(run);
        for (size_t i = 0; i < m->n && r >= 0; i++)
                r = add_host_side(l.sock, m->v + i, e);
        if (r >= 0)
                r = apply_inside(run, e);
        if (r >= 0 && is_routed(m))
                r = settle(&l, &chains, e);
        if (r >= 0 && chains && note_firewall(chains, notes) < 0)
                r = error_oom(e);
        if (r < 0)
                return r;

        /* The builder has written the head of it. */
        _cleanup_fd_ int hosts = hosts_open(l.lock_fd, m->name, 0);
        Member *listed = member_list_find(&l.members, m->name);
        if (hosts < 0 || fstat(hosts, &st) < 0 || st.st_size == 0 || !listed)
                return 0;
        listed->hosts_head = m->hosts_head = (size_t) st.st_size;
        r = member_write(l.lock_fd, m, e);
        if (r >= 0)
                hosts_refresh(l.lock_fd, &l.members, m->name, m->segment);
        return r;
}

static void remove_by_name(const char *name) {
        _cleanup_(ledger_close) Ledger l = { .lock_fd = -EBADF, .sock = -EBADF };
        Member *m;

        if (ledger_open(&l, NULL) < 0)
                return;
        m = member_list_find(&l.members, name);
        if (m) {
                forget(&l, (size_t) (m - l.members.v));
                return;
        }
        (void) hosts_remove(l.lock_fd, name);
        (void) network_files_remove(name);
}

void network_address_revert(Run *run) {
        run->address_watch_fd = fd_close(run->address_watch_fd);
        run->name_watch_fd = fd_close(run->name_watch_fd);
        if (!run->member)
                return;
        remove_by_name(run->member->name);
        member_done(run->member);
        free(TAKE_PTR(run->member));
}

void network_address_remove(const char *path) {
        remove_by_name(path_last(path));
}
