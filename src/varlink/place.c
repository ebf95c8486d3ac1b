/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets of varlink services, see place.h. What comes in over them is the server's. */
#include "varlink/place.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/home.h"

static int make_address(const char *path, struct sockaddr_un *ret) {
        size_t n = strlen(path) + 1;

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (n > sizeof ret->sun_path)
                return -ENAMETOOLONG;
        memcpy(ret->sun_path, path, n);
        return 0;
}

static bool somebody_listens(const struct sockaddr_un *address) {
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        return fd >= 0 && (connect(fd, (const struct sockaddr *) address, sizeof *address) >= 0 ||
                           errno == EAGAIN);
}

static bool path_is_served(const char *path) {
        struct sockaddr_un address;

        return make_address(path, &address) >= 0 && somebody_listens(&address);
}

static int make_parent(const char *path) {
        _cleanup_free_ char *parent = strdup(path);
        char *slash = parent ? strrchr(parent, '/') : NULL;

        if (!slash)
                return -ENOMEM;
        *slash = '\0';
        /* All but the last exist, or are made the same way. */
        if (mkdir(parent, 0755) >= 0 || errno == EEXIST)
                return 0;
        if (errno != ENOENT)
                return -errno;
        int r = make_parent(parent);
        return r < 0 ? r : mkdir(parent, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static void make_link(const char *below, const char *target) {
        _cleanup_free_ char *path = home_run("%s", below);

        if (!path || make_parent(path) < 0)
                return;
        (void) unlink(path);
        (void) symlink(target, path);
}

/* Return: a listening socket; -errno. */
static int make_socket(const VarlinkPlace *place, const char *path) {
        struct sockaddr_un address;
        int r = make_address(path, &address);

        if (r >= 0)
                r = make_parent(path);
        if (r < 0)
                return r;
        if (somebody_listens(&address))
                return -EADDRINUSE;
        (void) unlink(path);

        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 ||
            chmod(path, home_is_user() ? 0600 : 0666) < 0 || listen(fd, 128) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(place->links) && place->links[i]; i++)
                make_link(place->links[i], path);
        return TAKE_FD(fd);
}

/* Return: the first socket of that path from @fd on among those that systemd gave us; -ENOENT. */
static int given_socket(const char *path, int fd, int n_given) {
        for (; fd < SD_LISTEN_FDS_START + n_given; fd++)
                if (sd_is_socket_unix(fd, SOCK_STREAM, 1, path, 0) > 0)
                        return fd;
        return -ENOENT;
}

int varlink_place_listen(const VarlinkPlace *place, int n_given, bool *ret_is_ours, Error *e) {
        _cleanup_free_ char *path = home_run("%s", place->path);

        *ret_is_ours = false;
        if (!path)
                return error_oom(e);
        int fd = given_socket(path, SD_LISTEN_FDS_START, n_given);
        /* Another daemon that was here in between has put its own in the place of them. */
        if (fd >= 0 && !path_is_served(path))
                for (; fd >= 0; fd = given_socket(path, SD_LISTEN_FDS_START, n_given))
                        fd_close(fd);
        if (fd < 0) {
                fd = make_socket(place, path);
                *ret_is_ours = fd >= 0;
        }
        return fd < 0 ? error_set(e, fd, "cannot listen on %s: %m", path) : fd;
}

int varlink_place_next(const VarlinkPlace *place, int n_given, int fd) {
        _cleanup_free_ char *path = home_run("%s", place->path);

        return path ? given_socket(path, fd + 1, n_given) : -ENOMEM;
}

static void remove_below(const char *below) {
        _cleanup_free_ char *path = home_run("%s", below);

        if (path)
                (void) unlink(path);
}

void varlink_place_remove(const VarlinkPlace *place) {
        remove_below(place->path);
        for (size_t i = 0; i < ELEMENTSOF(place->links) && place->links[i]; i++)
                remove_below(place->links[i]);
}
