/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a confined unpacker can no longer do, tried out. Needs root; without it the reduced confinement
 * is tried, where the kernel has Landlock. */
#include "check.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "importer/confine.h"

typedef struct Place {
        char *base;
        int base_fd, target_fd;
} Place;

static int make_place(void **state) {
        Place *p = calloc(1, sizeof *p);
        char name[] = "/tmp/test-confine-XXXXXX";

        if (!p || !mkdtemp(name))
                return -1;
        p->base = strdup(name);
        p->base_fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (mkdirat(p->base_fd, "target", 0700) < 0 || mkdirat(p->base_fd, "outside", 0700) < 0 ||
            file_write(p->base_fd, "outside/file", "x", O_CREAT, 0600) < 0)
                return -1;
        p->target_fd = openat(p->base_fd, "target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        *state = p;
        return 0;
}

static int remove_place(void **state) {
        Place *p = *state;

        (void) close(p->target_fd);
        (void) close(p->base_fd);
        (void) path_remove_tree(AT_FDCWD, p->base);
        free(p->base);
        free(p);
        return 0;
}

/* All of these return 0 or more if they could do it. What is outside they name by path. */

static const char *outside(const Place *p, const char *name) {
        static char path[200];

        (void) snprintf(path, sizeof path, "%s/outside/%s", p->base, name);
        return path;
}

static int try_create(const Place *p, int fd) {
        return open(outside(p, "new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int try_write(const Place *p, int fd) {
        return open(outside(p, "file"), O_WRONLY | O_CLOEXEC);
}

static int try_read(const Place *p, int fd) {
        return open(outside(p, "file"), O_RDONLY | O_CLOEXEC);
}

static int try_list(const Place *p, int fd) {
        return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int try_mode(const Place *p, int fd) {
        return chmod(outside(p, "file"), 0777);
}

static int try_owner(const Place *p, int fd) {
        return chown(outside(p, "file"), 1, 1);
}

static int try_remove(const Place *p, int fd) {
        return unlink(outside(p, "file"));
}

static int try_up(const Place *p, int fd) {
        return openat(fd, "../outside/file", O_RDONLY | O_CLOEXEC);
}

static int try_mode_up(const Place *p, int fd) {
        return fchmodat(fd, "../outside/file", 0777, 0);
}

static int try_link_in(const Place *p, int fd) {
        return linkat(AT_FDCWD, outside(p, "file"), fd, "stolen", 0);
}

static int try_mount(const Place *p, int fd) {
        return mount("x", p->base, "tmpfs", 0, NULL);
}

static int try_device(const Place *p, int fd) {
        return mknod(outside(p, "null"), S_IFCHR | 0666, 0x103);
}

static int try_execute(const Place *p, int fd) {
        return access("/bin/true", F_OK) < 0 ? -1 : execl("/bin/true", "true", NULL);
}

/* And these have to go on working. */

static int try_unpack(const Place *p, int fd) {
        _cleanup_fd_ int file = openat(fd, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (file < 0 || write(file, "x", 1) != 1 || fchmod(file, 0644) < 0 ||
            mkdirat(fd, "d", 0700) < 0 || linkat(fd, "new", fd, "d/link", 0) < 0 ||
            symlinkat("x", fd, "s") < 0 || unlinkat(fd, "s", 0) < 0)
                return -1;
        return geteuid() == 0 ? fchown(file, 1000, 1000) : 0;
}

static int try_node(const Place *p, int fd) {
        return geteuid() == 0 ? mknodat(fd, "null", S_IFCHR | 0666, 0x103) : 0;
}

static int try_list_target(const Place *p, int fd) {
        return openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const struct {
        const char *name;
        int (*try)(const Place *p, int fd);
        bool allowed;
        bool by_landlock; /* alone: without it, reading is not kept from */
} attempts[] = {
        { "unpack", try_unpack, true, false },
        { "list the target", try_list_target, true, false },
        { "make a node", try_node, true, false },
        { "create", try_create, false, false },
        { "write", try_write, false, false },
        { "change a mode", try_mode, false, false },
        { "change an owner", try_owner, false, false },
        { "remove", try_remove, false, false },
        { "make a device", try_device, false, false },
        { "mount", try_mount, false, false },
        { "link in", try_link_in, false, false },
        { "read", try_read, false, true },
        { "list", try_list, false, true },
        { "go up", try_up, false, false },
        { "change a mode above", try_mode_up, false, false },
        { "execute", try_execute, false, true },
};

/* Exit statuses of the child. */
enum { COULD, COULD_NOT, NOT_CONFINED };

_noreturn_ static void run_attempt(const Place *p, size_t i) {
        _cleanup_fd_ int fd = -EBADF;
        Error e = {};

        (void) umask(0);
        if (confine_unpacker(p->target_fd, &fd, &e) < 0) {
                print_error("%s\n", e.text);
                _exit(NOT_CONFINED);
        }
        _exit(attempts[i].try(p, fd) >= 0 ? COULD : COULD_NOT);
}

static bool has_landlock(void) {
        return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 2;
}

static void confined(void **state) {
        const Place *p = *state;

        if (geteuid() != 0 && !has_landlock())
                skip();
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
                int status;
                pid_t pid;

                if (attempts[i].by_landlock && !has_landlock())
                        continue;
                /* Landlock does not look at modes; as root, the mounts do. */
                if (geteuid() != 0 &&
                    (attempts[i].try == try_mode || attempts[i].try == try_mode_up))
                        continue;
                pid = fork();
                if (pid == 0)
                        run_attempt(p, i);
                assert_true(pid > 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFEXITED(status));
                CHECK_EQ(WEXITSTATUS(status), attempts[i].allowed ? COULD : COULD_NOT, "%s",
                         attempts[i].name);
        }
}

/* In name spaces of its own, with nothing but a loopback that is down. */
static void no_network(void **state) {
        const Place *p = *state;
        int status;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        pid = fork();
        if (pid == 0) {
                _cleanup_fd_ int fd = -EBADF;
                struct if_nameindex *list;
                unsigned n = 0;

                if (confine_unpacker(p->target_fd, &fd, NULL) < 0)
                        _exit(NOT_CONFINED);
                list = if_nameindex();
                while (list && list[n].if_index)
                        n++;
                _exit(n <= 1 ? COULD_NOT : COULD);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), COULD_NOT, "interfaces");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(confined, make_place, remove_place),
                cmocka_unit_test_setup_teardown(no_network, make_place, remove_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
