/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kill, delete, pause, resume: what is done to all of a container. */
#include <poll.h>
#include <signal.h>

#include "base/parse.h"
#include "spawn/oci/group.h"
#include "spawn/oci/launch.h"
#include "spawn/oci/oci.h"

#define END_USEC (UINT64_C(10) * 1000 * 1000)

static int read_signal(const char *text, int *ret, Error *e) {
        _cleanup_free_ char *upper = strdup(text);

        if (!upper)
                return error_oom(e);
        for (char *c = upper; *c; c++)
                if (*c >= 'a' && *c <= 'z')
                        *c = (char) (*c - 'a' + 'A');
        return parse_signal(upper, ret) < 0 ? error_set(e, EINVAL, "unknown signal \"%.60s\"", text)
                                            : 0;
}

int oci_kill(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        int signal = SIGTERM, r = container_open(oci->o.root, args[0], &c, e);

        if (r >= 0 && args[1])
                r = read_signal(args[1], &signal, e);
        if (r < 0)
                return r;
        if (oci->o.all)
                return group_signal(&c, signal, e);
        r = container_signal(&c, signal);
        if (r == -ESRCH)
                return error_set(e, r, "container not running");
        if (r < 0)
                return error_set(e, r, "cannot send %s to the container: %m", signal_name(signal));
        /* Nobody ends with PID 1 where it is not the one of a namespace. */
        return signal == SIGKILL && c.state.shares_pids ? group_signal(&c, signal, e) : 0;
}

/* Kills PID 1, and waits: its end takes as long as the kernel needs for what it held. */
static int end(Container *c, Error *e) {
        int r = container_signal(c, SIGKILL);

        if (r == -ESRCH)
                return 0;
        if (r >= 0)
                r = fd_wait(c->pidfd, POLLIN, END_USEC);
        if (r == 0)
                r = -ETIMEDOUT;
        return r < 0 ? error_set(e, r, "cannot end the container: %m") : 0;
}

static int may_delete(Oci *oci, Container *c, Error *e) {
        OciStatus status;
        int r = container_status(c, &status, e);

        if (r < 0 || oci->o.force || status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATED)
                return r;
        return error_set(e, EBUSY, "cannot delete container %s that is not stopped: %s", c->id,
                         oci_status_name(status));
}

int oci_delete(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        int r = container_open_locked(oci->o.root, args[0], &c, e);

        if (r == -ENOENT && oci->o.force)
                return 0;
        if (r >= 0)
                r = may_delete(oci, &c, e);
        if (r >= 0)
                r = end(&c, e);
        return r < 0 ? r : launch_remove(oci, &c, e);
}

static int open_with_status(Oci *oci, const char *id, Container *ret, OciStatus *ret_status,
                            Error *e) {
        int r = container_open_locked(oci->o.root, id, ret, e);

        return r < 0 ? r : container_status(ret, ret_status, e);
}

int oci_pause(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        OciStatus status;
        int r = open_with_status(oci, args[0], &c, &status, e);

        if (r < 0)
                return r;
        if (status != OCI_STATUS_RUNNING && status != OCI_STATUS_CREATED)
                return error_set(e, ESRCH, "container not running or created: %s",
                                 oci_status_name(status));
        r = group_freeze(&c, true, e);
        if (r == -ETIMEDOUT)
                (void) group_freeze(&c, false, NULL);
        return r;
}

int oci_resume(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        OciStatus status;
        int r = open_with_status(oci, args[0], &c, &status, e);

        if (r < 0)
                return r;
        if (status != OCI_STATUS_PAUSED)
                return error_set(e, EINVAL, "container not paused");
        return group_freeze(&c, false, e);
}
