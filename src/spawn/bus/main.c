/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-spawn-bus: the aide by which skep-spawn uses the system bus. Started with what is to be done as
 * words; see the table for which. */
#include "base/aide.h"
#include "base/parse.h"
#include "spawn/bus-aide.h"
#include "spawn/bus/bus.h"

/* scope MACHINE UNIT PID SIGNAL SLICE [PROPERTY…]: make a scope. With a connection at AIDE_FDS that is the
 * controller's, and the number of the service manager on it comes back as BUS_AIDE_MANAGER. */
static int scope_verb(sd_bus *bus, bool is_lent, char **argv, Error *e) {
        BusScope s = { .machine = argv[0],
                       .unit = argv[1],
                       .slice = argv[4],
                       .properties = argv + 5,
                       .is_controller = is_lent };
        uint64_t manager = 0;
        int r = 0;

        if (parse_pid(argv[2], &s.pid) < 0 || parse_i32(argv[3], &s.kill_signal) < 0)
                return error_set(e, EINVAL, "'%s' or '%s' is not a number", argv[2], argv[3]);
        if (is_lent)
                r = bus_find_manager(bus, &manager, e);
        if (r >= 0)
                r = bus_start_scope(bus, &s, e);
        if (r >= 0 && is_lent)
                (void) handshake_send_id(AIDE_SOCKET, BUS_AIDE_MANAGER, manager);
        return r;
}

/* register MACHINE LEADER UUID DIRECTORY [INTERFACE…]: enter a machine at its manager. */
static int register_verb(sd_bus *bus, bool is_lent, char **argv, Error *e) {
        _cleanup_free_ int *indices = calloc(strv_length(argv), sizeof *indices);
        BusMachine m = { .name = argv[0], .directory = argv[3], .network_indices = indices };

        (void) is_lent;
        if (!indices)
                return error_oom(e);
        if (parse_pid(argv[1], &m.leader) < 0 || id128_parse(argv[2], &m.uuid) < 0)
                return error_set(e, EINVAL, "'%s' is no PID or '%s' is no ID", argv[1], argv[2]);
        STRV_FOREACH(i, argv + 4)
                if (parse_i32(*i, indices + m.n_network++) < 0)
                        return error_set(e, EINVAL, "'%s' is not an interface", *i);
        return bus_register(bus, &m, e);
}

/* limit UNIT PROPERTY…: give a unit that runs other properties. */
static int limit_verb(sd_bus *bus, bool is_lent, char **argv, Error *e) {
        (void) is_lent;
        return bus_set_properties(bus, argv[0], argv + 1, e);
}

/* revert MACHINE UNIT: take a registration and a scope back; "" = there is none. */
static int revert_verb(sd_bus *bus, bool is_lent, char **argv, Error *e) {
        (void) is_lent;
        (void) e;
        if (*argv[0])
                (void) bus_unregister(bus, argv[0], NULL);
        if (*argv[1])
                (void) bus_stop_scope(bus, argv[1], NULL);
        return 0;
}

static const struct {
        const char *name;
        size_t n; /* words that it needs */
        int (*run)(sd_bus *bus, bool is_lent, char **argv, Error *e);
} verbs[] = {
        { "scope", 5, scope_verb },
        { "register", 4, register_verb },
        { "limit", 2, limit_verb },
        { "revert", 2, revert_verb },
};

static int run(char **argv, Error *e) {
        bool is_lent = argv[0] && streq(argv[0], BUS_AIDE_LENT);
        int r = -EINVAL;
        sd_bus *bus = NULL;

        argv += is_lent;
        for (size_t i = 0; argv[0] && i < ELEMENTSOF(verbs); i++) {
                if (!streq(argv[0], verbs[i].name) || strv_length(argv + 1) < verbs[i].n)
                        continue;
                r = bus_open(is_lent ? AIDE_FDS : -EBADF, &bus, e);
                if (r >= 0)
                        r = verbs[i].run(bus, is_lent, argv + 1, e);
                (void) sd_bus_flush_close_unref(bus);
                return r;
        }
        return error_set(e, EINVAL, "skep-spawn-bus is for skep-spawn alone");
}

int main(int argc, char **argv) {
        Error e = {};
        int r = run(argv + (argc > 0), &e);

        return aide_end(r, &e);
}
