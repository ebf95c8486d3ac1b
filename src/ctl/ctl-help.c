/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* help, and --help of all commands together or of one: what the tables of verbs and options say. */
#include "app/help.h"
#include "ctl/verbs.h"

static const char *const usage[] = { "[OPTION...] COMMAND [ARGUMENT...]", NULL };

HelpPage ctl_help_page(const Ctl *c) {
        return (HelpPage){
                .program = c->is_machinectl  ? "machinectl"
                           : c->is_importctl ? "importctl"
                                             : "skep",
                .usage = usage,
                .about = c->is_importctl
                                 ? "Downloads, imports and exports images."
                                 : "Manages machines: full systems and applications that run in "
                                   "containers.",
                .manual = "skep(1)",
                .verbs = c->verbs,
                .n_verbs = c->n_verbs,
                .settings = c->settings,
                .n_settings = c->n_settings,
        };
}

int ctl_help(Ctl *c, const char *name, Error *e) {
        HelpPage page = ctl_help_page(c);
        int r;

        c->wants_pager = true;
        if (!name)
                return help_print(&page, 80, &c->out) < 0 ? error_oom(e) : 0;
        r = help_print_verb(&page, name, 80, &c->out);
        if (r == -ENOENT)
                return error_set(e, EINVAL, "unknown command '%.60s'", name);
        return r < 0 ? error_oom(e) : 0;
}

int verb_help(char *const *args, void *context, Error *e) {
        return ctl_help(context, args[0], e);
}
