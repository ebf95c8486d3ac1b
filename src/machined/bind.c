/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts of running machines, see bind.h. What is to be shown is taken in the mounts of the host, as a
 * tree that is mounted nowhere; it gets its owners and access there, and goes to its place by descriptors
 * alone. Of the machine only the mount namespace is entered, and nothing of it is run. */
#include "machined/bind.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/mount-info.h"
#include "base/path.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif
#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200
#endif

#define MOVE_HERE (MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)

/* Numbers of the mount that a descriptor is of. The second is 0 before Linux 6.8. */
static int mount_ids(int fd, uint64_t *ret_id, uint64_t *ret_unique) {
        struct statx sx;

        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &sx) < 0)
                return -errno;
        if (!(sx.stx_mask & STATX_MNT_ID))
                return -EOPNOTSUPP;
        *ret_id = sx.stx_mnt_id;
        *ret_unique = 0;
        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &sx) >= 0 &&
            sx.stx_mask & STATX_MNT_ID_UNIQUE)
                *ret_unique = sx.stx_mnt_id;
        return 0;
}

/* Whether a descriptor is of the mount that was recorded. Return: 1, 0, -errno. */
static int is_mount(int fd, const BindRecord *r) {
        uint64_t id, unique;
        int k = mount_ids(fd, &id, &unique);

        return k < 0 ? k : id == r->mount_id && (!unique || unique == r->unique_id);
}

static int enter_host_mounts(Error *e) {
        _cleanup_fd_ int ns = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

        /* What the service manager hides from the daemon, or shows it read-only, is not meant for
         * machines. */
        if (ns < 0 || setns(ns, CLONE_NEWNS) < 0)
                return error_set(e, errno, "cannot enter the mounts of the host: %m");
        return 0;
}

/* A detached copy of the mount at a path of the host, with the machine's owners and access. */
static int open_tree_for(const BindRequest *request, bool shares_users, Error *e) {
        /* What is mounted in the machine later is not to appear on the host. */
        struct mount_attr attr = { .propagation = MS_PRIVATE };

        _cleanup_fd_ int tree = (int) syscall(SYS_open_tree, AT_FDCWD, request->source,
                                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (tree < 0)
                return error_set(e, errno, "cannot take the mount of %s: %m", request->source);

        _cleanup_fd_ int userns = -EBADF;
        if (!shares_users) {
                char path[64];
                (void) snprintf(path, sizeof path, "/proc/%d/ns/user", request->target.pid);
                userns = open(path, O_RDONLY | O_CLOEXEC);
                if (userns < 0 || !proc_pidfd_is_alive(request->target.pidfd))
                        return error_set(e, userns < 0 ? errno : ESRCH,
                                         "cannot open the user namespace of the machine: %m");
                attr.attr_set |= MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID;
                attr.userns_fd = (uint64_t) userns;
        }
        if (request->read_only)
                attr.attr_set |= MOUNT_ATTR_RDONLY;
        if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) <
            0)
                return error_set(e, errno == EINVAL && !shares_users ? EOPNOTSUPP : errno,
                                 "the file system of %s cannot be shown %s: %m", request->source,
                                 shares_users ? "read-only" : "with the machine's owners");
        return TAKE_FD(tree);
}

/* In a child: mounts the tree, has all mounts copied to a namespace of a user who is less than root,
 * which locks what they are like, and takes a copy from there. */
