/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-importd: the queue of transfers on the bus. It never touches what is transferred: workers
 * (skep-import) do, and they outlive it. */
#include <stdlib.h>
#include <sys/stat.h>

#include "app/report.h"
#include "base/home.h"
#include "base/parse.h"
#include "bus/name.h"
#include "importer/import-bus.h"
#include "importer/import-front.h"

#define IDLE_USEC (30 * UINT64_C(1000000))
#define KILL_USEC (10 * UINT64_C(1000000))

/* How long something takes, which the environment of the service may say otherwise. */
static int read_duration(const char *variable, uint64_t usual, uint64_t *ret, Error *e) {
        const char *value = getenv(variable);

        *ret = usual;
        if (value && parse_duration(value, ret) < 0)
                return error_set(e, EINVAL, "$%s: '%.32s' is no time", variable, value);
        return 0;
}

static int run(ImportManager *m, Error *e) {
        uint64_t idle_usec;
        int r = read_duration("SKEP_IDLE_TIME", IDLE_USEC, &idle_usec, e);

        if (r >= 0)
                r = read_duration("SKEP_CANCEL_TIME", KILL_USEC, &m->kill_usec, e);
        if (r >= 0)
                r = daemon_init(&m->daemon, "skep-importd", report_set_level, e);
        if (r >= 0)
                r = import_manager_init(m, e);
        if (r >= 0)
                r = import_bus_add(m, m->daemon.bus, e);
        if (r >= 0)
                r = import_front_init(m, e);
        if (r >= 0)
                r = import_manager_load(m, e);
        if (r < 0)
                return r;

        import_manager_set_idle_exit(m, idle_usec);
        return daemon_run(&m->daemon, BUS_IMPORT1_NAME, e);
}

int main(int argc, char *argv[]) {
        ImportManager m = { .state_fd = -EBADF, .sweep_pidfd = -EBADF };
        Error e = {};
        int r;

        report_init("skep-importd");
        if (argc == 2 && streq(argv[1], "--version")) {
                (void) puts("skep-importd " SKEP_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc == 2 && streq(argv[1], "--user")) {
                if (home_set_user() < 0) {
                        (void) error_set(&e, ENXIO,
                                         "$XDG_RUNTIME_DIR and $HOME have to be set for --user");
                        return report_error(&e);
                }
        } else if (argc > 1) {
                (void) error_set(&e, EINVAL, "takes no arguments but --user and --version");
                return report_error(&e);
        }
        (void) umask(0022);
        r = run(&m, &e);
        import_manager_done(&m);
        daemon_done(&m.daemon);
        return r < 0 ? report_error(&e) : EXIT_SUCCESS;
}
