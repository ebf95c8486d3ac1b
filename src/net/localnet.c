/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making loopback addresses reach further, see localnet.h.
 *
 * IPv4 has a switch for it. IPv6 has none, but there the one obstacle is that an answer, once it is translated
 * back to ::1, has to find a local route over the interface that it came in by; so it is given one. It counts
 * less than the real one, and packets that bear ::1 on the wire are dropped by the kernel before anything
 * looks at routes. */
#include "net/localnet.h"

#include <fcntl.h>
#include <limits.h>
#include <net/if.h>

#include "base/fd.h"

#define METRIC 2048

static const uint8_t loopback6[16] = { [15] = 1 };

static int set_switch(const char *link, bool on, bool *ret, Error *e) {
        _cleanup_free_ char *now = NULL;
        char path[PATH_MAX];

        (void) snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/route_localnet", link);
        int r = file_read_line(AT_FDCWD, path, &now);
        if (r >= 0 && streq(now, on ? "1" : "0"))
                return 0;
        if (r >= 0)
                r = file_write(AT_FDCWD, path, on ? "1" : "0", 0, 0);
        if (r >= 0)
                *ret = true;
        return r < 0 ? error_set(e, r, "cannot write '%s': %m", path) : 0;
}

static int change_route(int sock, uint16_t type, uint16_t flags, int index, Error *e) {
        const struct rtmsg header = { .rtm_family = AF_INET6,
                                      .rtm_dst_len = 128,
                                      .rtm_table = RT_TABLE_LOCAL,
                                      .rtm_protocol = RTPROT_STATIC,
                                      .rtm_scope = RT_SCOPE_UNIVERSE,
                                      .rtm_type = RTN_LOCAL };
        NetlinkRequest q;

        netlink_request_init(&q, type, flags, &header, sizeof header);
        netlink_put(&q, RTA_DST, loopback6, sizeof loopback6);
        netlink_put_u32(&q, RTA_OIF, (uint32_t) index);
        netlink_put_u32(&q, RTA_PRIORITY, METRIC);
        return netlink_call(sock, &q, e);
}

int localnet_open(int sock, const char *link, int index, bool *ret, Error *e) {
        bool changed = false;
        int r = set_switch(link, true, &changed, e);

        if (r < 0)
                return r;
        r = change_route(sock, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, index, e);
        changed = changed || r >= 0;
        /* It is there, or there is no IPv6. */
        if (r < 0 && r != -EEXIST && r != -EAFNOSUPPORT && r != -EOPNOTSUPP && r != -EACCES)
                return error_wrap(e, r, "cannot give '%s' a route for ::1", link);
        *ret = changed;
        return 0;
}

void localnet_close(int sock, const char *link) {
        int index = (int) if_nametoindex(link);
        bool changed;

        if (index == 0)
                return;
        (void) set_switch(link, false, &changed, NULL);
        (void) change_route(sock, RTM_DELROUTE, 0, index, NULL);
}
