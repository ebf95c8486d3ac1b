/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files carried into and out of running machines, and mounts added to them. */
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "machined/enter.h"
#include "machined/op.h"
#include "machined/operation.h"
#include "machined/transfer.h"

#define COPY_REPLACE UINT64_C(1)
#define MOUNT_USEC   ((uint64_t) 30 * 1000000)

/* A copy or a mount, for the worker. */
typedef struct Request {
        Target target;
        const char *source;
        const char *destination;
        bool to_machine;
        bool replace;
        bool read_only;
        bool mkdir;
} Request;

static int check_request(const Machine *machine, Request *request, Error *e) {
        if (machine->class != MACHINE_CONTAINER)
                return error_set(e, EOPNOTSUPP, "machine '%s' is no container", machine->name);
        if (!path_is_absolute_clean(request->source))
                return error_set(e, EINVAL, "'%.256s' is not an absolute, plain path",
                                 request->source);
        if (!*request->destination)
                request->destination = request->source;
        if (!path_is_absolute_clean(request->destination))
                return error_set(e, EINVAL, "'%.256s' is not an absolute, plain path",
                                 request->destination);
        return 0;
}

static int authorize(Manager *m, const Machine *machine, sd_bus_message *call, const char *verb,
                     const Request *request, Error *e) {
        const char *const details[] = { "machine", machine->name,   "verb", verb,
                                        "src",     request->source, "dest", request->destination,
                                        NULL };

        return polkit_check(m->daemon.polkit, call, BUS_MACHINE1_NAME ".manage-machines", details,
                            POLKIT_NOBODY, e);
}

static int start(Manager *m, const OperationKind *kind, Machine *machine, Request *request,
                 sd_bus_message *call, Error *e) {
        request->target = target_of(machine);
        return operation_start(m, kind, call, machine, request, &request->target.pidfd, 1, e);
}

static int finish_empty(sd_bus_message *call, const OperationResult *result, Error *e) {
        return op_sent(sd_bus_reply_method_return(call, NULL), e);
}

/* The directory that holds @path, below a root, and the name in it. */
static int open_parent(int root_fd, const char *path, const char **ret_name, Error *e) {
        _cleanup_free_ char *parent = strndup(path, (size_t) (path_last(path) - path));

        if (!parent)
                return error_oom(e);
        *ret_name = path_last(path);
        if (!**ret_name)
                return error_set(e, EINVAL, "'%s' is a whole root directory", path);
        int fd = path_open_in_root(root_fd, parent, O_RDONLY | O_DIRECTORY, 0);
        return fd < 0 ? error_set(e, fd, "cannot open %s: %m", parent) : fd;
}

/* New files in a machine are made as its root, with our own capabilities: where its file system has mapped
 * owners, the host's root is nobody who could own a file. */
static int become_owner(const IdMap *uids, const IdMap *gids, Error *e) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
        uint32_t uid, gid;

        if (idmap_to_outside(uids, 0, &uid) < 0 || idmap_to_outside(gids, 0, &gid) < 0)
                return 0; /* a machine without a root: owners are set afterwards or not at all */
        if (uid == 0 && gid == 0)
                return 0;
        (void) setfsgid(gid);
        (void) setfsuid(uid);
        /* The change has taken the capabilities for files out of the effective set. */
        if (syscall(SYS_capget, &header, data) < 0)
                return error_set(e, errno, "cannot read our capabilities: %m");
        for (size_t i = 0; i < ELEMENTSOF(data); i++)
                data[i].effective = data[i].permitted;
        if (syscall(SYS_capset, &header, data) < 0)
                return error_set(e, errno, "cannot keep our capabilities: %m");
        return 0;
}

