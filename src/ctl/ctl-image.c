/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clone, rename, read-only, remove and clean: what changes images. Looking at them: ctl-list.c, ctl-status.c. */
#include "app/report.h"
#include "base/format.h"
#include "base/parse.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

int verb_clone(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        int r = client_act(c, &peer_machine1, "CloneImage", NULL, e, "ssb", args[0], args[1],
                           (int) c->o.read_only);

        return r < 0 ? error_wrap(e, r, "cannot clone '%s' as '%s'", args[0], args[1]) : 0;
}

int verb_rename(char *const *args, void *context, Error *e) {
        int r = client_act(context, &peer_machine1, "RenameImage", NULL, e, "ss", args[0], args[1]);

        return r < 0 ? error_wrap(e, r, "cannot rename '%s' to '%s'", args[0], args[1]) : 0;
}

int verb_read_only(char *const *args, void *context, Error *e) {
        bool on = true;
        int r;

        if (args[1] && parse_bool(args[1], &on) < 0)
                return error_set(e, EINVAL, "'%.60s' is neither yes nor no", args[1]);
        r = client_act(context, &peer_machine1, "MarkImageReadOnly", NULL, e, "sb", args[0],
                       (int) on);
        return r < 0 ? error_wrap(e, r, "cannot make '%s' %s", args[0],
                                  on ? "read-only" : "writable")
                     : 0;
}

static int remove_one(Ctl *c, const char *name, Error *e) {
        int r = client_act(c, &peer_machine1, "RemoveImage", NULL, e, "s", name);

        return r < 0 ? error_wrap(e, r, "cannot remove '%s'", name) : 0;
}

int verb_remove(char *const *args, void *context, Error *e) {
        return ctl_each(context, args, remove_one);
}

int verb_clean(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t bytes, total = 0;
        char text[FORMAT_MAX];
        const char *name;
        unsigned n = 0;
        int r = client_act(c, &peer_machine1, "CleanPool", &reply, e, "s",
                           c->o.all ? "all" : "hidden");

        if (r < 0)
                return error_wrap(e, r, "cannot clean the pool");
        r = sd_bus_message_enter_container(reply, 'a', "(st)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(st)", &name, &bytes)) > 0) {
                _cleanup_free_ char *printable = text_printable(name, false);
                bool is_known = bytes != UINT64_MAX;

                report_note(is_known ? "removed image '%s', %s" : "removed image '%s'",
                            strempty(printable), format_bytes(bytes, text));
                total += is_known ? bytes : 0;
                n++;
        }
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        if (n == 0)
                report_note("there was nothing to remove");
        else
                report_note("removed %u image%s, %s freed as far as is known", n, n == 1 ? "" : "s",
                            format_bytes(total, text));
        return 0;
}
