/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a machine that runs, see join-target.h, and what its first process is confined by. */
#include "spawn/join-target.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/name.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/proc.h"
#include "image/os-release.h"
#include "spawn/runtime.h"

#define RECORDS_DIR     "/run/systemd/machines"
#define RECORD_SIZE_MAX (64U * 1024)
/* Clocks are set, and a registration is some time after the start. */
#define RECORD_SLACK_USEC (UINT64_C(2) * 1000 * 1000)

void join_target_done(JoinTarget *t) {
        free(t->name);
        (void) fd_close(t->pidfd);
        (void) fd_close(t->root_fd);
        (void) fd_close(t->cgroup_fd);
        *t = JOIN_TARGET_NULL;
}

/* What a record says. */

static int parse_number(char *const *v, const char *key, uint64_t *ret) {
        const char *s = strv_env_get(v, key);

        return s ? parse_u64(s, 0, UINT64_MAX, ret) : 0;
}

int join_record_parse(const char *name, const char *text, size_t n, JoinRecord *ret, Error *e) {
        _cleanup_strv_ char **v = NULL;
        JoinRecord record = {};
        const char *bad = NULL, *uid, *leader;
        int r = os_release_parse(text, n, &v, e);

        if (r < 0)
                return r == -ENOMEM ? r : error_wrap(e, -EBADMSG, "what is registered of it");
        uid = strv_env_get(v, "UID");
        leader = strv_env_get(v, "LEADER");
        if (!streq_ptr(strv_env_get(v, "NAME"), name))
                bad = "NAME";
        else if (!leader || parse_pid(leader, &record.leader) < 0 || record.leader <= 1)
                bad = "LEADER";
        else if (parse_number(v, "LEADER_PIDFDID", &record.leader_id) < 0)
                bad = "LEADER_PIDFDID";
        else if (parse_number(v, "REALTIME", &record.realtime) < 0)
                bad = "REALTIME";
        else if (parse_number(v, "MONOTONIC", &record.monotonic) < 0)
                bad = "MONOTONIC";
        else if (uid && parse_uid(uid, &record.uid) < 0)
                bad = "UID";
        if (bad)
                return error_set(e, EBADMSG, "what is registered of it makes no sense: %s=", bad);
        *ret = record;
        return 0;
}

