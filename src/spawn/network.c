/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Links between a machine and its host, see network.h. Addresses, routes and address translation are
 * left to the host's and the machine's network managers.
 *
 * The alias of the host's end names the process that made it ("skep PID START"), so that a later start
 * can tell a leftover from the link of a machine that runs. */
#include "spawn/network.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/siphash.h"
#include "spawn/netlink.h"

#define INSIDE_NAME "host0"
#define ALIAS_MAX   64
#define TRIES_MAX   50 /* of 10 ms: the kernel removes links of a dead machine in its own time */

static const uint8_t key_name[16] = "skep ifname 001", key_host[16] = "skep mac host 1",
                     key_inside[16] = "skep mac inside";

static void mac_of(const uint8_t key[static 16], const char *machine, const Id128 *id,
                   uint8_t ret[static 6]) {
        char text[sizeof *id + NETWORK_NAME_MAX];
        size_t n = strnlen(machine, NETWORK_NAME_MAX);

        memcpy(text, id, sizeof *id);
        memcpy(text + sizeof *id, machine, n);
        uint64_t h = siphash24(text, sizeof *id + n, key);
        for (size_t i = 0; i < 6; i++)
                ret[i] = (uint8_t) (h >> (8 * i));
        ret[0] = (uint8_t) ((ret[0] & 0xfe) | 0x02); /* one station, locally administered */
}

void network_veth_plan(const char *machine, const Id128 *id, NetworkVeth *ret) {
        static const char
                digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        const size_t kept = IFNAMSIZ - 1 - 4;
        NetworkVeth v = {};

        (void) snprintf(v.full_name, sizeof v.full_name, "ve-%s", machine);
        size_t n = strlen(v.full_name);
        if (n < IFNAMSIZ)
                memcpy(v.name, v.full_name, n + 1);
        else {
                uint64_t h = siphash24(v.full_name, n, key_name);
                memcpy(v.name, v.full_name, kept);
                for (size_t i = 0; i < 4; i++)
                        v.name[kept + i] = digits[h >> (6 * i) & 63];
        }
        mac_of(key_host, machine, id, v.host_mac);
        mac_of(key_inside, machine, id, v.inside_mac);
        *ret = v;
}

/* Null if the host has none. */
static Id128 host_id(void) {
        _cleanup_free_ char *line = NULL;
        Id128 id = {};

        if (file_read_line(AT_FDCWD, "/etc/machine-id", &line) < 0 || id128_parse(line, &id) < 0)
                return (Id128){};
        return id;
}

/* Start time of a process in clock ticks: with the PID, what no other process had since boot. */
static int start_time(pid_t pid, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int r = file_read(AT_FDCWD, path, 64 * 1024, &text, NULL);
        if (r < 0)
                return r;

        /* The command, in parentheses, may hold anything; field 22 counts from after its end. */
        char *p = strrchr(text, ')');
        for (int field = 2; p && field < 22; field++)
                p = strchr(p + 1, ' ');
        if (!p)
                return -EBADMSG;
        p++;
        p[strcspn(p, " ")] = '\0';
        return parse_u64(p, 0, UINT64_MAX, ret);
}

static int make_alias(char alias[static ALIAS_MAX]) {
        uint64_t start;
        int r = start_time(getpid(), &start);

        if (r >= 0)
                (void) snprintf(alias, ALIAS_MAX, "skep %d %llu", getpid(),
                                (unsigned long long) start);
        return r;
}

/* Whether the maker of a link is known and dead. */
static bool alias_is_stale(const char *alias) {
        _cleanup_strv_ char **words = NULL;
        uint64_t start, now;
        pid_t pid;

        if (str_split(alias, " ", &words) < 0 || strv_length(words) != 3 ||
            !streq(words[0], "skep") || parse_pid(words[1], &pid) < 0 ||
            parse_u64(words[2], 0, UINT64_MAX, &start) < 0)
                return false;
        return start_time(pid, &now) < 0 || now != start;
}

