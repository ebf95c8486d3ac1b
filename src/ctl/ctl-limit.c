/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set-limit: how large an image, or the whole pool, may grow. */
#include "base/parse.h"
#include "ctl/client.h"
#include "ctl/verbs.h"

static int parse_limit(const char *s, uint64_t *ret, Error *e) {
        static const char *const none[] = { "-", "none", "infinity", NULL };

        if (strv_contains((char *const *) none, s))
                *ret = UINT64_MAX;
        else if (parse_size(s, ret) < 0)
                return error_set(e, EINVAL,
                                 "'%.60s' is no size (as 500M, 2G, or 'none' for no limit)", s);
        return 0;
}

int verb_set_limit(char *const *args, void *context, Error *e) {
        const char *name = args[1] ? args[0] : NULL;
        uint64_t limit;
        int r = parse_limit(name ? args[1] : args[0], &limit, e);

        if (r < 0)
                return r;
        if (!name) {
                r = client_act(context, &peer_machine1, "SetPoolLimit", NULL, e, "t", limit);
                return r < 0 ? error_wrap(e, r, "cannot limit the pool") : 0;
        }
        r = client_act(context, &peer_machine1, "SetImageLimit", NULL, e, "st", name, limit);
        return r < 0 ? error_wrap(e, r, "cannot limit '%s'", name) : 0;
}
