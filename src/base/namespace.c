/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Namespaces and limits of another process, see namespace.h. What /proc says of a PID is for the caller to
 * believe, once a pidfd has said that the process still lives. */
#include "base/namespace.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/proc.h"

static const struct {
        const char *name;
        int clone;
        unsigned flag;
} namespaces[] = {
        { "user", CLONE_NEWUSER, NAMESPACE_USER },     { "mnt", CLONE_NEWNS, NAMESPACE_FILES },
        { "pid", CLONE_NEWPID, NAMESPACE_PIDS },       { "uts", CLONE_NEWUTS, NAMESPACE_REST },
        { "ipc", CLONE_NEWIPC, NAMESPACE_REST },       { "net", CLONE_NEWNET, NAMESPACE_REST },
        { "cgroup", CLONE_NEWCGROUP, NAMESPACE_REST }, { "time", CLONE_NEWTIME, NAMESPACE_REST },
};

int namespace_differing(pid_t pid, unsigned which, int *ret) {
        int clone = 0;

        for (size_t i = 0; i < ELEMENTSOF(namespaces); i++) {
                uint64_t theirs, ours;

                if (!(which & namespaces[i].flag))
                        continue;
                int r = proc_ns_id(0, namespaces[i].name, &ours);
                if (r == -ESRCH) /* not in this kernel */
                        continue;
                if (r >= 0)
                        r = proc_ns_id(pid, namespaces[i].name, &theirs);
                if (r < 0)
                        return r;
                if (theirs != ours)
                        clone |= namespaces[i].clone;
        }
        *ret = clone;
        return 0;
}

/* @is_plain: a user entered what is their own, whose processes have the user's groups anyway */
static int become_root(bool is_plain) {
        /* Where setgroups() is denied, they were given up before. */
        if (setgroups(0, NULL) < 0 && (errno != EPERM || (!is_plain && getgroups(0, NULL) > 0)))
                return -errno;
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return -errno;
        return 0;
}

int namespace_enter(int pidfd, int clone, int root_fd) {
        bool is_plain = false;

        /* In there it may be denied, and what we bring along are groups of the host. */
        if (clone & CLONE_NEWUSER)
                is_plain = setgroups(0, NULL) < 0 && geteuid() != 0;
        if (clone != 0 && syscall(SYS_setns, pidfd, clone) < 0)
                return -errno;
        /* Other credentials may have made us dumpable again, if the administrator wants core files of
         * such. */
        if (clone & CLONE_NEWUSER && prctl(PR_SET_DUMPABLE, 0) < 0)
                return -errno;
        if (root_fd >= 0 && (fchdir(root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0))
                return -errno;
        int r = clone & CLONE_NEWUSER ? become_root(is_plain) : 0;
        if (r < 0)
                return r;
        return prctl(PR_SET_DUMPABLE, 0) < 0 ? -errno : 0;
}

static int status_value(const char *text, const char *key, int base, uint64_t *ret) {
        const char *line = strstr(text, key);
        char *end;

        if (!line)
                return -ENODATA;
        line += strlen(key);
        *ret = strtoull(line, &end, base);
        return end == line ? -EINVAL : 0;
}

int process_limits_parse(const char *text, ProcessLimits *ret) {
        uint64_t bounding, nnp, seccomp, uid;
        const char *uids = strstr(text, "\nUid:\t");
        int r = status_value(text, "\nCapBnd:\t", 16, &bounding);

        if (r >= 0)
                r = status_value(text, "\nNoNewPrivs:\t", 10, &nnp);
        /* Kernels that have no filters do not speak of them. */
        if (r >= 0 && status_value(text, "\nSeccomp:\t", 10, &seccomp) < 0)
                seccomp = 0;
        if (r >= 0 && !uids)
                r = -ENODATA;
        if (r < 0)
                return r;
        uids += strlen("\nUid:\t");
        uids += strcspn(uids, "\t\n");
        r = status_value(uids, "\t", 10, &uid);
        if (r < 0 || uids[0] != '\t' || uid > UINT32_MAX)
                return -EINVAL;
        *ret = (ProcessLimits){
                .bounding = bounding,
                .no_new_privs = nnp != 0,
                .filtered = seccomp == 2,
                .uid = (uid_t) uid,
        };
        return 0;
}

int process_limits_read(pid_t pid, ProcessLimits *ret) {
        _cleanup_free_ char *text = NULL;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/status", pid);
        int r = file_read(AT_FDCWD, path, 64 * 1024, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        return process_limits_parse(text, ret);
}

int process_drop_bounding(uint64_t keep) {
        for (unsigned long cap = 0; cap < 64; cap++) {
                if (keep & (UINT64_C(1) << cap))
                        continue;
                int have = prctl(PR_CAPBSET_READ, cap);
                if (have < 0)
                        return 0; /* past the last one that this kernel has */
                if (have > 0 && prctl(PR_CAPBSET_DROP, cap) < 0)
                        return -errno;
        }
        return 0;
}

int process_limits_apply(const ProcessLimits *l) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];
        int r = process_drop_bounding(l->bounding);

        if (r < 0)
                return r;
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
