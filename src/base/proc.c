/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes, see proc.h. Starts nothing by itself and keeps no list of children. */
#include "base/proc.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/parse.h"

#ifndef PID_FS_MAGIC
#define PID_FS_MAGIC 0x50494446
#endif

int proc_pidfd_open(pid_t pid) {
        int fd = (int) syscall(SYS_pidfd_open, pid, 0);

        return fd < 0 ? -errno : fd;
}

/* Value of a "Key:\tvalue" line in a file of /proc. */
static int proc_field(const char *path, const char *key, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t n = strlen(key);
        int r = file_read(AT_FDCWD, path, 64 * 1024, &text, NULL);

        if (r < 0)
                return r;
        for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (strncmp(line, key, n) == 0 && line[n] == ':') {
                        char *value = line + n + 1;
                        value += strspn(value, " \t");
                        *ret = strndup(value, strcspn(value, "\n"));
                        return *ret ? 0 : -ENOMEM;
                }
        return -ENODATA;
}

int proc_pidfd_pid(int pidfd, pid_t *ret) {
        _cleanup_free_ char *value = NULL;
        char path[64];
        int32_t pid;

        (void) snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
        int r = proc_field(path, "Pid", &value);
        if (r < 0)
                return r == -ENODATA ? -EBADF : r;
        r = parse_i32(value, &pid);
        if (r < 0)
                return r;
        if (pid <= 0)
                return pid == 0 ? -EREMOTE : -ESRCH;
        *ret = pid;
        return 0;
}

int proc_pidfd_id(int pidfd, uint64_t *ret) {
        static int has_pidfs = -1; /* the kernel's, the same for every pidfd */
        struct stat st;

        if (has_pidfs < 0) {
                struct statfs fs;
                if (fstatfs(pidfd, &fs) < 0)
                        return -errno;
                has_pidfs = fs.f_type == PID_FS_MAGIC;
        }
        if (!has_pidfs)
                return -EOPNOTSUPP;
        if (fstat(pidfd, &st) < 0)
                return -errno;
        *ret = st.st_ino;
        return 0;
}

