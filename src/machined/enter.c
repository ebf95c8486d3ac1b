/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways into a machine, see enter.h. All that /proc says of a PID is believed only after the pidfd has
 * said that the process still lives. */
#include "machined/enter.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/path.h"

Target target_of(const Machine *machine) {
        Target t = { .pid = machine->leader.pid, .pidfd = machine->leader.fd };

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

static const struct {
        const char *name;
        int clone;
        unsigned flag;
} namespaces[] = {
        { "user", CLONE_NEWUSER, ENTER_USER },     { "mnt", CLONE_NEWNS, ENTER_FILES },
        { "pid", CLONE_NEWPID, ENTER_PIDS },       { "uts", CLONE_NEWUTS, ENTER_REST },
        { "ipc", CLONE_NEWIPC, ENTER_REST },       { "net", CLONE_NEWNET, ENTER_REST },
        { "cgroup", CLONE_NEWCGROUP, ENTER_REST },
};

/* What of /proc/PID/status limits the leader for good. */
typedef struct Limits {
        uint64_t bounding;
        bool no_new_privs;
} Limits;

static int status_value(const char *text, const char *key, uint64_t *ret) {
        const char *line = strstr(text, key);

        if (!line)
                return -ENODATA;
        *ret = strtoull(line + strlen(key), NULL, 16);
        return 0;
}

static int read_limits(const Target *t, Limits *ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        uint64_t bounding, nnp;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/status", t->pid);
        int r = file_read(AT_FDCWD, path, 64 * 1024, &text, NULL);
        if (r >= 0)
                r = status_value(text, "\nCapBnd:\t", &bounding);
        if (r >= 0)
                r = status_value(text, "\nNoNewPrivs:\t", &nnp);
        if (r < 0)
                return error_set(e, r, "cannot read the limits of machine '%s': %m", t->name);
        *ret = (Limits){ bounding, nnp != 0 };
        return 0;
}

static int apply_limits(const Limits *l) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        for (unsigned long cap = 0; cap < 64; cap++) {
                if (l->bounding & (UINT64_C(1) << cap))
                        continue;
                if (prctl(PR_CAPBSET_READ, cap) > 0 && prctl(PR_CAPBSET_DROP, cap) < 0)
                        return -errno;
        }
        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (unsigned i = 0; i < 2; i++) {
                uint32_t bounding = (uint32_t) (l->bounding >> (32 * i));
                data[i].effective &= bounding;
                data[i].permitted &= bounding;
                data[i].inheritable = 0;
        }
        if (syscall(SYS_capset, &header, data) < 0)
                return -errno;
        if (l->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return 0;
}

static int become_root(void) {
        /* Where setgroups() is denied there is nothing to give up. */
        if (setgroups(0, NULL) < 0 && errno != EPERM)
                return -errno;
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return -errno;
        /* Any of this made us dumpable again. */
        return prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;
}

int target_join(const Target *t, int root_fd, unsigned flags, Error *e) {
        Limits limits;
        int clone = 0;

        if (t->pid == 1)
                return 0;
        int r = read_limits(t, &limits, e);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(namespaces); i++) {
                if (!(flags & namespaces[i].flag))
                        continue;
                r = target_shares_namespace(t, namespaces[i].name, e);
                if (r == 0)
                        clone |= namespaces[i].clone;
        }
        if (r < 0)
                return r;

        if (clone != 0 && setns(t->pidfd, clone) < 0)
                return error_set(e, errno, "cannot enter the namespaces of machine '%s': %m",
                                 t->name);
        if ((flags & ENTER_FILES) && (fchdir(root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0))
                return error_set(e, errno, "cannot enter the root directory of machine '%s': %m",
                                 t->name);
        r = clone & CLONE_NEWUSER ? become_root() : 0;
        if (r >= 0)
                r = apply_limits(&limits);
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
        if (!(flags & ENTER_PIDS))
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
        int r = target_run_inside(t, root_fd, ENTER_USER, open_ptmx, &fd, e);

        if (r < 0)
                return r;
        if (ioctl(fd, TIOCGPTN, &number) < 0)
                return error_set(e, errno, "cannot tell the number of the terminal: %m");
        *ret_path = str_format("/dev/pts/%u", number);
        return *ret_path ? TAKE_FD(fd) : error_oom(e);
}
