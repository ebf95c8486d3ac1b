/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects of transfers on the bus: what is to be read there of one that runs, and how to end it. */
#include <float.h>

#include "bus/name.h"
#include "importer/import-bus.h"

static const Transfer *as_transfer(void *userdata) {
        return ((const Watched *) userdata)->transfer;
}

double import_bus_progress(const Transfer *t) {
        return t->progress < 0 ? -DBL_MAX : t->progress;
}

#define GETTER(name, type, expression)                                                             \
        static int name(sd_bus *bus, const char *path, const char *interface,                      \
                        const char *property, sd_bus_message *reply, void *userdata,               \
                        sd_bus_error *error) {                                                     \
                const Watched *w = userdata;                                                       \
                return sd_bus_message_append(reply, type, expression);                             \
        }

GETTER(get_id, "u", w->transfer->id)
GETTER(get_local, "s", strempty(w->transfer->request.local))
GETTER(get_remote, "s", strempty(w->transfer->shown_remote))
GETTER(get_type, "s", transfer_kind_name(w->transfer->request.kind))
GETTER(get_verify, "s", strempty(w->transfer->request.verify))
GETTER(get_progress, "d", import_bus_progress(w->transfer))

GETTER(get_class, "s", image_class_name(w->transfer->request.class))
GETTER(get_format, "s", strempty(w->transfer->request.format))
GETTER(get_flags, "t", (uint64_t) w->transfer->request.flags)
GETTER(get_started, "t", w->transfer->started)
GETTER(get_done, "t", w->transfer->done)
GETTER(get_total, "t", w->transfer->total)
GETTER(get_rate, "t", transfer_rate_get(&w->rate))
GETTER(get_time_left, "t", transfer_rate_eta(&w->rate, w->transfer->total))
GETTER(get_phase, "s", strempty(phase_name(w->transfer->phase)))

static int method_cancel(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        return import_bus_cancel(((Watched *) userdata)->manager, msg, as_transfer(userdata)->id,
                                 error);
}

#define P(x) SD_BUS_PARAM(x)

const sd_bus_vtable import_transfer_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "u", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Local", "s", get_local, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Remote", "s", get_remote, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Type", "s", get_type, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Verify", "s", get_verify, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Progress", "d", get_progress, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD("Cancel", NULL, NULL, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_NAMES("LogMessage", "us", P(priority) P(line), 0),
        SD_BUS_SIGNAL_WITH_NAMES("ProgressUpdate", "d", P(progress), 0),
        SD_BUS_VTABLE_END,
};

/* Bytes that are not known are UINT64_MAX, and so is the time; a rate that is not known is 0. */
const sd_bus_vtable import_transfer_skep_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Class", "s", get_class, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Format", "s", get_format, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Flags", "t", get_flags, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StartTimestamp", "t", get_started, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Phase", "s", get_phase, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesDone", "t", get_done, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("BytesTotal", "t", get_total, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Rate", "t", get_rate, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("TimeLeft", "t", get_time_left, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};
