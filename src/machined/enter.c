/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways into a machine, see enter.h. All that /proc says of a PID is believed only after the pidfd has
 * said that the process still lives. */
#include "machined/enter.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/path.h"

Target target_of(const Machine *machine) {
        Target t = { .pid = machine->leader.pid,
                     .pidfd = machine->leader.fd,
                     .netifs = machine->netifs,
                     .n_netifs = machine->n_netifs };

        (void) snprintf(t.name, sizeof t.name, "%s", machine->name);
        return t;
}

int target_open_root(const Target *t, Error *e) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/root", t->pid);
        /* For the host, too: our own root may have less in it. */
        _cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno == ENOENT ? ESRCH : errno,
                                 "cannot open the root directory of machine '%s': %m", t->name);
        if (t->pid != 1 && !proc_pidfd_is_alive(t->pidfd))
                return error_set(e, ESRCH, "machine '%s' has ended", t->name);
        return TAKE_FD(fd);
}

int target_shares_namespace(const Target *t, const char *name, Error *e) {
        uint64_t theirs, ours;
        int r = proc_ns_id(t->pid, name, &theirs);

        if (r >= 0)
                r = proc_ns_id(0, name, &ours);
        if (r < 0)
                return error_set(e, r, "cannot look at the %s namespace of machine '%s': %m", name,
                                 t->name);
        return theirs == ours;
}

int target_join(const Target *t, int root_fd, unsigned flags, Error *e) {
        ProcessLimits limits;
        int clone = 0;

        if (t->pid == 1)
                return 0;
        int r = process_limits_read(t->pid, &limits);
        if (r >= 0)
                r = namespace_differing(t->pid, flags, &clone);
        if (r < 0)
                return error_set(e, r, "cannot look at machine '%s': %m", t->name);

        r = namespace_enter(t->pidfd, clone, flags & NAMESPACE_FILES ? root_fd : -EBADF);
        if (r < 0)
                return error_set(e, r, "cannot enter machine '%s': %m", t->name);
        r = process_limits_apply(&limits);
        return r < 0 ? error_set(e, r, "cannot take on the limits of machine '%s': %m", t->name)
                     : 0;
}

int target_enter_mounts(const Target *t, int root_fd, Error *e) {
        if (setns(t->pidfd, CLONE_NEWNS) < 0 || fchdir(root_fd) < 0 || chroot(".") < 0 ||
            chdir("/") < 0)
                return error_set(e, errno, "cannot enter the mounts of machine '%s': %m", t->name);
        return 0;
}

/* Runs @f, one more process away where only children are in the PID namespace. */
static int run_joined(unsigned flags, int (*f)(int, int, Error *), int root_fd, int sock,
                      Error *e) {
        if (!(flags & NAMESPACE_PIDS))
                return f(root_fd, sock, e);

        pid_t pid = fork();
        if (pid < 0)
                return error_set(e, errno, "cannot fork: %m");
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                Error own = {};
                int r = f(root_fd, sock, &own);
                if (r < 0)
                        (void) handshake_send_error(sock, &own);
                _exit(0);
        }
        (void) waitpid(pid, NULL, 0);
        return 0;
}

int target_run_inside(const Target *t, int root_fd, unsigned flags,
                      int (*f)(int root_fd, int sock, Error *e), int *ret_fd, Error *e) {
        int pair[2];
        int r = handshake_pair(pair);

        if (r < 0)
                return error_set(e, r, "cannot make a socket: %m");
        _cleanup_fd_ int ours = pair[0], theirs = pair[1];

        pid_t pid = fork();
        if (pid < 0)
                return error_set(e, errno, "cannot fork: %m");
        if (pid == 0) {
                const int keep[] = { theirs, root_fd, t->pidfd };
                Error own = {};
                r = fd_close_range_except(keep, ELEMENTSOF(keep) - (t->pidfd < 0));
                if (r >= 0)
                        r = target_join(t, root_fd, flags, &own);
                if (r >= 0)
                        r = run_joined(flags, f, root_fd, theirs, &own);
                if (r < 0) {
                        if (!error_is_set(&own))
                                (void) error_set(&own, r, "%m");
                        (void) handshake_send_error(theirs, &own);
                }
                _exit(0);
        }

        theirs = fd_close(theirs);
        r = handshake_expect(ours, HANDSHAKE_FD, 0, ret_fd, NULL, e);
        (void) waitpid(pid, NULL, 0);
        return r;
}

static int open_ptmx(int root_fd, int sock, Error *e) {
        unsigned unlock = 0;
        /* O_NONBLOCK: should it be a FIFO that somebody made. */
        _cleanup_fd_ int fd = path_open_in_root(root_fd, "/dev/ptmx",
                                                O_RDWR | O_NOCTTY | O_NONBLOCK, 0);

        if (fd < 0)
                return error_set(e, fd, "cannot open /dev/ptmx in the machine: %m");
        if (ioctl(fd, TIOCSPTLCK, &unlock) < 0)
                return error_set(e, errno, "/dev/ptmx in the machine makes no terminals: %m");
        int r = fd_set_nonblock(fd, false);
        return r < 0 ? r : handshake_send_fd(sock, 0, fd);
}

int target_open_pty(const Target *t, int root_fd, char **ret_path, Error *e) {
        _cleanup_fd_ int fd = -EBADF;
        unsigned number;
        int r = target_run_inside(t, root_fd, NAMESPACE_USER, open_ptmx, &fd, e);

        if (r < 0)
                return r;
        if (ioctl(fd, TIOCGPTN, &number) < 0)
                return error_set(e, errno, "cannot tell the number of the terminal: %m");
        *ret_path = str_format("/dev/pts/%u", number);
        return *ret_path ? TAKE_FD(fd) : error_oom(e);
}

int target_take_ownership(const IdMap *uids, const IdMap *gids, Error *e) {
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
