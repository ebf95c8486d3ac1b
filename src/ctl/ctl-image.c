/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* clone, rename, read-only and remove: what changes images. Looking at them: ctl-list.c, ctl-status.c. */
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
