/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb table engine, see verb.h. */
#include "app/verb.h"

#include <limits.h>

#include "base/text.h"

const Verb *verb_find(const Verb *verbs, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (name ? streq(verbs[i].name, name) || streq_ptr(verbs[i].alias, name)
                         : (verbs[i].flags & VERB_DEFAULT) != 0)
                        return verbs + i;
        return NULL;
}

int verb_run(const Verb *verbs, size_t n, char *const *positionals, void *context, Error *e) {
        static char *const none[] = { NULL };
        const char *name = positionals ? positionals[0] : NULL;
        const Verb *verb = verb_find(verbs, n, name);
        char *const *args = name ? positionals + 1 : none;

        if (!verb)
                return name ? error_set(e, EINVAL, "unknown command '%.60s'", name)
                            : error_set(e, EINVAL, "a command is needed");

        size_t count = strv_length(args);
        if (count < verb->min)
                return error_set(e, EINVAL, "%s: too few arguments, it takes %s", verb->name,
                                 strempty(verb->args));
        if (count > verb->max)
                return error_set(e, EINVAL,
                                 verb->max == 0 ? "%s: takes no arguments"
                                                : "%s: too many arguments, it takes %s",
                                 verb->name, strempty(verb->args));
        return verb->run(args, context, e);
}