/* Removes a link, and its other end with it; one that is gone already is no failure. */
static int remove_link(int index, Error *e) {
        _cleanup_fd_ int sock = netlink_open();
        NetlinkRequest q;

        if (sock < 0)
                return error_set(e, sock, "cannot open a netlink socket: %m");
        netlink_request_init(&q, RTM_DELLINK, 0, index);
        int r = netlink_call(sock, &q, e);
        if (r < 0 && r != -ENODEV)
                return error_wrap(e, r, "cannot remove network interface %d", index);
        return 0;
}

/* A link of that name is in the way: removes it if its maker is dead. Return: 0 = try again. */
static int clear_leftover(int sock, const NetworkVeth *v, Error *e) {
        union {
                struct nlmsghdr header;
                char bytes[32 * 1024];
        } answer;
        NetlinkRequest q;

        netlink_request_init(&q, RTM_GETLINK, 0, 0);
        netlink_put_string(&q, IFLA_IFNAME, v->name);
        int r = netlink_get_link(sock, &q, &answer, sizeof answer);
        if (r == -ENODEV)
                return 0;
        if (r < 0)
                return error_set(e, r, "cannot look at network interface '%s': %m", v->name);

        /* Without an alias but with the address that nobody else derives: its maker died before it could
         * sign. That it is not at it now, the lock on the machine's name says. */
        const struct rtattr *alias = netlink_find(&answer, IFLA_IFALIAS);
        const struct rtattr *mac = netlink_find(&answer, IFLA_ADDRESS);
        bool is_unsigned = !alias && mac && RTA_PAYLOAD(mac) == sizeof v->host_mac &&
                           memcmp(RTA_DATA(mac), v->host_mac, sizeof v->host_mac) == 0;
        if (!alias && !is_unsigned)
                return error_set(e, EEXIST, "network interface '%s' exists already and is not ours",
                                 v->name);
        if (alias && !alias_is_stale(RTA_DATA(alias)))
                return error_set(e, EEXIST,
                                 "network interface '%s' exists already and is in use (%s)",
                                 v->name, (const char *) RTA_DATA(alias));
        return remove_link(((struct ifinfomsg *) NLMSG_DATA(&answer.header))->ifi_index, e);
}

static int send_create(int sock, const NetworkVeth *v, int netns_fd, const char *alias, Error *e) {
        const uint32_t fd = (uint32_t) netns_fd;
        NetlinkRequest q;

        netlink_request_init(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, 0);
        netlink_link(&q)->ifi_flags = netlink_link(&q)->ifi_change = IFF_UP;
        netlink_put_string(&q, IFLA_IFNAME, v->name);
        netlink_put_string(&q, IFLA_IFALIAS, alias);
        netlink_put(&q, IFLA_ADDRESS, v->host_mac, sizeof v->host_mac);

        size_t info = netlink_nest(&q, IFLA_LINKINFO);
        netlink_put_string(&q, IFLA_INFO_KIND, "veth");
        size_t data = netlink_nest(&q, IFLA_INFO_DATA);
        size_t peer = netlink_nest(&q, VETH_INFO_PEER);
        netlink_put_zero(&q, sizeof(struct ifinfomsg));
        netlink_put_string(&q, IFLA_IFNAME, INSIDE_NAME);
        netlink_put(&q, IFLA_ADDRESS, v->inside_mac, sizeof v->inside_mac);
        netlink_put(&q, IFLA_NET_NS_FD, &fd, sizeof fd);
        netlink_unnest(&q, peer);
        netlink_unnest(&q, data);
        netlink_unnest(&q, info);
        return netlink_call(sock, &q, e);
}