static int work_copy(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(idmap_done) IdMap uids = {}, gids = {};
        const Request *request = arg;
        const char *from, *to;

        _cleanup_fd_ int theirs = target_open_root(&request->target, e);
        if (theirs < 0)
                return theirs;
        _cleanup_fd_ int ours = open("/proc/1/root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (ours < 0)
                return error_set(e, errno, "cannot open the root directory of the host: %m");
        int r = idmap_read(request->target.pid, "uid_map", &uids);
        if (r >= 0)
                r = idmap_read(request->target.pid, "gid_map", &gids);
        if (r < 0)
                return error_set(e, r, "cannot read the ID maps of the machine: %m");

        _cleanup_fd_ int from_dir = open_parent(request->to_machine ? ours : theirs,
                                                request->source, &from, e);
        if (from_dir < 0)
                return from_dir;
        _cleanup_fd_ int to_dir = open_parent(request->to_machine ? theirs : ours,
                                              request->destination, &to, e);
        if (to_dir < 0)
                return to_dir;
        const Transfer transfer = { .replace = request->replace,
                                    .to_machine = request->to_machine,
                                    .drop_privileges = !request->to_machine,
                                    .uids = &uids,
                                    .gids = &gids };
        (void) umask(0);
        if (request->to_machine) {
                r = become_owner(&uids, &gids, e);
                if (r < 0)
                        return r;
        }
        return transfer_copy(&transfer, from_dir, from, to_dir, to, e);
}

static int copy(Manager *m, Machine *machine, sd_bus_message *call, bool to_machine, bool has_flags,
                Error *e) {
        static const OperationKind kind = { "copying", work_copy, finish_empty, 0, false };
        Request request = { .to_machine = to_machine };
        uint64_t flags = 0;
        int r = op_read(call, e, "ss", &request.source, &request.destination);

        if (r >= 0 && has_flags)
                r = op_read(call, e, "t", &flags);
        if (r < 0)
                return r;
        if (flags & ~COPY_REPLACE)
                return error_set(e, EINVAL, "unknown flags %#llx", (unsigned long long) flags);
        request.replace = flags & COPY_REPLACE;
        r = check_request(machine, &request, e);
        if (r >= 0)
                r = authorize(m, machine, call, "copy", &request, e);
        return r <= 0 ? r : start(m, &kind, machine, &request, call, e);
}

int op_copy_from(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return copy(m, machine, call, false, false, e);
}

int op_copy_to(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return copy(m, machine, call, true, false, e);
}

int op_copy_from_flags(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return copy(m, machine, call, false, true, e);
}

int op_copy_to_flags(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return copy(m, machine, call, true, true, e);
}

/* A detached copy of the mount at a path of the host, with the machine's owners and access. */
static int open_tree_for(const Request *request, Error *e) {
        /* What is mounted in the machine later is not to appear on the host. */
        struct mount_attr attr = { .propagation = MS_PRIVATE };
        int shares;

        _cleanup_fd_ int tree = (int) syscall(SYS_open_tree, AT_FDCWD, request->source,
                                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        if (tree < 0)
                return error_set(e, errno, "cannot take the mount of %s: %m", request->source);

        shares = target_shares_namespace(&request->target, "user", e);
        if (shares < 0)
                return shares;
        _cleanup_fd_ int userns = -EBADF;
        if (!shares) {
                char path[64];
                (void) snprintf(path, sizeof path, "/proc/%d/ns/user", request->target.pid);
                userns = open(path, O_RDONLY | O_CLOEXEC);
                if (userns < 0 || !proc_pidfd_is_alive(request->target.pidfd))
                        return error_set(e, userns < 0 ? errno : ESRCH,
                                         "cannot open the user namespace of the machine: %m");
                attr.attr_set |= MOUNT_ATTR_IDMAP;
                attr.userns_fd = (uint64_t) userns;
        }
        if (request->read_only)
                attr.attr_set |= MOUNT_ATTR_RDONLY;
        if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) <
            0)
                return error_set(e, errno == EINVAL && !shares ? EOPNOTSUPP : errno,
                                 "the file system of %s cannot be shown %s: %m", request->source,
                                 shares ? "read-only" : "with the machine's owners");
        return TAKE_FD(tree);
}

/* The place in the machine, made if that is wanted: a folder for a folder, a file for the rest. */
static int open_place(const Request *request, int root_fd, int tree, Error *e) {
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

/* What the service manager hides from the daemon, or shows it read-only, is not meant for machines. */
static int enter_host_mounts(Error *e) {
        _cleanup_fd_ int ns = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);

        if (ns < 0 || setns(ns, CLONE_NEWNS) < 0)
                return error_set(e, errno, "cannot enter the mounts of the host: %m");
        return 0;
}

static int work_bind(const void *arg, const WorkerOut *out, Error *e) {
        const Request *request = arg;
        _cleanup_fd_ int root = target_open_root(&request->target, e);

        if (root < 0)
                return root;
        int shares = target_shares_namespace(&request->target, "mnt", e);
        if (shares != 0)
                return shares < 0
                               ? shares
                               : error_set(e, EOPNOTSUPP, "the machine has no mounts of its own");
        int r = enter_host_mounts(e);
        if (r < 0)
                return r;
        _cleanup_fd_ int tree = open_tree_for(request, e);
        if (tree < 0)
                return tree;
        /* Not seen in there: only the mount namespace is entered, and nothing of it is run. */
        r = target_enter_mounts(&request->target, root, e);
        if (r < 0)
                return r;
        _cleanup_fd_ int place = open_place(request, root, tree, e);
        if (place < 0)
                return place;
        if (syscall(SYS_move_mount, tree, "", place, "",
                    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return error_set(e, errno, "cannot mount %s in the machine: %m",
                                 request->destination);
        return 0;
}

int op_bind_mount(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "mounting into the machine", work_bind, finish_empty,
                                            MOUNT_USEC, false };
        Request request = {};
        int read_only, make;
        int r = op_read(call, e, "ssbb", &request.source, &request.destination, &read_only, &make);

        if (r < 0)
                return r;
        request.read_only = read_only;
        request.mkdir = make;
        r = check_request(machine, &request, e);
        if (r >= 0)
                r = authorize(m, machine, call, "bind", &request, e);
        return r <= 0 ? r : start(m, &kind, machine, &request, call, e);
}
