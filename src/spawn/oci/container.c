/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories of containers, see container.h. */
#include "spawn/oci/container.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/path.h"
#include "base/proc.h"

#define RECORD  "state.json"
#define GATE    "gate"
#define OUTCOME "outcome"

void container_done(Container *c) {
        free(c->id);
        oci_state_done(&c->state);
        (void) fd_close(c->pidfd);
        (void) fd_close(c->dir_fd);
        (void) fd_close(c->root_fd);
        *c = CONTAINER_NULL;
}

/* Names come from whoever calls us, and become names of files. */
static int open_root(const char *root, const char *id, bool make, Container *c, Error *e) {
        if (!oci_id_is_valid(id))
                return error_set(e, EINVAL, "invalid container ID format: '%.100s'", id);
        c->id = strdup(id);
        if (!c->id)
                return error_oom(e);
        c->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c->root_fd < 0 && errno == ENOENT && make) {
                int r = path_mkdirs(root, 0700);
                if (r < 0)
                        return error_set(e, r, "cannot make '%s': %m", root);
                c->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (c->root_fd < 0)
                return errno == ENOENT ? error_set(e, ENOENT, "container does not exist")
                                       : error_set(e, errno, "cannot open '%s': %m", root);
        return 0;
}

/* Return: 0; -ENOENT; -EPERM it is somebody else's, or nothing that we made. */
static int open_directory(Container *c) {
        struct stat st;

        (void) fd_close(c->dir_fd);
        c->dir_fd = openat(c->root_fd, c->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (c->dir_fd < 0)
                return errno == ELOOP || errno == ENOTDIR ? -EPERM : -errno;
        if (fstat(c->dir_fd, &st) < 0)
                return -errno;
        return st.st_uid != geteuid() || (st.st_mode & 0022) ? -EPERM : 0;
}

/* Return: 0; -ENOENT whoever had it removed it; -errno. */
static int lock_directory(Container *c) {
        struct stat st;

        while (flock(c->dir_fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        return -errno;
        if (fstat(c->dir_fd, &st) < 0)
                return -errno;
        return st.st_nlink == 0 ? -ENOENT : 0;
}

int container_make(const char *root, const char *id, Container *ret, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        int r = open_root(root, id, true, &c, e);

        if (r < 0)
                return r;
        /* Somebody who deletes what was left half-made can be faster than we are at locking it. */
        do {
                if (mkdirat(c.root_fd, id, 0700) < 0)
                        return errno == EEXIST
                                       ? error_set(e, EEXIST,
                                                   "container with given ID already exists")
                                       : error_set(e, errno, "cannot make '%s/%s': %m", root, id);
                r = open_directory(&c);
                if (r >= 0)
                        r = lock_directory(&c);
        } while (r == -ENOENT);
        if (r < 0)
                return error_set(e, r, "cannot lock '%s/%s': %m", root, id);
        if (str_replace(&c.state.id, id) < 0)
                return error_oom(e);
        *ret = c;
        c = CONTAINER_NULL;
        return 0;
}

static int read_boot_id(char **ret, Error *e) {
        int r = file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret);

        return r < 0 ? error_set(e, r, "cannot read the boot ID: %m") : 0;
}

/* Only now is the PID one that may be signalled. */
static int find_leader(Container *c, Error *e) {
        const OciState *s = &c->state;
        _cleanup_free_ char *boot_id = NULL;
        uint64_t start;

        if (!s->pid.set || !s->start_time.set || !s->boot_id)
                return 0;
        _cleanup_fd_ int pidfd = proc_pidfd_open((pid_t) s->pid.value);
        if (pidfd == -ESRCH || pidfd == -EINVAL)
                return 0;
        if (pidfd < 0)
                return error_set(e, pidfd, "cannot look at process %llu: %m",
                                 (unsigned long long) s->pid.value);
        int r = proc_start_time((pid_t) s->pid.value, &start);
        if (r == -ESRCH || (r >= 0 && start != s->start_time.value))
                return 0;
        if (r >= 0)
                r = read_boot_id(&boot_id, e);
        if (r < 0)
                return error_wrap(e, r, "cannot look at process %llu",
                                  (unsigned long long) s->pid.value);
        if (streq(boot_id, s->boot_id) && proc_pidfd_is_alive(pidfd))
                c->pidfd = TAKE_FD(pidfd);
        return 0;
}

static int load(Container *c, Error *e) {
        _cleanup_free_ char *text = NULL;
        int fd = openat(c->dir_fd, RECORD,
                        O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        int r = fd < 0 ? -errno : fd_read_all(fd, OCI_STATE_MAX, &text, NULL);

        (void) fd_close(fd);
        if (r < 0)
                return r == -ENOENT ? r
                                    : error_set(e, r, "cannot read the state of '%s': %m", c->id);
        r = oci_state_parse(text, &c->state, e);
        if (r >= 0 && !streq(c->state.id, c->id))
                r = error_set(e, EBADMSG, "it is that of '%s'", c->state.id);
        if (r < 0)
                return error_wrap(e, r, "cannot read the state of '%s'", c->id);
        return find_leader(c, e);
}

static int open_container(const char *root, const char *id, bool lock, Container *ret, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        int r = open_root(root, id, false, &c, e);

        if (r < 0)
                return r;
        r = open_directory(&c);
        if (r >= 0 && lock)
                r = lock_directory(&c);
        if (r == -EPERM)
                return error_set(e, r, "'%s/%s' is no container of ours", root, id);
        if (r < 0 && r != -ENOENT)
                return error_set(e, r, "cannot open '%s/%s': %m", root, id);
        if (r >= 0)
                r = load(&c, e);
        if (r == -ENOENT && lock && c.dir_fd >= 0) {
                struct stat st;
                r = fstat(c.dir_fd, &st) >= 0 && st.st_nlink > 0 ? str_replace(&c.state.id, id)
                                                                 : -ENOENT;
        }
        if (r == -ENOENT)
                return error_set(e, r, "container does not exist");
        if (r < 0)
                return r;
        *ret = c;
        c = CONTAINER_NULL;
        return 0;
}

int container_open(const char *root, const char *id, Container *ret, Error *e) {
        return open_container(root, id, false, ret, e);
}

int container_open_locked(const char *root, const char *id, Container *ret, Error *e) {
        return open_container(root, id, true, ret, e);
}

int container_unlock(Container *c, Error *e) {
        return flock(c->dir_fd, LOCK_UN) < 0 ? error_set(e, errno, "cannot unlock '%s': %m", c->id)
                                             : 0;
}

int container_lock(Container *c, Error *e) {
        int r = lock_directory(c);

        return r < 0 ? error_set(e, r, "cannot lock '%s': %m", c->id) : 0;
}

int container_save(Container *c, Error *e) {
        _cleanup_(buf_done) Buf text = {};

        if (oci_state_write(&c->state, &text) < 0)
                return error_oom(e);
        int r = file_write_atomic(c->dir_fd, RECORD, text.p, text.n, 0600);
        return r < 0 ? error_set(e, r, "cannot write down the state of '%s': %m", c->id) : 0;
}

int container_take_leader(Container *c, pid_t pid, int pidfd, Error *e) {
        OciState *s = &c->state;
        uint64_t start;
        int r = proc_start_time(pid, &start);

        if (r < 0)
                return error_set(e, r, "cannot look at PID 1 of the container: %m");
        s->pid = (JsonUnsigned){ true, (uint64_t) pid };
        s->start_time = (JsonUnsigned){ true, start };
        free(TAKE_PTR(s->boot_id));
        r = read_boot_id(&s->boot_id, e);
        if (r < 0)
                return r;
        c->pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
        return c->pidfd < 0 ? error_set(e, errno, "cannot keep PID 1 of the container: %m") : 0;
}

/* A FIFO that only PID 1 has open. Return: 1 it is waited at; 0; -errno. */
static int gate_is_shut(const Container *c, int *ret) {
        int fd = openat(c->dir_fd, GATE, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);

        if (fd < 0)
                return errno == ENXIO || errno == ENOENT ? 0 : -errno;
        if (ret)
                *ret = fd;
        else
                (void) close(fd);
        return 1;
}

static bool is_being_made(const Container *c) {
        _cleanup_fd_ int fd = openat(c->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static bool is_frozen(const Container *c) {
        _cleanup_free_ char *mount = NULL, *group = NULL, *file = NULL, *text = NULL;

        if (!c->state.cgroup || cgroup_mount(&mount) < 0)
                return false;
        group = path_join(mount, c->state.cgroup);
        file = group ? path_join(group, "cgroup.freeze") : NULL;
        return file && file_read_line(AT_FDCWD, file, &text) >= 0 && streq(text, "1");
}

int container_status(Container *c, OciStatus *ret, Error *e) {
        int r;

        if (c->pidfd < 0 || !proc_pidfd_is_alive(c->pidfd)) {
                *ret = !c->state.pid.set && is_being_made(c) ? OCI_STATUS_CREATING
                                                             : OCI_STATUS_STOPPED;
                return 0;
        }
        if (!c->state.is_made) {
                *ret = OCI_STATUS_CREATING;
                return 0;
        }
        r = gate_is_shut(c, NULL);
        if (r < 0)
                return error_set(e, r, "cannot look at the gate of '%s': %m", c->id);
        *ret = is_frozen(c) ? OCI_STATUS_PAUSED : r > 0 ? OCI_STATUS_CREATED : OCI_STATUS_RUNNING;
        return 0;
}

int container_signal(Container *c, int signal) {
        return c->pidfd < 0 ? -ESRCH : proc_pidfd_signal(c->pidfd, signal);
}

int container_remove(Container *c, Error *e) {
        static const char *const files[] = { GATE, OUTCOME, CONTAINER_CONFIG, RECORD };

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                if (unlinkat(c->dir_fd, files[i], 0) < 0 && errno != ENOENT)
                        return error_set(e, errno, "cannot remove '%s' of '%s': %m", files[i],
                                         c->id);
        int r = path_remove_tree(c->root_fd, c->id);
        return r < 0 ? error_set(e, r, "cannot remove the directory of '%s': %m", c->id) : 0;
}

static int make_fifo(Container *c, const char *name, Error *e) {
        if (mkfifoat(c->dir_fd, name, 0600) < 0)
                return error_set(e, errno, "cannot make the %s of '%s': %m", name, c->id);
        int fd = openat(c->dir_fd, name, O_RDWR | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open the %s of '%s': %m", name, c->id) : fd;
}

int container_make_gate(Container *c, int *ret_gate, int *ret_outcome, Error *e) {
        _cleanup_fd_ int gate = make_fifo(c, GATE, e);

        if (gate < 0)
                return gate;
        int outcome = make_fifo(c, OUTCOME, e);
        if (outcome < 0)
                return outcome;
        *ret_gate = TAKE_FD(gate);
        *ret_outcome = outcome;
        return 0;
}

int container_open_gate(Container *c, int *ret_outcome, Error *e) {
        _cleanup_fd_ int gate = -EBADF, outcome = -EBADF;
        int r = gate_is_shut(c, &gate);

        if (r == 0)
                return -EALREADY;
        if (r > 0) {
                outcome = openat(c->dir_fd, OUTCOME,
                                 O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
                r = outcome < 0 ? -errno : fd_set_nonblock(outcome, false);
        }
        if (r >= 0)
                r = fd_write_all(gate, "", 1);
        if (r < 0)
                return error_set(e, r, "cannot open the gate of '%s': %m", c->id);
        *ret_outcome = TAKE_FD(outcome);
        return 0;
}
