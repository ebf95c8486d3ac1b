/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What containers want of the kernel, see oci-kernel.h. */
#include "spawn/oci-kernel.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/oci-spec.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

bool oci_kernel_wants_clocks(const Spec *spec) {
        return spec->oci && oci_spec_has_new(spec->oci, OCI_NAMESPACE_TIME);
}

bool oci_kernel_wants_domain(const Spec *spec) {
        return spec->oci && spec->oci->domainname && *spec->oci->domainname;
}

bool oci_kernel_wants_priority(const Spec *spec) {
        return spec->oci && (spec->oci->process->scheduler || spec->oci->process->io_priority);
}

bool oci_kernel_wants_sysctl(const Spec *spec) {
        return spec->oci && spec->oci->linux_.sysctl.n > 0;
}

/* The new namespace is that of children at first; its offsets can be set as long as nobody is in it. */
int oci_kernel_clocks(const OciLinux *l, Error *e) {
        _cleanup_(buf_done) Buf text = {};
        int r = 0;

        if (unshare(CLONE_NEWTIME) < 0)
                return error_set(e, errno, "cannot make a time namespace: %m");
        for (size_t i = 0; i < l->time_offsets.n && r >= 0; i++)
                r = buf_printf(&text, "%s %" PRIi64 " %" PRIu64 "\n", l->time_offsets.v[i].name,
                               l->time_offsets.v[i].seconds.value,
                               l->time_offsets.v[i].nanoseconds.value);
        if (r < 0)
                return error_oom(e);
        r = text.n > 0 ? file_write(AT_FDCWD, "/proc/self/timens_offsets", text.p, 0, 0) : 0;
        if (r < 0)
                return error_set(e, r, "linux.timeOffsets: %m");
        _cleanup_fd_ int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
        return fd < 0 || setns(fd, CLONE_NEWTIME) < 0
                       ? error_set(e, errno, "cannot enter the time namespace: %m")
                       : 0;
}

int oci_kernel_domain(const OciConfig *c, Error *e) {
        return setdomainname(c->domainname, strlen(c->domainname)) < 0
                       ? error_set(e, errno, "cannot set the domain name '%s': %m", c->domainname)
                       : 0;
}

/* As the kernel has it; its header and that of the C library do not go together. */
typedef struct SchedulerAttributes {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
        uint32_t util_min, util_max;
} SchedulerAttributes;

static int set_scheduler(const OciScheduler *s, pid_t pid, Error *e) {
        static const uint32_t policies[_OCI_SCHED_MAX] = {
                [OCI_SCHED_FIFO] = SCHED_FIFO,   [OCI_SCHED_RR] = SCHED_RR,
                [OCI_SCHED_BATCH] = SCHED_BATCH, [OCI_SCHED_ISO] = 4,
                [OCI_SCHED_IDLE] = SCHED_IDLE,   [OCI_SCHED_DEADLINE] = 6,
        };
        SchedulerAttributes a = {
                .size = sizeof a,
                .policy = policies[s->policy],
                .flags = s->flags >> OCI_SCHED_FLAG_RESET_ON_FORK, /* in the kernel's order */
                .nice = (int32_t) s->nice.value,
                .priority = (uint32_t) s->priority.value,
                .runtime = s->runtime.value,
                .deadline = s->deadline.value,
                .period = s->period.value,
        };

        return syscall(SYS_sched_setattr, pid, &a, 0) < 0
                       ? error_set(e, errno, "process.scheduler: %m")
                       : 0;
}

static int set_io_priority(const OciIoPriority *p, pid_t pid, Error *e) {
        /* Classes count from real time on, as they do in the kernel; 1 = one process. */
        long value = (long) p->class << 13 | (long) p->priority.value;

        return p->class != OCI_IO_CLASS_UNSET && syscall(SYS_ioprio_set, 1, pid, value) < 0
                       ? error_set(e, errno, "process.ioPriority: %m")
                       : 0;
}

