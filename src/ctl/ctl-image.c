/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clone, rename, read-only, remove and clean: what changes images. Looking at them: ctl-list.c, ctl-status.c. */
#include "app/report.h"
#include "base/format.h"
#include "base/parse.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

/* Flags of org.skep.Manager1. A daemon that is not ours does without, as long as none is asked for. */
enum {
        FLAG_DRY_RUN = 1 << 0,
        FLAG_KEEP_SETTINGS = 1 << 1,
        FLAG_READ_ONLY = 1 << 2,
        FLAG_FRESH = 1 << 3,
        FLAG_LAYER = 1 << 4,
};

/* What is done to files, one a line. */
static int print_steps(sd_bus_message *reply, Error *e) {
        const char *kind, *from, *to;
        int r = sd_bus_message_enter_container(reply, 'a', "(sss)");

        while (r >= 0 && (r = sd_bus_message_read(reply, "(sss)", &kind, &from, &to)) > 0) {
                _cleanup_free_ char *a = text_printable(from, false),
                                    *b = text_printable(to, false);

                (void) printf("%s %s%s%s\n", kind, strempty(a), *to ? " -> " : "", strempty(b));
        }
        return r < 0 ? error_set(e, r, "cannot read the answer: %m") : 0;
}

int verb_clone(char *const *args, void *context, Error *e) {
        Ctl *c = context;
        uint64_t flags = (c->o.fresh ? FLAG_FRESH : 0) | (c->o.layer ? FLAG_LAYER : 0);
        const Peer *peer = flags ? &peer_skep : &peer_machine1;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = client_connect(c, e);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, peer->name, peer->path, peer->interface,
                                           "CloneImage");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", args[0], args[1]);
        if (r >= 0)
                r = flags ? sd_bus_message_append(m, "t",
                                                  flags | (c->o.read_only ? FLAG_READ_ONLY : 0))
                          : sd_bus_message_append(m, "b", (int) c->o.read_only);
        r = r < 0 ? error_set(e, r, "cannot make a call: %m")
                  : client_act_watched(c, m, NULL, NULL, e);
        return r < 0 ? error_wrap(e, r, "cannot clone '%s' as '%s'", args[0], args[1]) : 0;
}

int verb_rename(char *const *args, void *context, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Ctl *c = context;
        int r;

        if (c->o.dry_run)
                r = client_act(c, &peer_skep, "RenameImage", &reply, e, "sst", args[0], args[1],
                               (uint64_t) FLAG_DRY_RUN);
        else
                r = client_act(c, &peer_machine1, "RenameImage", NULL, e, "ss", args[0], args[1]);
        if (r < 0)
                return error_wrap(e, r, "cannot rename '%s' to '%s'", args[0], args[1]);
        return reply ? print_steps(reply, e) : 0;
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
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t flags = (c->o.dry_run ? FLAG_DRY_RUN : 0) |
                         (c->o.keep_settings ? FLAG_KEEP_SETTINGS : 0);
        int r = flags ? client_act(c, &peer_skep, "RemoveImage", &reply, e, "st", name, flags)
                      : client_act(c, &peer_machine1, "RemoveImage", NULL, e, "s", name);

        if (r < 0)
                return error_wrap(e, r, "cannot remove '%s'", name);
        return c->o.dry_run ? print_steps(reply, e) : 0;
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
        const char *mode = c->o.all ? "all" : "hidden";
        int r = c->o.dry_run ? client_act(c, &peer_skep, "CleanPool", &reply, e, "st", mode,
                                          (uint64_t) FLAG_DRY_RUN)
                             : client_act(c, &peer_machine1, "CleanPool", &reply, e, "s", mode);

        if (r < 0)
                return error_wrap(e, r, "cannot clean the pool");
        r = sd_bus_message_enter_container(reply, 'a', "(st)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(st)", &name, &bytes)) > 0) {
                _cleanup_free_ char *printable = text_printable(name, false);
                bool is_known = bytes != UINT64_MAX;

                if (c->o.dry_run)
                        (void) printf("%s\n", strempty(printable));
                else
                        report_note(is_known ? "removed image '%s', %s" : "removed image '%s'",
                                    strempty(printable), format_bytes(bytes, text));
                total += is_known ? bytes : 0;
                n++;
        }
        if (r < 0)
                return error_set(e, r, "cannot read the answer: %m");
        if (n == 0)
                report_note("there was nothing to remove");
        else if (!c->o.dry_run)
                report_note("removed %u image%s, %s freed as far as is known", n, n == 1 ? "" : "s",
                            format_bytes(total, text));
        return 0;
}