static int take_locked(int tree, bool is_folder, int sock) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", "/run", "tmpfs", 0, "mode=0755,size=64k") < 0 || chdir("/run") < 0)
                return -errno;
        if (is_folder ? mkdir("at", 0755) < 0 : mknod("at", S_IFREG | 0644, 0) < 0)
                return -errno;
        if (syscall(SYS_move_mount, tree, "", AT_FDCWD, "at", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
            unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                return -errno;
        _cleanup_fd_ int locked = (int) syscall(SYS_open_tree, AT_FDCWD, "at",
                                                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        return locked < 0 ? -errno : handshake_send_fd(sock, 0, locked);
}

/* Who is root of a machine's own users could make a read-only mount writable, unless it is locked. */
static int lock_tree(int *tree, const BindRequest *request, Error *e) {
        _cleanup_fd_ int locked = -EBADF;
        struct stat st;
        int pair[2];

        if (fstat(*tree, &st) < 0)
                return error_set(e, errno, "cannot look at %s: %m", request->source);
        int r = handshake_pair(pair);
        if (r < 0)
                return error_set(e, r, "cannot make a socket: %m");
        _cleanup_fd_ int ours = pair[0], theirs = pair[1];

        pid_t pid = fork();
        if (pid < 0)
                return error_set(e, errno, "cannot fork: %m");
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                r = take_locked(*tree, S_ISDIR(st.st_mode), theirs);
                if (r < 0) {
                        Error own = {};
                        (void) error_set(&own, r, "cannot lock the mount of %s: %m",
                                         request->source);
                        (void) handshake_send_error(theirs, &own);
                }
                _exit(0);
        }
        theirs = fd_close(theirs);
        r = handshake_expect(ours, HANDSHAKE_FD, 0, &locked, NULL, e);
        (void) waitpid(pid, NULL, 0);
        if (r < 0)
                return r;
        (void) fd_close(*tree);
        *tree = TAKE_FD(locked);
        return 0;
}

/* The place in the machine, made if that is wanted: a folder for a folder, a file for the rest. */
static int open_place(const BindRequest *request, int root_fd, int tree, Error *e) {
        _cleanup_free_ char *parent = NULL;
        struct stat st;

        int fd = path_open_in_root(root_fd, request->destination, O_PATH, 0);
        if (fd != -ENOENT || !request->mkdir)
                return fd < 0 ? error_set(e, fd, "cannot open %s in the machine: %m",
                                          request->destination)
                              : fd;
        if (fstat(tree, &st) < 0)
                return error_set(e, errno, "cannot look at %s: %m", request->source);

        parent = strndup(request->destination,
                         (size_t) (path_last(request->destination) - request->destination));
        if (!parent)
                return error_oom(e);
        if (S_ISDIR(st.st_mode))
                fd = path_mkdirs_in_root(root_fd, request->destination, 0755, (uid_t) -1,
                                         (gid_t) -1);
        else {
                fd = path_mkdirs_in_root(root_fd, parent, 0755, (uid_t) -1, (gid_t) -1);
                if (fd >= 0) {
                        (void) fd_close(fd);
                        fd = path_open_in_root(root_fd, request->destination,
                                               O_RDONLY | O_CREAT | O_EXCL, 0644);
                }
        }
        return fd < 0 ? error_set(e, fd, "cannot make %s in the machine: %m", request->destination)
                      : fd;
}

/* What a worker holds on to before it goes into the machine. */
typedef struct Way {
        int root;    /* the machine's */
        int fds;     /* our own /proc/self/fd: there may be anything in the machine's /proc */
        int records; /* -EBADF = there are none */
        IdMap uids, gids;
        BindRecords known;
} Way;

static void way_done(Way *w) {
        (void) fd_close(w->root);
        (void) fd_close(w->fds);
        (void) fd_close(w->records);
        idmap_done(&w->uids);
        idmap_done(&w->gids);
        bind_records_done(&w->known);
}

static int way_open(const BindRequest *request, bool make, Way *w, Error *e) {
        const Target *t = &request->target;

        *w = (Way){ .root = -EBADF, .fds = -EBADF, .records = -EBADF };
        w->root = target_open_root(t, e);
        if (w->root < 0)
                return w->root;
        int r = target_shares_namespace(t, "mnt", e);
        if (r != 0)
                return r < 0 ? r : error_set(e, EOPNOTSUPP, "the machine has no mounts of its own");
        w->fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (w->fds < 0)
                return error_set(e, errno, "cannot open /proc/self/fd: %m");
        r = idmap_read(t->pid, "uid_map", &w->uids);
        if (r >= 0)
                r = idmap_read(t->pid, "gid_map", &w->gids);
        if (r < 0)
                return error_set(e, r, "cannot read the ID maps of the machine: %m");

        w->records = bind_records_open(t->name, make);
        r = w->records;
        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = bind_records_read(w->records, (uint64_t) t->pid, request->started, &w->known);
        return r < 0 ? error_set(e, r, "cannot read %s/%s: %m", BIND_RECORDS_DIRECTORY, t->name)
                     : 0;
}

/* Unmounts what a descriptor is of, and it alone. */
static int unmount(const Way *w, int fd, Error *e) {
        char number[16];

        (void) snprintf(number, sizeof number, "%d", fd);
        if (fchdir(w->fds) < 0 || umount2(number, MNT_DETACH) < 0)
                return error_set(e, errno, "cannot unmount it: %m");
        return 0;
}

/* Puts the tree where @place is; one of ours that is there already gives way to it. */
static int put_at(const BindRequest *request, const Way *w, int tree, int place, Error *e) {
        const BindRecord *old = NULL;

        for (size_t i = 0; i < w->known.n && !old; i++)
                if (is_mount(place, w->known.v + i) > 0)
                        old = w->known.v + i;
        /* There is something to be seen at that place all the time, where the kernel can do it. */
        if (old &&
            syscall(SYS_move_mount, tree, "", place, "", MOVE_HERE | MOVE_MOUNT_BENEATH) >= 0) {
                int r = unmount(w, place, e);
                if (r >= 0)
                        bind_records_remove(w->records, old);
                return r;
        }
        if (old) {
                int r = unmount(w, place, e);
                if (r < 0)
                        return r;
                bind_records_remove(w->records, old);
                _cleanup_fd_ int below = open_place(request, w->root, tree, e);
                if (below < 0)
                        return below;
                if (syscall(SYS_move_mount, tree, "", below, "", MOVE_HERE) >= 0)
                        return 0;
        } else if (syscall(SYS_move_mount, tree, "", place, "", MOVE_HERE) >= 0)
                return 0;
        return error_set(e, errno, "cannot mount %s in the machine: %m", request->destination);
}

static int put_in_machine(const BindRequest *request, const Way *w, int tree, Error *e) {
        int r = target_enter_mounts(&request->target, w->root, e);

        if (r >= 0)
                r = target_take_ownership(&w->uids, &w->gids, e);
        if (r < 0)
                return r;
        _cleanup_fd_ int place = open_place(request, w->root, tree, e);
        return place < 0 ? place : put_at(request, w, tree, place, e);
}

int bind_mount(const BindRequest *request, Error *e) {
        _cleanup_(way_done) Way w = {};
        struct timespec now;
        int r = way_open(request, true, &w, e);

        if (r < 0)
                return r;
        int shares_users = target_shares_namespace(&request->target, "user", e);
        if (shares_users < 0)
                return shares_users;
        r = enter_host_mounts(e);
        if (r < 0)
                return r;
        _cleanup_fd_ int tree = open_tree_for(request, shares_users, e);
        if (tree < 0)
                return tree;
        r = shares_users ? 0 : lock_tree(&tree, request, e);
        if (r < 0)
                return r;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        BindRecord record = { .source = (char *) (uintptr_t) request->source,
                              .destination = (char *) (uintptr_t) request->destination,
                              .read_only = request->read_only,
                              .is_mapped = !shares_users,
                              .realtime = (uint64_t) now.tv_sec * 1000000 +
                                          (uint64_t) now.tv_nsec / 1000,
                              .leader = (uint64_t) request->target.pid,
                              .started = request->started };
        r = mount_ids(tree, &record.mount_id, &record.unique_id);
        if (r >= 0)
                r = bind_records_write(w.records, &record);
        if (r < 0)
                return error_set(e, r, "cannot write down the mount of %s: %m", request->source);
        /* From here on, whoever dies: a mount that is there is on record. */
        r = put_in_machine(request, &w, tree, e);
        if (r < 0)
                bind_records_remove(w.records, &record);
        return r;
}

static int read_mountinfo(const Target *t, char **ret, Error *e) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/mountinfo", t->pid);
        int r = file_read(AT_FDCWD, path, MOUNT_INFO_MAX, ret, NULL);
        if (r >= 0 && !proc_pidfd_is_alive(t->pidfd))
                r = -ESRCH;
        return r < 0 ? error_set(e, r, "cannot read the mounts of machine '%s': %m", t->name) : 0;
}

