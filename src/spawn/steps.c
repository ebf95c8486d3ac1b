/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Going through the steps that make a machine, and back. The steps themselves are in a file for each side that
 * goes through them. */
#include "spawn/steps.h"

static const StepList *const lists[] = { &steps_host, &steps_machine, &steps_beside };

static bool is_wanted(const Step *t, const Engine *g, Phase phase) {
        return t->phase == phase && !(t->once && g->prepared) && (!t->wanted || t->wanted(g->spec));
}

/* Return: the first step from the number @from on that is wanted, and its number; NULL = there is none. */
static const Step *next_wanted(const Engine *g, Phase phase, size_t *from) {
        size_t before = 0;

        for (size_t i = 0; i < ELEMENTSOF(lists); before += lists[i++]->n)
                for (; *from < before + lists[i]->n; (*from)++)
                        if (is_wanted(lists[i]->v + (*from - before), g, phase))
                                return lists[i]->v + (*from - before);
        return NULL;
}

int steps_apply(Engine *g, Phase phase, Error *e) {
        size_t i = 0;

        for (const Step *t; (t = next_wanted(g, phase, &i)); i++) {
                int r = t->apply(g, e);
                if (r < 0)
                        return error_wrap(e, r, "%s", t->name);
        }
        return 0;
}

bool steps_want(const Engine *g, Phase phase) {
        return next_wanted(g, phase, &(size_t){ 0 });
}

void steps_revert(Engine *g, bool once_too) {
        for (size_t i = ELEMENTSOF(lists); i > 0; i--)
                for (size_t k = lists[i - 1]->n; k > 0; k--) {
                        const Step *t = lists[i - 1]->v + (k - 1);
                        if (t->revert && (once_too || !t->once))
                                t->revert(g);
                }
}