static uint64_t clock_usec(clockid_t clock) {
        struct timespec t = {};

        (void) clock_gettime(clock, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

/* When a process was made, in µs of CLOCK_BOOTTIME. Return: 0 or -errno. */
static int start_time(pid_t pid, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        unsigned long long ticks;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int r = file_read(AT_FDCWD, path, 4096, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        /* Its name, in which there may be anything, ends with the last parenthesis. */
        const char *p = strrchr(text, ')');
        if (!p || sscanf(p,
                         ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d"
                         " %*d %llu",
                         &ticks) != 1)
                return -EBADMSG;
        *ret = ticks * 1000000 / (uint64_t) sysconf(_SC_CLK_TCK);
        return 0;
}

/* Whether the PID has gone to somebody else since. One clock may have been set and the other stood still
 * while the machine slept: who looks younger by both is. */
static bool is_younger(pid_t pid, const JoinRecord *record) {
        uint64_t start, real = clock_usec(CLOCK_REALTIME), boot = clock_usec(CLOCK_BOOTTIME);

        if (record->realtime == 0 || record->monotonic == 0 || start_time(pid, &start) < 0)
                return false;
        return start > record->monotonic + RECORD_SLACK_USEC &&
               real - (boot - start) > record->realtime + RECORD_SLACK_USEC;
}

/* Return: 0 and a pidfd of the leader; -ENXIO nobody knows the name; -errno. */
static int open_registered(const char *name, pid_t *ret_pid, Error *e) {
        _cleanup_free_ char *path = path_join(RECORDS_DIR, name), *text = NULL;
        JoinRecord record;
        struct stat st;
        uint64_t id;
        size_t n;

        if (!path)
                return error_oom(e);
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return error_set(e, ENXIO, "no machine '%s' is running", name);
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022))
                return error_set(e, EPERM, "'%s' can be written by others than root", path);
        int r = fd_read_all(fd, RECORD_SIZE_MAX, &text, &n);
        if (r < 0)
                return error_set(e, r, "cannot read '%s': %m", path);
        r = join_record_parse(name, text, n, &record, e);
        if (r < 0)
                return error_wrap(e, r, "machine '%s'", name);
        if (record.uid != 0)
                return error_set(e, EPERM,
                                 "machine '%s' belongs to user %u; to go there all the same, give"
                                 " the PID of its first process, %d",
                                 name, record.uid, record.leader);

        _cleanup_fd_ int pidfd = proc_pidfd_open(record.leader);
        if (pidfd >= 0 && record.leader_id != 0 && proc_pidfd_id(pidfd, &id) >= 0 &&
            id != record.leader_id)
                pidfd = fd_close(pidfd);
        if (pidfd < 0 || is_younger(record.leader, &record))
                return error_set(e, ESRCH, "machine '%s' has ended", name);
        *ret_pid = record.leader;
        return TAKE_FD(pidfd);
}

/* Of a machine that we started. Return: as above. */
static int open_own(const char *name, pid_t *ret_pid, pid_t *ret_supervisor, Error *e) {
        pid_t again;
        int r = runtime_find(name, ret_supervisor, NULL);

        if (r == -ENOENT)
                return -ENXIO;
        if (r < 0)
                return error_set(e, r, "cannot look for machine '%s': %m", name);
        r = runtime_leader(*ret_supervisor, ret_pid);
        _cleanup_fd_ int pidfd = r < 0 ? r : proc_pidfd_open(*ret_pid);
        /* It is still the one, so it was when we opened it. */
        if (pidfd < 0 || runtime_leader(*ret_supervisor, &again) < 0 || again != *ret_pid)
                return error_set(e, ESRCH, "machine '%s' is just starting, or ending", name);
        return TAKE_FD(pidfd);
}

/* Which of our supervisors is its parent. */
static pid_t supervisor_of(pid_t pid) {
        _cleanup_free_ char *name = NULL;
        pid_t parent;

        if (proc_parent(pid, &parent) < 0 || parent <= 1 || runtime_find(NULL, &parent, &name) < 0)
                return 0;
        return parent;
}

void join_target_find_supervisor(JoinTarget *t) {
        t->supervisor = supervisor_of(t->pid);
}

static int open_cgroup(JoinTarget *t, Error *e) {
        _cleanup_free_ char *mount = NULL, *group = NULL;
        int r = cgroup_of_pid(t->pid, &group);

        if (r >= 0)
                r = cgroup_mount(&mount);
        if (r == -ENODATA || r == -ENOENT)
                return 0;
        if (r < 0)
                return error_set(e, r, "cannot find the control group of %s: %m", t->name);
        _cleanup_free_ char *path = streq(group, "/") ? strdup(mount) : path_join(mount, group);
        if (!path)
                return error_oom(e);
        if (!path_is_absolute_clean(path)) /* "/../…" */
                return error_set(e, ENXIO, "the control group of %s is outside of our own",
                                 t->name);
        t->cgroup_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return t->cgroup_fd < 0
                       ? error_set(e, errno, "cannot open the control group of %s: %m", t->name)
                       : 0;
}

bool join_target_is_paused(const JoinTarget *t) {
        _cleanup_free_ char *text = NULL;

        return t->cgroup_fd >= 0 &&
               file_read(t->cgroup_fd, "cgroup.events", 4096, &text, NULL) >= 0 &&
               strstr(text, "frozen 1");
}

static int look_at(JoinTarget *t, Error *e) {
        char path[64];
        int r = process_limits_read(t->pid, &t->limits);

        if (r >= 0)
                r = namespace_differing(t->pid, NAMESPACE_ALL, &t->clone);
        if (r < 0)
                return r == -ESRCH ? r : error_set(e, r, "cannot look at %s: %m", t->name);
        if (t->clone == 0)
                return error_set(e, EPERM, "%s is in no machine: it shares all namespaces with us",
                                 t->name);
        (void) snprintf(path, sizeof path, "/proc/%d/root", t->pid);
        t->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (t->root_fd < 0)
                return errno == ENOENT
                               ? -ESRCH
                               : error_set(e, errno, "cannot open the root directory of %s: %m",
                                           t->name);
        return open_cgroup(t, e);
}

int join_target_open_pid(pid_t pid, int pidfd, const char *name, JoinTarget *ret, Error *e) {
        _cleanup_(join_target_done) JoinTarget t = JOIN_TARGET_NULL;
        int r = 0;

        t.pid = pid;
        t.pidfd = pidfd >= 0 ? pidfd : (r = proc_pidfd_open(pid));
        t.name = strdup(name);
        if (!t.name)
                return error_oom(e);
        if (r < 0)
                return error_set(e, r, "cannot join %s: %m", t.name);
        r = look_at(&t, e);
        if (r == -ESRCH || (r >= 0 && !proc_pidfd_is_alive(t.pidfd)))
                return error_set(e, ESRCH, "%s has ended", t.name);
        if (r < 0)
                return r;
        if (join_target_is_paused(&t))
                return error_set(e, EBUSY, "%s is paused: nothing can be run in it", t.name);
        *ret = t;
        t = JOIN_TARGET_NULL;
        return 0;
}

int join_target_open(const char *what, JoinTarget *ret, Error *e) {
        pid_t pid, supervisor = 0;
        char name[HOST_NAME_LENGTH_MAX + 16];
        int r, pidfd = -EBADF;

        if (parse_pid(what, &pid) >= 0) {
                (void) snprintf(name, sizeof name, "process %d", pid);
                supervisor = supervisor_of(pid);
        } else if (hostname_is_valid(what)) {
                (void) snprintf(name, sizeof name, "machine '%s'", what);
                pidfd = open_own(what, &pid, &supervisor, e);
                if (pidfd == -ENXIO)
                        pidfd = open_registered(what, &pid, e);
                if (pidfd < 0)
                        return pidfd;
        } else
                return error_set(e, EINVAL, "'%.80s' is neither the name of a machine nor a PID",
                                 what);
        r = join_target_open_pid(pid, pidfd, name, ret, e);
        if (r >= 0)
                ret->supervisor = supervisor;
        return r;
}

int join_target_environment(const JoinTarget *t, char **ret, size_t *ret_n, Error *e) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/environ", t->pid);
        int r = file_read(AT_FDCWD, path, 4 << 20, ret, ret_n);
        return r < 0 ? error_set(e, r, "cannot read the environment of %s: %m", t->name) : 0;
}
