/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* create, start, run: from a bundle to a payload that runs. */
#include "base/fd.h"
#include "base/handshake.h"
#include "spawn/oci-hooks.h"
#include "spawn/oci/launch.h"
#include "spawn/oci/ready.h"

int oci_create(Oci *oci, char *const *args, Error *e) {
        _cleanup_(launch_done) Launch l;
        int r;

        launch_init(&l, oci);
        r = launch_create(&l, args[0], true, e);
        if (r >= 0)
                launch_leave(&l);
        return r;
}

/* What comes out of the other FIFO: nothing if it runs, else one number. */
static int hear_outcome(int fd, const OciConfig *config, Error *e) {
        const char *const *argv = (const char *const *) config->process->args;
        HandshakeHead m;
        ssize_t n = fd_read(fd, &m, sizeof m);

        if (n == 0)
                return 0;
        if (n != sizeof m || m.type != HANDSHAKE_ID)
                return error_set(e, n < 0 ? (int) n : EPROTO, "cannot tell whether it runs: %m");
        if (m.number == RUN_ID_HOOK)
                return oci_hooks_explain(m.value, e);
        if (m.value == 0 || m.value > 4095)
                return error_set(e, EPROTO, "PID 1 said what nobody knows");
        if (m.number == RUN_ID_LABEL)
                return error_set(e, (int) m.value, "cannot give the process its label: %m");
        return error_set(e, (int) m.value, "cannot execute '%s': %m%s", argv[0],
                         m.value == ENOENT ? " (its interpreter)" : "");
}

int oci_start(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        _cleanup_(oci_config_freep) OciConfig *config = NULL;
        _cleanup_fd_ int outcome = -EBADF, ready = -EBADF;
        OciStatus status;
        int r = container_open_locked(oci->o.root, args[0], &c, e);

        if (r >= 0)
                r = container_status(&c, &status, e);
        if (r < 0)
                return r;
        if (status == OCI_STATUS_STOPPED)
                return error_set(e, ESRCH, "cannot start a container that has stopped");
        if (status != OCI_STATUS_CREATED)
                return error_set(e, EALREADY, "cannot start an already running container");
        r = launch_config(&c, &config, e);
        if (r >= 0 && ready_is_wanted()) {
                r = ready = ready_listen(&c, e);
                r = r == -ENOENT ? 0 : r;
        }
        if (r >= 0)
                r = container_open_gate(&c, &outcome, e);
        if (r >= 0)
                r = hear_outcome(outcome, config, e);
        if (r >= 0)
                r = launch_poststart(oci, &c, config, e);
        if (r < 0 || ready < 0)
                return r;
        /* It may take its time, in which others want to look at it, and to end it. */
        r = container_unlock(&c, e);
        return r < 0 ? r : ready_wait(&c, ready, e);
}
