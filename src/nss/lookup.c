/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking up machines, see lookup.h. The system's machine manager answers everybody on the socket that it has
 * for the resolver; one that has none, as a user's own or an older one, is asked for the machine itself. */
#include "nss/lookup.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "net/netlink.h"
#include "nss/ask.h"
#include "nss/instance.h"
#include "nss/reach.h"

/* A machine manager answers in milliseconds; one that does not is no reason to keep a program waiting. */
#define LOOKUP_USEC 3000000U

#define ADDRESSES_OF_LISTED                                                                        \
        "{\"method\":\"io.systemd.Machine.List\",\"parameters\":{\"name\":\"%s\","                 \
        "\"acquireMetadata\":\"graceful\"}}"
#define ADDRESSES_OF_RECORDS                                                                       \
        "{\"method\":\"io.systemd.Resolve.Hook.ResolveRecord\",\"parameters\":{\"question\":["     \
        "{\"key\":{\"class\":1,\"type\":1,\"name\":\"%1$s\"}},"                                    \
        "{\"key\":{\"class\":1,\"type\":28,\"name\":\"%1$s\"}}]}}"

/* One way of asking. Return: as of answer_list(); -errno of ask(). */
static int ask_one(const Instance *i, const char *name, bool is_record, uint64_t deadline,
                   HostAddresses *ret) {
        _cleanup_free_ char *message = NULL, *reply = NULL, *path = NULL;
        int r;

        path = instance_path(i, is_record ? "resolve.hook" : "machine", "io.systemd.Machine");
        message = is_record ? str_format(ADDRESSES_OF_RECORDS, name)
                            : str_format(ADDRESSES_OF_LISTED, name);
        if (!path || !message)
                return -ENOMEM;
        r = ask(path, i->is_user ? geteuid() : UID_INVALID, message, deadline, &reply);
        if (r < 0)
                return r;
        return is_record ? answer_record(reply, name, ret) : answer_list(reply, name, ret);
}

/* Those that are good everywhere first. An address of one link is of use with the link alone. */
static void arrange(HostAddresses *all, const InstanceMachine *m) {
        uint32_t link = m->n_links == 1 ? m->links[0] : 0;
        HostAddresses sorted = {};

        for (size_t i = 0; i < all->n; i++)
                if (!ip_is_link_local(&all->v[i].ip))
                        sorted.v[sorted.n++] = all->v[i];
        for (size_t i = 0; i < all->n; i++) {
                HostAddress *a = all->v + i;

                if (!ip_is_link_local(&a->ip) || (a->ip.family == AF_INET6 && link == 0))
                        continue;
                a->scope = a->ip.family == AF_INET6 ? link : 0;
                sorted.v[sorted.n++] = *a;
        }
        *all = sorted;
}

/* The addresses of a machine that is there. */
static int addresses_of(const Instance *i, const char *name, const InstanceMachine *m,
                        uint64_t deadline, HostAddresses *ret) {
        HostAddresses all = {};
        int r = i->is_user ? -ENOENT : ask_one(i, name, true, deadline, &all);

        /* What the resolver is told of are root's machines alone; the caller's own are told to the caller. */
        if (r != 0 && r != -ETIMEDOUT && r != -EDEADLK) {
                int k = ask_one(i, name, false, deadline, &all);

                if (k >= 0 || r < 0)
                        r = k;
        }
        /* The machine, or who knows of it, is gone by now; or nobody tells us. */
        if (r == ANSWER_NONE || r == -EPROTO)
                return LOOKUP_NO_DATA;
        if (r < 0)
                return r;
        arrange(&all, m);
        if (all.n == 0)
                return LOOKUP_NO_DATA;
        *ret = all;
        return 0;
}

int lookup_name(const char *name, HostAddresses *ret) {
        uint64_t deadline = now_usec() + LOOKUP_USEC;
        int result = LOOKUP_NONE;
        Instance instance;

        for (unsigned i = 0; instance_get(i, &instance); i++) {
                InstanceMachine m;
                int r = instance_machine(&instance, name, &m);

                if (r > 0) {
                        r = addresses_of(&instance, name, &m, deadline, ret);
                        if (r == 0)
                                return 0;
                }
                if (r != 0 && result == LOOKUP_NONE)
                        result = r;
        }
        return result;
}

/* Whether a machine is at a link of the host's. */
static int is_at_link(int sock, const InstanceMachine *m, uint32_t link) {
        for (size_t i = 0; i < m->n_links; i++) {
                int r = reach_is_at(sock, m->links[i], link);

                if (r != 0)
                        return r;
        }
        return 0;
}

/* Return: 0 and a name; LOOKUP_NONE; -ETIMEDOUT. A machine that cannot be asked has not the address. */
static int search(const Instance *i, int sock, const Ip *ip, uint32_t link, uint64_t deadline,
                  char ret[static HOST_NAME_LENGTH_MAX + 1]) {
        _cleanup_free_ char *path = str_format("%s/machines", i->directory);
        _cleanup_dir_ DIR *machines = path ? opendir(path) : NULL;
        const struct dirent *d;

        while (machines && (d = readdir(machines))) {
                InstanceMachine m;
                HostAddresses all;

                if (instance_machine(i, d->d_name, &m) <= 0 || is_at_link(sock, &m, link) <= 0)
                        continue;
                int r = addresses_of(i, d->d_name, &m, deadline, &all);
                if (r == -ETIMEDOUT)
                        return r;
                for (size_t k = 0; r == 0 && k < all.n; k++)
                        if (ip_equal(&all.v[k].ip, ip)) {
                                (void) snprintf(ret, HOST_NAME_LENGTH_MAX + 1, "%.64s", d->d_name);
                                return 0;
                        }
        }
        return LOOKUP_NONE;
}

int lookup_address(const Ip *ip, char ret[static HOST_NAME_LENGTH_MAX + 1]) {
        uint64_t deadline = now_usec() + LOOKUP_USEC;
        _cleanup_fd_ int sock = -EBADF;
        Instance instance;
        uint32_t link;

        /* The latter is another one's on each link. */
        if (!ip_is_host(ip) || (ip->family == AF_INET6 && ip_is_link_local(ip)))
                return LOOKUP_NONE;
        sock = netlink_open();
        if (sock < 0)
                return sock;
        int r = reach_link(sock, ip, &link);
        if (r <= 0)
                return r < 0 ? r : LOOKUP_NONE;
        for (unsigned i = 0; instance_get(i, &instance); i++) {
                r = search(&instance, sock, ip, link, deadline, ret);
                if (r != LOOKUP_NONE)
                        return r;
        }
        return LOOKUP_NONE;
}
