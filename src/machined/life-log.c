/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages of machines' lives, see life-log.h. Those who read the journal know them by their IDs. */
#include "machined/life-log.h"

#include <syslog.h>
#include <systemd/sd-journal.h>

#include "app/report.h"

#define MESSAGE_START "24d8d4452573402496068381a6312df2"
#define MESSAGE_STOP  "58432bd3bace477cb514b56381b8a758"

#define DELAY_USEC  20000
#define ENTRIES_MAX 256

static void tell(const char *name, pid_t leader, bool is_start) {
        char text[128];

        (void) snprintf(text, sizeof text, is_start ? "New machine %s." : "Machine %s terminated.",
                        name);
        if (sd_journal_send("MESSAGE=%s", text, "MESSAGE_ID=%s",
                            is_start ? MESSAGE_START : MESSAGE_STOP, "NAME=%s", name, "LEADER=%d",
                            leader, "PRIORITY=%d", LOG_INFO, "SYSLOG_FACILITY=%d",
                            LOG_FAC(LOG_AUTH), NULL) < 0)
                report(LOG_INFO, "%s", text);
}

static void tell_all(LifeLog *l) {
        for (size_t i = 0; i < l->n; i++) {
                tell(l->entries[i].name, l->entries[i].leader, l->entries[i].is_start);
                free(l->entries[i].name);
        }
        l->n = 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        tell_all(userdata);
        return 0;
}

/* One shot, not before some more may have come. */
static int arm(LifeLog *l, sd_event *event) {
        if (!l->timer)
                return sd_event_add_time_relative(event, &l->timer, CLOCK_MONOTONIC, DELAY_USEC, 0,
                                                  on_timer, l);
        int r = sd_event_source_set_time_relative(l->timer, DELAY_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(l->timer, SD_EVENT_ONESHOT);
}

void life_log_add(LifeLog *l, sd_event *event, const Machine *machine, bool is_start) {
        char *name = NULL;

        if (l->n >= ENTRIES_MAX)
                tell_all(l);
        if (!l->entries)
                l->entries = calloc(ENTRIES_MAX, sizeof *l->entries);
        if (!l->entries || !(name = strdup(machine->name)) || (l->n == 0 && arm(l, event) < 0)) {
                free(name);
                tell_all(l);
                tell(machine->name, machine->leader.pid, is_start);
                return;
        }
        l->entries[l->n++] = (LifeEntry){ name, machine->leader.pid, is_start };
}

void life_log_done(LifeLog *l) {
        tell_all(l);
        sd_event_source_disable_unref(l->timer);
        free(l->entries);
        *l = (LifeLog){};
}