/* Not all versions of the kernel take an alias while they make a link, so it is set once more. */
static int finish_link(int sock, const NetworkVeth *v, int index, const char *alias, Error *e) {
        NetlinkRequest q;

        netlink_request_init(&q, RTM_SETLINK, 0, index);
        netlink_put_string(&q, IFLA_IFALIAS, alias);
        netlink_link(&q)->ifi_flags = netlink_link(&q)->ifi_change = IFF_UP;
        int r = netlink_call(sock, &q, e);
        if (r < 0)
                return r;
        if (streq(v->name, v->full_name))
                return 0;

        netlink_request_init(&q, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, index);
        size_t list = netlink_nest(&q, IFLA_PROP_LIST | NLA_F_NESTED);
        netlink_put_string(&q, IFLA_ALT_IFNAME, v->full_name);
        netlink_unnest(&q, list);
        return netlink_call(sock, &q, e);
}

static int create_veth(const NetworkVeth *v, int netns_fd, int *ret_index, Error *e) {
        _cleanup_fd_ int sock = netlink_open();
        char alias[ALIAS_MAX];
        int r, index;

        if (sock < 0)
                return error_set(e, sock, "cannot open a netlink socket: %m");
        r = make_alias(alias);
        if (r < 0)
                return error_set(e, r, "cannot read our own start time: %m");

        for (unsigned i = 0;; i++) {
                r = send_create(sock, v, netns_fd, alias, e);
                if (r != -EEXIST || i == TRIES_MAX)
                        break;
                r = clear_leftover(sock, v, e);
                if (r < 0)
                        return r;
                if (i > 0)
                        (void) usleep(10 * 1000);
        }
        if (r < 0)
                return error_wrap(e, r, "cannot create network interface '%s'", v->name);

        index = (int) if_nametoindex(v->name);
        if (index == 0)
                return error_set(e, errno, "cannot find network interface '%s': %m", v->name);
        r = finish_link(sock, v, index, alias, e);
        if (r < 0) {
                (void) remove_link(index, NULL);
                return error_wrap(e, r, "cannot set up network interface '%s'", v->name);
        }
        *ret_index = index;
        return 0;
}

int network_apply(const Spec *spec, Run *run, Error *e) {
        const Id128 id = host_id();
        NetworkVeth v;
        int index = 0;

        network_veth_plan(spec->machine, &id, &v);
        int *indices = reallocarray(run->network_indices, run->n_network + 1, sizeof *indices);
        if (!indices)
                return error_oom(e);
        run->network_indices = indices;
        if (strv_append(&run->network_names, v.name) < 0)
                return error_oom(e);

        int r = create_veth(&v, run->netns_fd, &index, e);
        if (r < 0) {
                network_revert(spec, run);
                return r;
        }
        run->network_indices[run->n_network++] = index;
        return 0;
}

void network_revert(const Spec *spec, Run *run) {
        for (size_t i = 0; i < run->n_network; i++)
                (void) remove_link(run->network_indices[i], NULL);
        run->n_network = 0;
        free(TAKE_PTR(run->network_indices));
        run->network_names = strv_free(run->network_names);
}

static int format_mac(const uint8_t mac[static 6], Buf *out) {
        for (size_t i = 0; i < 6; i++)
                if (buf_printf(out, "%s%02x", i > 0 ? ":" : " ", mac[i]) < 0)
                        return -ENOMEM;
        return 0;
}

int network_format(const Spec *spec, Buf *out) {
        const Id128 id = host_id();
        NetworkVeth v;

        if (!spec->veth)
                return 0;
        network_veth_plan(spec->machine, &id, &v);
        if (buf_printf(out, "  veth %s", v.name) < 0 || format_mac(v.host_mac, out) < 0 ||
            (!streq(v.name, v.full_name) && buf_printf(out, " altname %s", v.full_name) < 0) ||
            buf_printf(out, " peer %s", INSIDE_NAME) < 0 || format_mac(v.inside_mac, out) < 0)
                return -ENOMEM;
        return buf_puts(out, "\n");
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
