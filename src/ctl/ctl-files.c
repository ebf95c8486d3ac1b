/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* copy-to and copy-from: files of this system and of a running machine. Paths of this system may be
 * relative, those of the machine may not: there is no working directory in there. */
#include <unistd.h>

#include "app/progress.h"
#include "base/fd.h"
#include "base/path.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

#define COPY_REPLACE UINT64_C(1)

static int check_inner(const char *path, Error *e) {
        return path[0] == '/'
                       ? 0
                       : error_set(e, EINVAL, "'%.200s' in the machine is not absolute", path);
}

/* A copy that is under way, as the daemon sees it. */
typedef struct Watch {
        const char *machine;
        Progress *progress;
} Watch;

/* The newest copy of this machine is ours, as a rule; another one would be shown in its place at worst. */
static void look(Ctl *c, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t newest = 0, id, done, total, at_done = UINT64_MAX, at_total = UINT64_MAX;
        const char *what, *subject;
        Watch *w = userdata;
        int r;

        if (client_query(c, &peer_skep, "ListOperations", &reply, NULL, NULL) < 0)
                return;
        r = sd_bus_message_enter_container(reply, 'a', "(tssbuttt)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(tssbuttt)", &id, &what, &subject, NULL,
                                                  NULL, NULL, &done, &total)) > 0)
                if (streq(what, "copying") && streq(subject, w->machine) && id >= newest) {
                        newest = id;
                        at_done = done;
                        at_total = total;
                }
        if (at_done == UINT64_MAX || at_total == UINT64_MAX || at_total == 0)
                return;
        if (!w->progress && progress_new(STDERR_FILENO, w->machine, at_total, &w->progress) < 0)
                return;
        progress_update(w->progress, MIN((double) at_done / (double) at_total, 1.0), at_done,
                        now_usec());
}

/* Without --force the older call is made, which every daemon has. */
static int copy(Ctl *c, const char *plain, const char *with_flags, const char *machine,
                const char *from, const char *to, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Watch watch = { .machine = machine };
        int r = client_connect(c, e);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, peer_machine1.name, peer_machine1.path,
                                           peer_machine1.interface,
                                           c->o.force ? with_flags : plain);
        if (r >= 0)
                r = sd_bus_message_append(m, "sss", machine, from, to);
        if (r >= 0 && c->o.force)
                r = sd_bus_message_append(m, "t", COPY_REPLACE);
        if (r < 0)
                return error_set(e, r, "cannot make a call: %m");
        /* Whoever would be asked for a password for that sees no progress. */
        bool shows = isatty(STDERR_FILENO) && !c->o.quiet && geteuid() == 0;
        r = client_act_watched(c, m, shows ? look : NULL, &watch, e);
        watch.progress = progress_free(watch.progress);
        return r < 0 ? error_wrap(e, r, "cannot copy '%s'", from) : 0;
}

int verb_copy_to(char *const *args, void *context, Error *e) {
        _cleanup_free_ char *from = NULL;
        int r = path_absolute(args[1], &from);

        if (r < 0)
                return error_set(e, r, "cannot find out where '%s' is: %m", args[1]);
        r = check_inner(args[2] ? args[2] : from, e);
        return r < 0 ? r
                     : copy(context, "CopyToMachine", "CopyToMachineWithFlags", args[0], from,
                            args[2] ? args[2] : from, e);
}

int verb_copy_from(char *const *args, void *context, Error *e) {
        _cleanup_free_ char *to = NULL;
        int r = check_inner(args[1], e);

        if (r < 0)
                return r;
        r = path_absolute(args[2] ? args[2] : args[1], &to);
        if (r < 0)
                return error_set(e, r, "cannot find out where '%s' is: %m", args[2]);
        return copy(context, "CopyFromMachine", "CopyFromMachineWithFlags", args[0], args[1], to,
                    e);
}