int proc_pidfd_signal(int pidfd, int signal) {
        return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

bool proc_pidfd_is_alive(int pidfd) {
        return fd_wait(pidfd, 1 /* POLLIN */, 0) == 0;
}

/* What the older call has no arguments for, or reads differently. */
static bool needs_clone3(const struct clone_args *args) {
        return args->flags >> 32 ||
               (args->flags & (CSIGNAL | CLONE_PARENT_SETTID | CLONE_SETTLS)) || args->stack ||
               args->set_tid_size > 0;
}

pid_t proc_clone3(struct clone_args *args) {
        pid_t pid = (pid_t) syscall(SYS_clone3, args, sizeof *args);

        /* Filters that look at the flags hide clone3(), whose flags they cannot see (systemd's
         * RestrictNamespaces= does). */
        if (pid < 0 && errno == ENOSYS && !needs_clone3(args)) {
                unsigned long flags = (unsigned long) (args->flags | args->exit_signal);
                unsigned long child_tid = (unsigned long) args->child_tid;
                unsigned long pidfd = (unsigned long) args->pidfd;
#ifdef __s390__
                pid = (pid_t) syscall(SYS_clone, 0UL, flags, pidfd, child_tid, 0UL);
#elif defined(__x86_64__) || defined(__m68k__)
                pid = (pid_t) syscall(SYS_clone, flags, 0UL, pidfd, child_tid, 0UL);
#else
                pid = (pid_t) syscall(SYS_clone, flags, 0UL, pidfd, 0UL, child_tid);
#endif
        }
        return pid < 0 ? -errno : pid;
}

int proc_wait(int pidfd, siginfo_t *ret) {
        while (waitid(P_PIDFD, (id_t) pidfd, ret, WEXITED | __WALL) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

int proc_comm(pid_t pid, char **ret) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/comm", pid);
        int r = file_read_line(AT_FDCWD, path, ret);
        return r == -ENOENT ? -ESRCH : r;
}

static int status_number(pid_t pid, const char *key, uint64_t *ret) {
        _cleanup_free_ char *value = NULL;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/status", pid);
        int r = proc_field(path, key, &value);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        value[strcspn(value, " \t")] = '\0';
        return parse_u64(value, 0, UINT32_MAX, ret);
}

int proc_parent(pid_t pid, pid_t *ret) {
        uint64_t v;
        int r = status_number(pid, "PPid", &v);

        if (r >= 0)
                *ret = (pid_t) v;
        return r;
}

/* Field 22; the second one is the process's name, which may hold anything. */
int proc_start_time(pid_t pid, uint64_t *ret) {
        char path[32], text[1024];
        unsigned long long ticks;

        (void) snprintf(path, sizeof path, "/proc/%d/stat", pid);
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -errno : fd_read(fd, text, sizeof text - 1);
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int) n;
        text[n] = '\0';

        const char *p = strrchr(text, ')');
        for (unsigned i = 0; i < 20 && p; i++)
                p = strchr(p + 1, ' ');
        if (!p || sscanf(p, " %llu", &ticks) != 1)
                return -EBADMSG;
        *ret = ticks;
        return 0;
}

int proc_takes_signal(pid_t pid, int signal) {
        static const char *const masks[] = { "SigBlk", "SigCgt" };
        char path[32];

        (void) snprintf(path, sizeof path, "/proc/%d/status", pid);
        for (size_t i = 0; i < ELEMENTSOF(masks); i++) {
                _cleanup_free_ char *value = NULL, *hex = NULL;
                uint64_t mask;
                int r = proc_field(path, masks[i], &value);

                if (r < 0)
                        return r;
                hex = str_format("0x%s", value);
                if (!hex)
                        return -ENOMEM;
                r = parse_u64(hex, 0, UINT64_MAX, &mask);
                if (r < 0)
                        return r;
                if (mask & (UINT64_C(1) << (signal - 1)))
                        return 1;
        }

        /* Who waits in sigtimedwait() has what it waits for unblocked meanwhile, and takes it. */
        _cleanup_free_ char *call = NULL;
        (void) snprintf(path, sizeof path, "/proc/%d/syscall", pid);
        if (file_read_line(AT_FDCWD, path, &call) < 0)
                return 0;
        call[strcspn(call, " ")] = '\0';
        uint64_t number;
        return parse_u64(call, 0, UINT32_MAX, &number) >= 0 && number == SYS_rt_sigtimedwait;
}

int proc_uid(pid_t pid, uid_t *ret) {
        uint64_t v;
        int r = status_number(pid, "Uid", &v);

        if (r >= 0)
                *ret = (uid_t) v;
        return r;
}

int proc_ns_id(pid_t pid, const char *name, uint64_t *ret) {
        char path[64];
        struct stat st;

        if (pid == 0)
                (void) snprintf(path, sizeof path, "/proc/self/ns/%s", name);
        else
                (void) snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
        if (stat(path, &st) < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        *ret = st.st_ino;
        return 0;
}

void idmap_done(IdMap *m) {
        free(m->ranges);
        *m = (IdMap){};
}

static int idmap_add(IdMap *m, const char *line) {
        _cleanup_strv_ char **words = NULL;
        IdRange range;
        int r = str_split(line, " \t", &words);

        if (r < 0)
                return r;
        if (strv_length(words) != 3 || parse_u32(words[0], &range.inside) < 0 ||
            parse_u32(words[1], &range.outside) < 0 || parse_u32(words[2], &range.length) < 0)
                return -EINVAL;

        IdRange *t = reallocarray(m->ranges, m->n + 1, sizeof *t);
        if (!t)
                return -ENOMEM;
        m->ranges = t;
        m->ranges[m->n++] = range;
        return 0;
}

int idmap_parse(const char *text, IdMap *ret) {
        _cleanup_(idmap_done) IdMap m = {};
        _cleanup_strv_ char **lines = NULL;
        int r = str_split(text, "\n", &lines);

        STRV_FOREACH(line, lines) {
                r = idmap_add(&m, *line);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = m;
        m = (IdMap){};
        return 0;
}

int idmap_read(pid_t pid, const char *file, IdMap *ret) {
        _cleanup_free_ char *text = NULL;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
        int r = file_read(AT_FDCWD, path, 64 * 1024, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        return idmap_parse(text, ret);
}

int idmap_to_outside(const IdMap *m, uint32_t inside, uint32_t *ret) {
        for (size_t i = 0; i < m->n; i++)
                if (inside >= m->ranges[i].inside &&
                    inside - m->ranges[i].inside < m->ranges[i].length) {
                        *ret = m->ranges[i].outside + (inside - m->ranges[i].inside);
                        return 0;
                }
        return -ENXIO;
}

int idmap_to_inside(const IdMap *m, uint32_t outside, uint32_t *ret) {
        for (size_t i = 0; i < m->n; i++)
                if (outside >= m->ranges[i].outside &&
                    outside - m->ranges[i].outside < m->ranges[i].length) {
                        *ret = m->ranges[i].inside + (outside - m->ranges[i].outside);
                        return 0;
                }
        return -ENXIO;
}

bool idmap_is_identity(const IdMap *m) {
        for (size_t i = 0; i < m->n; i++)
                if (m->ranges[i].inside != m->ranges[i].outside)
                        return false;
        return true;
}
