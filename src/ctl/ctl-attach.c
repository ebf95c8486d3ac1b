/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* attach: skep-spawn knows how to come to the console of a machine that it keeps, and is let to do it. */
#include <unistd.h>

#include "ctl/verbs.h"
#include "paths.h"

int verb_attach(char *const *args, void *context, Error *e) {
        Ctl *c = context;

        if (!ctl_is_local(c))
                return error_set(e, EOPNOTSUPP,
                                 "only the console of a machine on this system can be had");
        _cleanup_free_ char *option = str_format("--attach=%s", args[0]);
        if (!option)
                return error_oom(e);
        (void) execl(SKEP_BINDIR "/skep-spawn", "skep-spawn", option, c->o.quiet ? "--quiet" : NULL,
                     NULL);
        return error_set(e, errno, "cannot execute " SKEP_BINDIR "/skep-spawn: %m");
}