int oci_kernel_priority(const OciProcess *p, pid_t pid, Error *e) {
        int r = p->scheduler ? set_scheduler(p->scheduler, pid, e) : 0;

        return r >= 0 && p->io_priority ? set_io_priority(p->io_priority, pid, e) : r;
}

/* Which parameters are a namespace's. */
static const struct {
        OciNamespaceType type;
        const char *path;
        bool folder;
} owners[] = {
        { OCI_NAMESPACE_IPC, "kernel/msgmax", false },
        { OCI_NAMESPACE_IPC, "kernel/msgmnb", false },
        { OCI_NAMESPACE_IPC, "kernel/msgmni", false },
        { OCI_NAMESPACE_IPC, "kernel/msg_next_id", false },
        { OCI_NAMESPACE_IPC, "kernel/sem", false },
        { OCI_NAMESPACE_IPC, "kernel/sem_next_id", false },
        { OCI_NAMESPACE_IPC, "kernel/shmall", false },
        { OCI_NAMESPACE_IPC, "kernel/shmmax", false },
        { OCI_NAMESPACE_IPC, "kernel/shmmni", false },
        { OCI_NAMESPACE_IPC, "kernel/shm_next_id", false },
        { OCI_NAMESPACE_IPC, "kernel/shm_rmid_forced", false },
        { OCI_NAMESPACE_IPC, "fs/mqueue/", true },
        { OCI_NAMESPACE_NETWORK, "net/", true },
        { OCI_NAMESPACE_UTS, "kernel/domainname", false },
        { OCI_NAMESPACE_USER, "user/", true },
};

static bool is_owned(const OciConfig *c, const char *path) {
        for (size_t i = 0; i < ELEMENTSOF(owners); i++)
                if (owners[i].folder ? str_skip_prefix(path, owners[i].path) != NULL
                                     : streq(path, owners[i].path))
                        return oci_spec_has_any(c, owners[i].type);
        return false;
}

int oci_kernel_check_sysctl(const OciConfig *c, const char *name, char **ret, Error *e) {
        _cleanup_free_ char *path = strdup(name);
        size_t first = strcspn(name, "./");

        if (!path)
                return error_oom(e);
        /* Whichever comes first divides; the other one is part of a name. */
        for (char *p = path; name[first] == '.' && *p; p++)
                *p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
        _cleanup_free_ char *absolute = str_format("/%s", path);
        if (!absolute)
                return error_oom(e);
        if (!*path || !path_is_absolute_clean(absolute))
                return error_set(e, EINVAL, "linux.sysctl: '%.80s' is not the name of a parameter",
                                 name);
        if (!is_owned(c, path))
                return error_set(e, EINVAL,
                                 "linux.sysctl: '%.80s' belongs to no namespace that the container"
                                 " has for itself",
                                 name);
        *ret = TAKE_PTR(path);
        return 0;
}

int oci_kernel_sysctl(const OciConfig *c, Error *e) {
        _cleanup_fd_ int dir_fd = open("/proc/sys", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct statfs fs;

        if (dir_fd < 0 || fstatfs(dir_fd, &fs) < 0)
                return error_set(e, errno, "cannot open /proc/sys of the host: %m");
        if (fs.f_type != PROC_SUPER_MAGIC)
                return error_set(e, EXDEV, "/proc of the host is no proc");
        for (size_t i = 0; i < c->linux_.sysctl.n; i++) {
                const JsonPair *p = c->linux_.sysctl.v + i;
                _cleanup_free_ char *path = NULL;
                int r = oci_kernel_check_sysctl(c, p->name, &path, e);

                if (r < 0)
                        return r;
                _cleanup_fd_ int fd = path_open_beneath(dir_fd, path, O_WRONLY, 0);
                r = fd < 0 ? fd : fd_write_all(fd, p->value, strlen(p->value));
                if (r < 0)
                        return error_set(e, r, "linux.sysctl: cannot set '%.80s' to '%.40s': %m",
                                         p->name, p->value);
        }
        return 0;
}
