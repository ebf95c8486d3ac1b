/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-spawn --join=, see join-command.h. */
#include "spawn/join-command.h"

#include <unistd.h>

#include "spawn/join-describe.h"
#include "spawn/join-relay.h"
#include "spawn/join.h"
#include "spawn/plan.h"

static bool wants_terminal(ConsoleMode mode) {
        if (mode == CONSOLE_AUTO || mode == CONSOLE_AUTOPIPE)
                return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        return mode == CONSOLE_INTERACTIVE;
}

int join_command(const Spec *spec, int *ret_status, Error *e) {
        _cleanup_(join_target_done) JoinTarget t = JOIN_TARGET_NULL;
        static char root[] = "root";
        _cleanup_(join_request_done) JoinRequest q;
        _cleanup_(joined_done) Joined j = JOINED_NULL;
        _cleanup_(join_relay_done) JoinRelay relay = JOIN_RELAY_NULL;

        const JoinCall call = { .user = spec->user ? spec->user : root,
                                .cwd = spec->working_directory,
                                .command = spec->argv,
                                .environment = spec->environment,
                                .terminal = wants_terminal(spec->console) };

        *ret_status = 125;
        join_request_init(&q);
        int r = join_target_open(spec->join, &t, e);
        if (r >= 0)
                r = join_describe(&call, &t, &q, e);
        if (r >= 0 && !q.terminal)
                r = join_relay_open(&relay, q.stdio, e);
        if (r >= 0)
                r = join_start(&t, &q, &j, ret_status, e);
        return r < 0 ? r : join_wait(&j, &relay, ret_status, e);
}
