/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run: create and start in one, and wait for the end unless told otherwise. */
#include <signal.h>
#include <sys/prctl.h>

#include "spawn/join.h"
#include "spawn/oci/launch.h"

/* The relay of a command in a machine knows all of this: signals go to it, and its terminal is ours. */
static int wait_for_end(Launch *l, int *ret_status, Error *e) {
        Run *run = &l->engine.run;
        Joined j = { .pid = run->leader,
                     .pidfd = TAKE_FD(run->leader_fd),
                     .terminal_fd = TAKE_FD(run->console_fd) };
        int r = join_wait(&j, NULL, ret_status, e);

        joined_done(&j);
        return r;
}

/* Those that join_wait() passes on: none may come before it is there. */
static void hold_signals(void) {
        static const int passed[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
        sigset_t set;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(passed); i++)
                (void) sigaddset(&set, passed[i]);
        (void) sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Somebody else may have done so. */
static int remove_it(Oci *oci, Container *c, Error *e) {
        int r = container_lock(c, e);

        if (r >= 0)
                r = launch_remove(oci, c, e);
        return r == -ENOENT ? 0 : r;
}

int oci_run(Oci *oci, char *const *args, Error *e) {
        _cleanup_(launch_done) Launch l;
        int r, status = 0;

        launch_init(&l, oci);
        if (!oci->o.no_subreaper && !oci->o.detach && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot adopt what the container leaves behind: %m");
        if (!oci->o.detach)
                hold_signals();
        r = launch_create(&l, args[0], false, e);
        if (r >= 0)
                r = launch_poststart(oci, &l.container, l.spec.oci, e);
        if (r < 0)
                return r;
        if (oci->o.detach) {
                launch_leave(&l);
                return 0;
        }
        /* Whoever wants to look at it or kill it must not have to wait for its end. */
        r = container_unlock(&l.container, e);
        if (r >= 0)
                r = wait_for_end(&l, &status, e);
        launch_leave(&l);
        if (oci->o.keep)
                return r < 0 ? r : status;
        int removed = remove_it(oci, &l.container, r < 0 ? NULL : e);
        return r < 0 ? r : removed < 0 ? removed : status;
}
