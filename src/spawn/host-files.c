/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files of the image follow the host's, see host-files.h; how each does is in a room of its own. */
#include "spawn/host-files.h"

#include <fcntl.h>

#include "base/handshake.h"
#include "base/path.h"
#include "spawn/resolv-conf.h"
#include "spawn/timezone.h"

bool host_files_wants(const Spec *spec) {
        return resolv_conf_wants(spec) || timezone_wants(spec);
}

static void note_unless(const Run *run, bool quiet, int r, const Error *note) {
        if (r < 0 && !quiet)
                (void) handshake_send_note(run->handshake_fd, note);
}

void host_files_apply(const Spec *spec, const Run *run) {
        int etc = path_open_in_root(run->root_fd, "/etc", O_PATH | O_DIRECTORY, 0);
        Error note = {};
        int r;

        if (etc < 0)
                (void) error_set(&note, etc, "cannot open '/etc' of the image: %m");
        if (resolv_conf_wants(spec)) {
                r = etc < 0 ? etc : resolv_conf_apply(spec, run, etc, &note);
                note_unless(run, spec->resolv_conf == RESOLV_CONF_AUTO, r, &note);
        }
        if (timezone_wants(spec)) {
                r = etc < 0 ? etc : timezone_apply(spec, run, etc, &note);
                note_unless(run, spec->timezone == TIMEZONE_AUTO, r, &note);
        }
}
