/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-machined: the registry of machines and images, started by systemd or by a call to its bus name. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "app/report.h"
#include "base/home.h"
#include "machined/manager.h"

/* A pidfd per machine and more per call; the default of 1024 is for programs that use select(). */
static void raise_fd_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char *argv[]) {
        static Manager manager;
        Error e = {};
        int r = 0;

        report_init("skep-machined");
        if (argc == 2 && streq(argv[1], "--version")) {
                (void) puts("skep-machined " SKEP_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && streq(argv[1], "--user")) {
                r = home_set_user();
                if (r < 0) {
                        report(LOG_ERR, "$XDG_RUNTIME_DIR and $HOME have to be set for --user");
                        return EXIT_FAILURE;
                }
        } else if (argc > 1) {
                report(LOG_ERR, "takes no arguments but --user and --version");
                return 2;
        }

        raise_fd_limit();
        /* Names of machines are what we tell others: to look one up we would wait for ourselves. */
        (void) setenv("SKEP_NSS_MYMACHINES", "0", true);
        (void) umask(0022);
        r = manager_init(&manager, report_set_level, &e);
        const bool has_bus = manager.daemon.bus;
        if (r >= 0)
                r = daemon_run(&manager.daemon, BUS_MACHINE1_NAME, &e);
        manager_done(&manager);
        if (r < 0)
                (void) report_error(&e);
        /* A session need not have a bus, and to try again does not get it one. */
        return r >= 0 ? EXIT_SUCCESS : home_is_user() && !has_bus ? EX_UNAVAILABLE : EXIT_FAILURE;
}
