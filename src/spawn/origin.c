/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a machine comes from, see origin.h. One write, and only for those that somebody may ask about. */
#include "spawn/origin.h"

#include "base/fd.h"

static int put(Buf *out, const char *kind, const char *value) {
        /* Nobody who reads lines could tell where it ends. */
        return !value || strchr(value, '\n') ? 0 : buf_printf(out, "%s %s\n", kind, value);
}

void origin_note(const Spec *spec, Run *run) {
        _cleanup_(buf_done) Buf text = {};

        if (run->lock_fd < 0)
                return;
        int r = buf_printf(&text, "leader %d\n", run->leader);
        if (r >= 0)
                r = put(&text, "image", spec->image ? spec->image : spec->directory);
        if (r >= 0 && spec->ephemeral != EPHEMERAL_NO)
                r = put(&text, "ephemeral", "yes");
        for (char *const *file = spec->settings_files; file && *file && r >= 0; file++)
                r = put(&text, "settings", *file);
        if (r >= 0)
                (void) fd_write_all(run->lock_fd, text.p, text.n);
}
