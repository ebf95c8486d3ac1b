/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Readiness of containers, see ready.h. Of what the payload says nothing is passed on but that it is ready. */
#include "spawn/oci/ready.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/notify.h"

#define FOLDER "notify"
#define SOCKET "notify.sock"
#define INSIDE "/run/notify"

bool ready_is_wanted(void) {
        const char *where = getenv("NOTIFY_SOCKET");

        return where && *where;
}

static int add_mount(OciConfig *config, char *source) {
        static const char *const options[] = { "bind", "nosuid", "noexec", "nodev", "ro" };
        OciMount *v = reallocarray(config->mounts.v, config->mounts.n + 1, sizeof *v);

        if (!v || !source) {
                free(source);
                if (v)
                        config->mounts.v = v;
                return -ENOMEM;
        }
        config->mounts.v = v;
        OciMount *m = v + config->mounts.n++;
        *m = (OciMount){ .source = source, .destination = strdup(INSIDE), .type = strdup("bind") };
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (strv_append(&m->options, options[i]) < 0)
                        return -ENOMEM;
        return m->destination && m->type ? 0 : -ENOMEM;
}

int ready_prepare(Container *c, const char *root, OciConfig *config, Error *e) {
        if (!ready_is_wanted() || !config->process)
                return 0;
        if (mkdirat(c->dir_fd, FOLDER, 0755) < 0 || fchmodat(c->dir_fd, FOLDER, 0755, 0) < 0)
                return error_set(e, errno, "cannot make a folder for $NOTIFY_SOCKET: %m");
        if (add_mount(config, str_format("%s/%s/" FOLDER, root, c->id)) < 0 ||
            strv_env_set(&config->process->env, "NOTIFY_SOCKET=" INSIDE "/" SOCKET) < 0)
                return error_oom(e);
        return 0;
}

int ready_listen(const Container *c, Error *e) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int folder = openat(c->dir_fd, FOLDER,
                                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_fd_ int fd = -EBADF;

        if (folder < 0)
                return errno == ENOENT
                               ? -ENOENT
                               : error_set(e, errno, "cannot open the folder of a socket: %m");
        (void) snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/" SOCKET,
                        folder);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) < 0 ||
            fchmodat(folder, SOCKET, 0777, 0) < 0)
                return error_set(e, errno, "cannot make a socket for readiness: %m");
        return TAKE_FD(fd);
}

static bool says_ready(int fd) {
        char text[4096];
        ssize_t n = recv(fd, text, sizeof text - 1, 0);
        char *save = NULL;

        if (n <= 0)
                return false;
        text[n] = '\0';
        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
                if (streq(l, "READY=1"))
                        return true;
        return false;
}

int ready_wait(const Container *c, int fd, Error *e) {
        for (;;) {
                struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
                                        { .fd = c->pidfd, .events = POLLIN } };

                if (poll(fds, ELEMENTSOF(fds), -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return error_set(e, errno, "cannot wait for the container: %m");
                }
                if (fds[0].revents && says_ready(fd)) {
                        int r = notify_manager("READY=1");
                        return r < 0 ? error_set(e, r, "cannot tell that it is ready: %m") : 0;
                }
                if (fds[1].revents)
                        return 0;
        }
}

void ready_remove(const Container *c) {
        (void) path_remove_tree(c->dir_fd, FOLDER);
}