/* Where a mount of ours is now, and whether it is to be seen there: its owner may have moved it, put
 * something over it, or given its number to another.
 * Return: 1 and a descriptor of it; 0 it is there, but covered; -ENOENT it is gone; -errno. */
static int find_record(const Way *w, const BindRecord *r, const char *mountinfo, int *ret_fd) {
        _cleanup_free_ char *place = NULL;
        uint64_t id, unique;
        int k = mount_info_find(mountinfo, r->mount_id, &place, NULL);

        if (k < 0)
                return k;
        _cleanup_fd_ int fd = path_open_in_root(w->root, place, O_PATH | O_NOFOLLOW, 0);
        if (fd < 0 || mount_ids(fd, &id, &unique) < 0 || id != r->mount_id)
                return 0;
        if (unique && unique != r->unique_id)
                return -ENOENT;
        *ret_fd = TAKE_FD(fd);
        return 1;
}

int bind_unmount(const BindRequest *request, Error *e) {
        _cleanup_free_ char *mountinfo = NULL;
        _cleanup_(way_done) Way w = {};
        int r = way_open(request, false, &w, e);

        if (r >= 0)
                r = read_mountinfo(&request->target, &mountinfo, e);
        if (r >= 0)
                r = target_enter_mounts(&request->target, w.root, e);
        if (r < 0)
                return r;
        /* The last one first: what it covers comes to light, and can go next. */
        for (size_t i = w.known.n; i > 0; i--) {
                const BindRecord *record = w.known.v + i - 1;
                _cleanup_fd_ int fd = -EBADF;

                if (!streq(record->destination, request->destination))
                        continue;
                r = find_record(&w, record, mountinfo, &fd);
                if (r == -ENOENT) {
                        bind_records_remove(w.records, record);
                        continue;
                }
                if (r == 0)
                        return error_set(e, EBUSY, "something else is mounted over %s",
                                         request->destination);
                if (r > 0)
                        r = unmount(&w, fd, e);
                if (r < 0)
                        return error_set(e, r, "cannot take away %s: %m", request->destination);
                bind_records_remove(w.records, record);
                return 0;
        }
        return error_set(e, ENOENT, "nothing was bound to %s while the machine ran",
                         request->destination);
}

int bind_list(const BindRequest *request, BindRecords *ret, Error *e) {
        _cleanup_free_ char *mountinfo = NULL;
        _cleanup_(way_done) Way w = {};
        size_t n = 0;
        int r = way_open(request, false, &w, e);

        if (r >= 0)
                r = read_mountinfo(&request->target, &mountinfo, e);
        if (r < 0)
                return r;
        for (size_t i = 0; i < w.known.n; i++) {
                _cleanup_fd_ int fd = -EBADF;

                r = find_record(&w, w.known.v + i, mountinfo, &fd);
                if (r < 0 && r != -ENOENT)
                        return error_set(e, r, "cannot look at %s: %m", w.known.v[i].destination);
                if (r == -ENOENT) {
                        bind_record_done(w.known.v + i);
                        continue;
                }
                BindRecord kept = w.known.v[i];
                w.known.v[i] = (BindRecord){};
                w.known.v[n++] = kept;
        }
        w.known.n = n;
        *ret = w.known;
        w.known = (BindRecords){};
        return 0;
}
