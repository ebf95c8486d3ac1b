/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* copy-to and copy-from: files of this system and of a running machine. Paths of this system may be
 * relative, those of the machine may not: there is no working directory in there. */
#include "base/path.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

#define COPY_REPLACE UINT64_C(1)

static int check_inner(const char *path, Error *e) {
        return path[0] == '/'
                       ? 0
                       : error_set(e, EINVAL, "'%.200s' in the machine is not absolute", path);
}

/* Without --force the older call is made, which every daemon has. */
static int copy(Ctl *c, const char *plain, const char *with_flags, const char *machine,
                const char *from, const char *to, Error *e) {
        int r = c->o.force
                        ? client_act(c, &peer_machine1, with_flags, NULL, e, "ssst", machine, from,
                                     to, COPY_REPLACE)
                        : client_act(c, &peer_machine1, plain, NULL, e, "sss", machine, from, to);

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
