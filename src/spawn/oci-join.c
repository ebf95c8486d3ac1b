/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entering namespaces of others, see oci-join.h. They are opened while nothing of the container runs, so that nobody
 * inside can say what they are. */
#include "spawn/oci-join.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "spawn/oci-spec.h"
#include "spawn/userns.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static const struct {
        const char *name;
        int flag;
} kinds[_OCI_NAMESPACE_MAX] = {
        [OCI_NAMESPACE_PID] = { "PID", CLONE_NEWPID },
        [OCI_NAMESPACE_NETWORK] = { "network", CLONE_NEWNET },
        [OCI_NAMESPACE_IPC] = { "IPC", CLONE_NEWIPC },
        [OCI_NAMESPACE_UTS] = { "UTS", CLONE_NEWUTS },
        [OCI_NAMESPACE_USER] = { "user", CLONE_NEWUSER },
        [OCI_NAMESPACE_CGROUP] = { "control group", CLONE_NEWCGROUP },
        [OCI_NAMESPACE_TIME] = { "time", CLONE_NEWTIME },
};

/* Slots of run->joined_fds are by type. */
struct Joined {
        int fds[_OCI_NAMESPACE_MAX];
};

static bool has_path(const OciNamespace *n) {
        return n->path && *n->path;
}

bool oci_joins(const Spec *spec) {
        for (size_t i = 0; spec->oci && i < spec->oci->linux_.namespaces.n; i++)
                if (has_path(spec->oci->linux_.namespaces.v + i))
                        return true;
        return false;
}

static int open_one(const OciNamespace *n, int *ret, Error *e) {
        _cleanup_fd_ int fd = open(n->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", n->path);
        if (ioctl(fd, NS_GET_NSTYPE) != kinds[n->type].flag)
                return error_set(e, EINVAL, "'%s' is no %s namespace", n->path,
                                 kinds[n->type].name);
        *ret = TAKE_FD(fd);
        return 0;
}

int oci_join_open(const OciConfig *c, Run *run, Error *e) {
        struct Joined *j = calloc(1, sizeof *j);

        if (!j)
                return error_oom(e);
        oci_join_close(run);
        for (size_t i = 0; i < _OCI_NAMESPACE_MAX; i++)
                j->fds[i] = -EBADF;
        run->joined = j;
        for (size_t i = 0; i < c->linux_.namespaces.n; i++) {
                const OciNamespace *n = c->linux_.namespaces.v + i;
                int r = has_path(n) ? open_one(n, j->fds + n->type, e) : 0;
                if (r < 0)
                        return error_wrap(e, r, "linux.namespaces[%zu]", i);
        }
        return 0;
}

void oci_join_close(Run *run) {
        for (size_t i = 0; run->joined && i < _OCI_NAMESPACE_MAX; i++)
                (void) fd_close(run->joined->fds[i]);
        free(run->joined);
        run->joined = NULL;
}

int oci_join_enter(Run *run, Error *e) {
        static const OciNamespaceType now[] = { OCI_NAMESPACE_NETWORK, OCI_NAMESPACE_IPC,
                                                OCI_NAMESPACE_UTS, OCI_NAMESPACE_CGROUP,
                                                OCI_NAMESPACE_TIME };

        /* Who is in there already must not get at what we still have of the host. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot keep our memory to ourselves: %m");
        for (size_t i = 0; i < ELEMENTSOF(now); i++) {
                int fd = run->joined->fds[now[i]];
                if (fd >= 0 && setns(fd, kinds[now[i]].flag) < 0)
                        return error_set(e, errno, "cannot enter the %s namespace: %m",
                                         kinds[now[i]].name);
        }
        if (run->joined->fds[OCI_NAMESPACE_USER] >= 0)
                run->userns_fd = run->joined->fds[OCI_NAMESPACE_USER];
        return 0;
}

int oci_join_open_users(const OciConfig *c, Error *e) {
        int fd = -EBADF, r = open_one(oci_namespace_find(c, OCI_NAMESPACE_USER), &fd, e);

        return r < 0 ? error_wrap(e, r, "linux.namespaces") : fd;
}

int oci_join_users(const Run *run, Error *e) {
        int r = userns_drop_groups(); /* while that cannot be forbidden */

        if (r < 0)
                return error_set(e, r, "cannot leave our groups: %m");
        return setns(run->joined->fds[OCI_NAMESPACE_USER], CLONE_NEWUSER) < 0
                       ? error_set(e, errno, "cannot enter the user namespace: %m")
                       : 0;
}

int oci_join_pid(const Run *run, bool enter, Error *e) {
        _cleanup_fd_ int own = -EBADF;
        int fd = run->joined ? run->joined->fds[OCI_NAMESPACE_PID] : -EBADF;

        if (fd < 0)
                return 0;
        if (!enter)
                fd = own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
        return fd < 0 || setns(fd, CLONE_NEWPID) < 0
                       ? error_set(e, errno, "cannot enter the PID namespace: %m")
                       : 0;
}
