/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nodes of /dev and /run of a machine, as plan and as deed. Mounting is not done here. */
#include "spawn/node-plan.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "spawn/exchange.h"

#define BOOT_ID_FILE "host/proc-sys-kernel-random-boot-id"

static Node *add(NodePlan *p, const char *path, mode_t mode) {
        assert_se(p->n < NODE_PLAN_MAX && strlen(path) < sizeof p->nodes->path);
        Node *n = p->nodes + p->n++;
        *n = (Node){ .mode = mode };
        memcpy(n->path, path, strlen(path) + 1);
        return n;
}

static void add_text(NodePlan *p, const char *path, mode_t mode, const char *content) {
        Node *n = add(p, path, mode);

        assert_se(strlen(content) < sizeof n->content);
        memcpy(n->content, content, strlen(content) + 1);
}

/* @number: with a link that is named after the device's number */
static void add_device(NodePlan *p, const char *path, unsigned major, unsigned minor, bool number) {
        Node *n = add(p, path, S_IFCHR | 0666);
        char link[sizeof n->path], target[sizeof n->path + 4];

        n->major = major;
        n->minor = minor;
        if (!number)
                return;
        (void) snprintf(link, sizeof link, "char/%u:%u", major, minor);
        (void) snprintf(target, sizeof target, "../%s", path);
        add_text(p, link, S_IFLNK, target);
}

void node_plan_add_device(NodePlan *p, const char *path, unsigned major, unsigned minor) {
        add_device(p, path, major, minor, false);
}

void node_plan_add_link(NodePlan *p, const char *path, const char *target) {
        add_text(p, path, S_IFLNK, target);
}

