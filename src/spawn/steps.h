/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps that make a machine, by phase. */
#pragma once

#include "spawn/engine.h"

typedef struct Step {
        const char *name;
        Phase phase;
        bool once; /* stays as it is when the payload reboots */
        bool (*wanted)(const Spec *spec);
        int (*apply)(Engine *g, Error *e);
        void (*revert)(Engine *g);
} Step;

/* In the order they are gone through, phase by phase. */
typedef struct StepList {
        const Step *v;
        size_t n;
} StepList;

extern const StepList
        steps_host; /* of the supervisor, before there is any process of the machine */
extern const StepList steps_machine; /* of the machine's own processes */
extern const StepList steps_beside;  /* of the supervisor, while PID 1 waits for it */

/* What steps of more than one list are wanted for */
static inline bool step_wants_disk(const Spec *spec) {
        return spec->image;
}
static inline bool step_wants_stack(const Spec *spec) {
        return spec->is_stack;
}
static inline bool step_wants_devices(const Spec *spec) {
        return spec->devices.n > 0;
}

/** steps_apply() - go through the steps of one phase that the Spec wants
 * Return: 0; -errno of the first that failed, with its name before the sentence. */
int steps_apply(Engine *g, Phase phase, Error *e);
/** steps_want() - whether a phase has any step for this machine */
bool steps_want(const Engine *g, Phase phase);
/** steps_revert() - take back what the steps did, the last one first; each does nothing if its step did not
 * @once_too: also what stays as it is when the payload reboots */
void steps_revert(Engine *g, bool once_too);
