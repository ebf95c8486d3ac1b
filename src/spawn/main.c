/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-spawn: runs one machine. Reads what it is to be, starts it, and stays until it has ended; what
 * that takes is in the other rooms. */
#include <sys/auxv.h>
#include <unistd.h>

#include "app/help.h"
#include "app/report.h"
#include "base/fd.h"
#include "spawn/attach.h"
#include "spawn/engine.h"
#include "spawn/exchange.h"
#include "spawn/front.h"
#include "spawn/join-command.h"
#include "spawn/keeper.h"
#include "spawn/oci-start.h"
#include "spawn/runtime.h"
#include "spawn/spec-settings.h"

static void report_lines(Buf *lines, void (*say)(const char *format, ...)) {
        char *save = NULL;

        if (lines->n == 0)
                return;
        for (char *l = strtok_r(lines->p, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
                say("%s", l);
        lines->n = 0;
}

static int dry_run(Engine *g, Error *e) {
        _cleanup_(buf_done) Buf out = {};
        int r = engine_plan(g, e);

        if (r < 0)
                return r;
        if (plan_format(g->spec, &g->plan, &out) < 0 ||
            (g->spec->image && disk_plan_format(&g->disk.plan, &out) < 0) ||
            (g->spec->is_stack && mstack_format(&g->stack.found, &out) < 0))
                return error_oom(e);
        r = fd_write_all(STDOUT_FILENO, out.p, out.n);
        return r < 0 ? error_set(e, r, "cannot write: %m") : 0;
}

/* A container's hooks run until it is gone, whatever became of it. */
static int run_container(Engine *g, int *ret_status, Error *e) {
        OciState state = {};
        int r = oci_start(g, &state, ret_status, e);

        if (r >= 0) {
                report_lines(&g->notes, report_note);
                runtime_sweep(g->spec->machine);
                r = keeper_run(g->spec, &g->run, ret_status, e);
                if (r < 0)
                        *ret_status = EXIT_SETUP;
                /* Who drives a container decides whether it starts again. */
                if (r == KEEPER_REBOOT)
                        *ret_status = g->spec->keep_unit ? EXIT_REBOOT : 128 + SIGHUP;
        }
        oci_stop(g, &state);
        report_lines(&g->notes, report_note);
        g->run.oci_state = NULL;
        return MIN(r, 0);
}

/* Starts the machine as often as it reboots. Return: 0 and the status to exit with, or -errno. */
static int run(Engine *g, int *ret_status, Error *e) {
        for (;;) {
                int r = engine_start(g, ret_status, e);
                if (r < 0)
                        return r;
                if (g->notes.n > 0)
                        report_lines(&g->notes, report_note);
                runtime_sweep(g->spec->machine);
                if (g->spec->console == CONSOLE_INTERACTIVE && !g->run.is_detached)
                        report_note(
                                "^] three times within a second ends '%s'; ^] ^] p powers it off,"
                                " ^] ^] r reboots it%s",
                                g->spec->machine,
                                g->run.front_fd >= 0 ? ", ^] ^] d leaves it running" : "");

                r = keeper_run(g->spec, &g->run, ret_status, e);
                if (r != KEEPER_REBOOT || g->spec->keep_unit)
                        engine_release_image(g);
                if (r < 0) {
                        *ret_status = EXIT_SETUP;
                        return r;
                }
                if (r != KEEPER_REBOOT)
                        return 0;
                if (g->spec->keep_unit) {
                        *ret_status = EXIT_REBOOT;
                        return 0;
                }
                engine_stop(g);
        }
}

static int start(Engine *g, int *ret_status, Error *e) {
        if (front_is_wanted(g->spec)) {
                int r = front_split(g->spec, &g->run.front_fd, ret_status, e);
                if (r <= 0)
                        return r;
        }
        return g->spec->oci ? run_container(g, ret_status, e) : run(g, ret_status, e);
}

/* What is left of a machine that does not run. The next start would remove it as well. */
static int cleanup(const Spec *spec, Error *e) {
        Run run = RUN_NULL;
        int r = runtime_apply(spec, &run, e);

        if (r >= 0)
                exchange_remove(spec->machine);
        runtime_revert(spec, &run);
        run_done(&run);
        return r;
}

int main(int argc, char **argv) {
        _cleanup_(spec_done) Spec spec;
        _cleanup_(engine_done) Engine engine;
        _cleanup_strv_ char **notes = NULL;
        int status = EXIT_SETUP, r;
        Error e = {};

        report_init("skep-spawn");
        spec_init(&spec);
        engine_init(&engine, &spec);

        r = help_hidden(spec_help(), argv + (argc > 0));
        if (r != 0)
                return r < 0 ? EXIT_SETUP : 0;
        r = spec_read(argv + (argc > 0), &spec, &notes, &e);
        if (spec.quiet)
                report_set_level(LOG_WARNING);
        STRV_FOREACH(n, notes)
                report_warning("%s", *n);
        if (r == SPEC_READ_DONE)
                return 0;
        if (r >= 0 && spec.attach)
                r = attach_command(spec.attach, &status, &e);
        else if (r >= 0 && spec.join)
                r = join_command(&spec, &status, &e);
        else if (r >= 0 && spec.dry_run) {
                r = dry_run(&engine, &e);
                status = r < 0 ? EXIT_SETUP : 0;
        } else if (r >= 0 && spec.cleanup) {
                r = cleanup(&spec, &e);
                status = r < 0 ? EXIT_SETUP : 0;
        } else if (r >= 0)
                r = start(&engine, &status, &e);
        /* Of what the kernel is asked first, a user only sees that something is denied. */
        if ((r == -EACCES || r == -EPERM) && getauxval(AT_EUID) != 0 && !spec.attach && !spec.join)
                (void) error_wrap(
                        &e, r, "machines are started by root alone (\"skep start\" asks for that)");
        if (r < 0)
                (void) report_error(&e);
        engine.notes.n = 0;
        engine_stop(&engine);
        if (engine.notes.n > 0)
                report_lines(&engine.notes, report_warning);
        return status;
}