void device_plan(const Spec *spec, const DeviceFacts *facts, NodePlan *ret) {
        static const struct {
                const char *path;
                unsigned major, minor;
        } devices[] = {
                { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
                { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
        };

        /* Links by number are what device managers make, and read. */
        bool numbers = spec->start == START_BOOT;

        ret->n = 0;
        add(ret, "pts", S_IFDIR | 0755);
        add(ret, "shm", S_IFDIR | 0755);
        add(ret, "mqueue", S_IFDIR | 0755);
        if (numbers)
                add(ret, "char", S_IFDIR | 0755);
        for (size_t i = 0; i < ELEMENTSOF(devices); i++)
                add_device(ret, devices[i].path, devices[i].major, devices[i].minor, numbers);
        if (facts->has_fuse)
                add_device(ret, "fuse", 10, 229, numbers);
        if (facts->has_tun) {
                add(ret, "net", S_IFDIR | 0755);
                add_device(ret, "net/tun", 10, 200, numbers);
        }
        add_text(ret, "ptmx", S_IFLNK, "pts/ptmx");
        add_text(ret, "fd", S_IFLNK, "/proc/self/fd");
        add_text(ret, "stdin", S_IFLNK, "/proc/self/fd/0");
        add_text(ret, "stdout", S_IFLNK, "/proc/self/fd/1");
        add_text(ret, "stderr", S_IFLNK, "/proc/self/fd/2");
        if (facts->has_kcore)
                add_text(ret, "core", S_IFLNK, "/proc/kcore");
        if (spec_has_terminal(spec))
                add_text(ret, "console", S_IFLNK, "pts/0");
}

/* What stands for a file that is hidden. A service manager inside hides files of all kinds. */
static void add_inaccessible(const Spec *spec, NodePlan *ret) {
        static const struct {
                const char *path;
                mode_t type;
        } others[] = {
                { "host/inaccessible/dir", S_IFDIR },   { "host/inaccessible/fifo", S_IFIFO },
                { "host/inaccessible/sock", S_IFSOCK }, { "host/inaccessible/chr", S_IFCHR },
                { "host/inaccessible/blk", S_IFBLK },
        };
        bool all = spec->start == START_BOOT;

        for (size_t i = 0; i < spec->n_mounts; i++)
                all = all || spec->mounts[i].type == CUSTOM_MOUNT_INACCESSIBLE;
        add(ret, "host/inaccessible", S_IFDIR | 0755);
        add(ret, "host/inaccessible/reg", S_IFREG);
        for (size_t i = 0; all && i < ELEMENTSOF(others); i++)
                add(ret, others[i].path, others[i].type);
}

void run_plan(const Spec *spec, const Id128 *uuid, const Id128 *boot_id, NodePlan *ret) {
        char id[ID128_TEXT_MAX], line[64];

        ret->n = 0;
        add(ret, "host", S_IFDIR | 0755);
        add(ret, "host/incoming", S_IFDIR | 0600);
        if (spec->forward_journal)
                add(ret, "host/journal", S_IFDIR | 0755);
        if (spec_has_bound_users(spec)) {
                add(ret, "host/home", S_IFDIR | 0755);
                add(ret, "host/userdb", S_IFDIR | 0755);
        }
        if (spec_has_credentials(spec))
                add(ret, "host/credentials", S_IFDIR | 0500);
        if (exchange_may_want(spec))
                add(ret, "host/unix-export", S_IFDIR | 0755);
        add_inaccessible(spec, ret);
        add(ret, "host/os-release", S_IFREG | 0444);
        add(ret, "host/proc-kmsg", S_IFIFO | 0600);
        (void) snprintf(line, sizeof line, "%s\n", spec_container_service(spec));
        add_text(ret, "host/container-manager", S_IFREG | 0444, line);
        (void) snprintf(line, sizeof line, "%s\n", id128_format_uuid(uuid, id));
        add_text(ret, "host/container-uuid", S_IFREG | 0444, line);
        add(ret, BOOT_ID_FILE, S_IFREG | 0444);
        run_plan_renew(ret, boot_id);
}

void run_plan_renew(NodePlan *p, const Id128 *boot_id) {
        char id[ID128_TEXT_MAX];

        for (size_t i = 0; i < p->n; i++)
                if (streq(p->nodes[i].path, BOOT_ID_FILE))
                        (void) snprintf(p->nodes[i].content, sizeof p->nodes[i].content, "%s\n",
                                        id128_format_uuid(boot_id, id));
}

static char type_letter(mode_t mode) {
        static const struct {
                mode_t type;
                char letter;
        } letters[] = {
                { S_IFDIR, 'd' }, { S_IFREG, '-' },  { S_IFLNK, 'l' }, { S_IFCHR, 'c' },
                { S_IFBLK, 'b' }, { S_IFSOCK, 's' }, { S_IFIFO, 'p' },
        };

        for (size_t i = 0; i < ELEMENTSOF(letters); i++)
                if ((mode & S_IFMT) == letters[i].type)
                        return letters[i].letter;
        return '?';
}

int node_plan_format(const NodePlan *p, Buf *out) {
        for (size_t i = 0; i < p->n; i++) {
                const Node *n = p->nodes + i;
                int r = buf_printf(out, "  %c %04o %s", type_letter(n->mode),
                                   (unsigned) n->mode & 07777, n->path);

                if (r >= 0 && (S_ISCHR(n->mode) || S_ISBLK(n->mode)))
                        r = buf_printf(out, " %u:%u", n->major, n->minor);
                if (r >= 0 && n->content[0])
                        r = buf_printf(out, " %s %.*s", S_ISLNK(n->mode) ? "->" : "=",
                                       (int) strcspn(n->content, "\n"), n->content);
                if (r >= 0)
                        r = buf_puts(out, "\n");
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The file stays open: the process that does this is about to execute something else. */
static int write_node(const Node *n, int dir_fd) {
        int fd = openat(dir_fd, n->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        n->mode & 07777);

        if (fd < 0)
                return -errno;
        return fd_write_all(fd, n->content, strlen(n->content));
}

/* Where nobody may make device nodes, inside of a machine with users of its own, there is an empty file
 * in the place of one. Return: 1 that is so; 0 or -errno. */
static int make_special(const Node *n, int dir_fd) {
        if (mknodat(dir_fd, n->path, n->mode, makedev(n->major, n->minor)) >= 0)
                return 0;
        if (errno != EPERM || !(S_ISCHR(n->mode) || S_ISBLK(n->mode)))
                return -errno;
        return mknodat(dir_fd, n->path, S_IFREG | (n->mode & 07777), 0) < 0 ? -errno : 1;
}

static int make_node(const Node *n, int dir_fd) {
        switch (n->mode & S_IFMT) {
        case S_IFDIR:
                return mkdirat(dir_fd, n->path, n->mode & 07777) < 0 ? -errno : 0;
        case S_IFLNK:
                return symlinkat(n->content, dir_fd, n->path) < 0 ? -errno : 0;
        case S_IFREG:
                if (n->content[0])
                        return write_node(n, dir_fd);
                break;
        }
        return make_special(n, dir_fd);
}

int node_plan_apply(const NodePlan *p, int dir_fd, uid_t uid, Error *e) {
        int stand_ins = 0;

        for (size_t i = 0; i < p->n; i++) {
                int r = make_node(p->nodes + i, dir_fd);

                if (r > 0)
                        stand_ins++;
                if (r >= 0 && uid != 0 &&
                    fchownat(dir_fd, p->nodes[i].path, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
                        r = -errno;
                if (r < 0)
                        return error_set(e, r, "cannot make '%s': %m", p->nodes[i].path);
        }
        return stand_ins;
}

/* The host's node is seen through the stand-in. Its owner stays what it is: it is the host's. */
int node_plan_bind(const NodePlan *p, int dir_fd, Error *e) {
        for (size_t i = 0; i < p->n; i++) {
                const Node *n = p->nodes + i;
                char path[sizeof n->path + 8];
                struct stat st;

                if (!(S_ISCHR(n->mode) || S_ISBLK(n->mode)) || n->major == 0)
                        continue;
                (void) snprintf(path, sizeof path, "/dev/%s", n->path);
                if (stat(path, &st) < 0 || st.st_rdev != makedev(n->major, n->minor) ||
                    (st.st_mode & S_IFMT) != (n->mode & S_IFMT))
                        return error_set(e, EPERM, "cannot make '%s', and '%s' is not that device",
                                         n->path, path);
                _cleanup_fd_ int fd = open_tree(AT_FDCWD, path,
                                                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
                if (fd < 0 || move_mount(fd, "", dir_fd, n->path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
                        return error_set(e, errno, "cannot bind '%s' into the machine: %m", path);
        }
        return 0;
}
