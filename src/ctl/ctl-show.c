/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* show and show-image: properties as they are, for scripts. The view for people is ctl-status.c. */
#include "ctl/client.h"
#include "ctl/machine-ports.h"
#include "ctl/property.h"
#include "ctl/verbs.h"

/* What one call of show goes through. */
typedef struct Show {
        Ctl *c;
        const char *interface;
        bool is_machine;
        unsigned shown;
} Show;

/* There --output is of the journal alone. */
static bool wants_json(const Ctl *c) {
        return ctl_is_json(c) && !(c->is_machinectl && c->o.journal_json);
}

/* @name: of it; NULL = the manager */
static int show_object(Show *s, const char *path, const char *name, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(properties_done) Properties p = {};
        const CtlOptions *o = &s->c->o;
        PropertyStyle style = { .names = o->properties, .all = o->all, .values = o->value };
        bool pretty = o->json == CTL_JSON_PRETTY;
        int r = client_properties(s->c, BUS_MACHINE1_NAME, path, s->interface, &reply, e);

        if (r < 0)
                return r;
        r = properties_read(reply, &p);
        if (r < 0)
                return error_set(e, r, "cannot read properties: %m");
        if (name && s->is_machine && !s->c->is_machinectl &&
            machine_ports_property(s->c, name, &p) < 0)
                return error_oom(e);

        if (wants_json(s->c)) {
                r = buf_puts(&s->c->out, s->shown == 0 ? "" : pretty ? ",\n" : ",");
                if (r >= 0)
                        r = properties_format_json(&p, &style, pretty, &s->c->out);
        } else {
                size_t before = s->c->out.n;

                if (s->shown > 0)
                        r = buf_puts(&s->c->out, "\n");
                if (r >= 0)
                        r = properties_format(&p, &style, &s->c->out);
                if (s->c->out.n == before)
                        return 0;
        }
        s->shown++;
        return r < 0 ? error_oom(e) : 0;
}

static int show(Ctl *c, char *const *names, const char *get, const char *interface, Error *e) {
        Show s = { .c = c,
                   .is_machine = streq(get, "GetMachine"),
                   .interface = names[0] ? interface : BUS_MACHINE1_MANAGER };
        bool pretty = c->o.json == CTL_JSON_PRETTY;
        int status = EXIT_SUCCESS, r = 0;

        if (wants_json(c))
                r = buf_puts(&c->out, pretty ? "[\n" : "[");
        if (r >= 0 && !names[0]) {
                r = show_object(&s, BUS_MACHINE1_PATH, NULL, e);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; names[i] && r >= 0; i++) {
                _cleanup_free_ char *path = NULL;
                Error error = {};

                r = client_get(c, get, names[i], &path, &error);
                if (r >= 0)
                        r = show_object(&s, path, names[i], &error);
                if (r < 0)
                        status = ctl_report(c, &error);
                r = 0;
        }
        if (wants_json(c))
                r = buf_puts(&c->out, pretty && s.shown > 0 ? "\n]\n" : "]\n");
        return r < 0 ? error_oom(e) : status;
}

int verb_show(char *const *args, void *context, Error *e) {
        return show(context, args, "GetMachine", "org.freedesktop.machine1.Machine", e);
}

int verb_show_image(char *const *args, void *context, Error *e) {
        return show(context, args, "GetImage", "org.freedesktop.machine1.Image", e);
}
