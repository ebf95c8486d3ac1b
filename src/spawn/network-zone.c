/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bridges of zones, see network-zone.h. Which of them are ours, their alias says: one that somebody else made for
 * machines to join is not ours to remove. */
#include "spawn/network-zone.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "net/maker.h"
#include "spawn/network-plan.h"

#define LOCK_DIR   "/run/systemd"
#define LOCK_PATH  LOCK_DIR "/nspawn-network-zone"
#define LOCK_TRIES 1000 /* of 10 ms */
#define ALIAS      "skep zone"

/* Return: the lock; -EAGAIN somebody else has it, or has just removed it; -errno. */
static int try_lock(void) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        _cleanup_fd_ int fd = open(LOCK_PATH, O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
                                   0600);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
                return errno == EACCES ? -EAGAIN : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        return st.st_nlink == 0 ? -EAGAIN : TAKE_FD(fd);
}

int zone_lock(Error *e) {
        int r = try_lock();

        if (r == -ENOENT) {
                r = path_mkdirs(LOCK_DIR, 0755);
                if (r >= 0)
                        r = try_lock();
        }
        for (unsigned i = 0; r == -EAGAIN && i < LOCK_TRIES; i++) {
                (void) usleep(10 * 1000);
                r = try_lock();
        }
        if (r == -EAGAIN)
                return error_set(e, ETIMEDOUT, "somebody else keeps '%s' locked", LOCK_PATH);
        return r < 0 ? error_set(e, r, "cannot lock '%s': %m", LOCK_PATH) : r;
}

void zone_unlock(int lock_fd) {
        if (lock_fd < 0)
                return;
        (void) unlink(LOCK_PATH);
        (void) close(lock_fd);
}

static bool is_ours(const Link *l, const uint8_t mac[static LINK_MAC_SIZE]) {
        return streq(l->kind, "bridge") &&
               (streq(l->alias, ALIAS) ||
                (!*l->alias && l->has_mac && memcmp(l->mac, mac, sizeof l->mac) == 0));
}

static int find_or_make(int sock, const char *bridge, const uint8_t mac[static LINK_MAC_SIZE],
                        Link *ret, Error *e) {
        const LinkRequest request = {
                .kind = "bridge",
                .end = { .name = bridge, .mac = mac, .netns_fd = -EBADF },
                .peer = { .netns_fd = -EBADF },
                .alias = ALIAS,
        };
        int r = link_find(sock, bridge, ret);

        if (r == -ENODEV) {
                r = link_create(sock, &request, e);
                if (r < 0)
                        return error_wrap(e, r, "cannot create bridge '%s'", bridge);
                r = link_find(sock, bridge, ret);
                /* Not all versions of the kernel take an alias while they make a link. */
                if (r >= 0 && !*ret->alias) {
                        r = link_set(sock, ret->index, NULL, ALIAS, false, e);
                        if (r < 0)
                                return error_wrap(e, r, "cannot set up bridge '%s'", bridge);
                }
        }
        if (r < 0)
                return error_set(e, r, "cannot look at bridge '%s': %m", bridge);
        if (!streq(ret->kind, "bridge"))
                return error_set(e, EEXIST, "network interface '%s' exists and is no bridge",
                                 bridge);
        return 0;
}

int zone_join(int sock, const char *bridge, const uint8_t mac[static LINK_MAC_SIZE], int port,
              Error *e) {
        Link found;
        int r = find_or_make(sock, bridge, mac, &found, e);

        if (r < 0)
                return r;
        r = link_set_master(sock, port, found.index, e);
        if (r >= 0 && !(found.flags & IFF_UP) && is_ours(&found, mac))
                r = link_set(sock, found.index, NULL, NULL, true, e);
        return r < 0 ? error_wrap(e, r, "cannot join bridge '%s'", bridge) : 0;
}

static void remove_empty(int sock, const char *bridge, const uint8_t mac[static LINK_MAC_SIZE]) {
        _cleanup_free_ Link *ports = NULL;
        size_t n = 0, left = 0;
        Link found;

        if (link_find(sock, bridge, &found) < 0 || !is_ours(&found, mac) ||
            link_ports(sock, found.index, &ports, &n) < 0)
                return;
        for (size_t i = 0; i < n; i++)
                if (!maker_is_dead(ports[i].alias) || link_remove(sock, ports[i].index, NULL) < 0)
                        left++;
        if (left == 0)
                (void) link_remove(sock, found.index, NULL);
}

void zone_leave(const char *bridge, const uint8_t mac[static LINK_MAC_SIZE]) {
        _cleanup_fd_ int sock = netlink_open();
        int lock = sock < 0 ? sock : zone_lock(NULL);

        if (lock >= 0)
                remove_empty(sock, bridge, mac);
        zone_unlock(lock);
}

void zone_remove_noted(const char *value) {
        const char *name = value + 1;
        const Id128 id = network_host_id();
        uint8_t mac[LINK_MAC_SIZE];

        if (*value == '/' && link_name_is_valid(name, IFNAMSIZ) &&
            str_skip_prefix(name, ZONE_PREFIX)) {
                network_zone_mac(name, &id, mac);
                zone_leave(name, mac);
        }
}
