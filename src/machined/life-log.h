/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the journal is told of machines that come and go. It is told a moment later, so that nobody who
 * starts many machines waits for it. */
#pragma once

#include <systemd/sd-event.h>

#include "machined/machine.h"

typedef struct LifeEntry {
        char *name;
        pid_t leader;
        bool is_start;
} LifeEntry;

/* All zero is empty. */
typedef struct LifeLog {
        LifeEntry *entries;
        size_t n;
        sd_event_source *timer;
} LifeLog;

/** life_log_add() - a machine came or went; to be told soon, or at once where there is no memory */
void life_log_add(LifeLog *l, sd_event *event, const Machine *machine, bool is_start);
/** life_log_done() - tell what is left, free */
void life_log_done(LifeLog *l);
