/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --oci-bundle=: a document says what runs in it and how; the command line, what it is called outside, which unit it
 * is in and where its terminal goes. */
#include "spawn/spec-settings.h"

#include "base/parse.h"
#include "spawn/console.h"
#include "spawn/oci-cgroup.h"
#include "spawn/oci-spec.h"

#define FIELD(name) offsetof(SpecCommand, spec.name)

/* What is the document's to say must not seem to have been heard. */
static int check_settings(const Settings *s, Error *e) {
        static const size_t allowed[] = {
                FIELD(oci_bundle),      FIELD(settings_mode),
                FIELD(quiet),           FIELD(dry_run),
                FIELD(machine),         FIELD(uuid),
                FIELD(slice),           FIELD(properties),
                FIELD(register_mode),   FIELD(keep_unit),
                FIELD(console),         FIELD(background),
                FIELD(notify_ready),    FIELD(kill_signal),
                FIELD(no_ask_password), offsetof(SpecCommand, nothing),
        };

        for (size_t i = 0; i < s->n; i++) {
                const Assignment *a = s->list + i;
                char place[512];
                bool found = a->origin.variable != NULL;

                for (size_t k = 0; k < ELEMENTSOF(allowed) && !found; k++)
                        found = a->row->at == allowed[k];
                if (found)
                        continue;
                if (a->row->at == FIELD(argv))
                        return error_set(e, EINVAL, "the bundle of --oci-bundle= says what to run");
                return error_set(e, EINVAL, "%s: the bundle of --oci-bundle= says that",
                                 settings_place(a, place, sizeof place));
        }
        return 0;
}

/* Where its control group is, unless that of the unit that we are in is to be used. */
static int place(Spec *spec, Error *e) {
        const char *where = spec->oci->linux_.cgroups_path;

        if (spec->keep_unit || !where || !*where)
                return 0;
        int r = oci_cgroup_fill(spec, where, spec->machine, *where != '/' && strchr(where, ':'), e);
        return r < 0 ? error_wrap(e, r, "linux") : 0;
}

/* What its image would like to be ended with. */
static void take_stop_signal(Spec *spec) {
        const char *name = json_pairs_get(&spec->oci->annotations,
                                          "org.opencontainers.image.stopSignal");
        int signal;

        if (spec->kill_signal == KILL_SIGNAL_UNSET && name && parse_signal(name, &signal) >= 0)
                spec->kill_signal = signal;
}

int spec_take_bundle(Spec *spec, const Settings *s, char ***notes, Error *e) {
        _cleanup_(buf_done) Buf lines = {};
        OciConfig *config = NULL;
        int r = check_settings(s, e);

        if (r >= 0)
                r = oci_spec_read(spec->oci_bundle, &config, e);
        if (r >= 0) {
                r = oci_spec_fill(spec, config, &lines, e);
                if (r < 0)
                        (void) error_wrap(e, r, "%s/config.json", spec->oci_bundle);
        }
        if (r >= 0)
                r = place(spec, e);
        if (r < 0)
                return r;
        take_stop_signal(spec);
        spec->hooks = &spec->oci->hooks;
        spec->console = console_resolve(spec->console);
        return lines.n > 0 && str_split(lines.p, "\n", notes) < 0 ? error_oom(e) : 0;
}
