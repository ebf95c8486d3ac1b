/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where machines come from, see origin.h. The files are root's, small and in memory: reading one waits for
 * nobody. */
#include "machined/origin.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/fd.h"
#include "base/home.h"
#include "base/path.h"

#define SPAWNER_DIRECTORY "/run/skep/spawn"
#define NOTES_MAX         (1024 * 1024)

void origin_done(Origin *o) {
        free(o->image);
        strv_free(o->settings);
        *o = (Origin){};
}

static int take_line(Origin *o, const char *line) {
        const char *value;

        if ((value = str_skip_prefix(line, "image ")))
                return str_replace(&o->image, value);
        if ((value = str_skip_prefix(line, "settings ")))
                return strv_append(&o->settings, value);
        if (streq(line, "ephemeral yes"))
                o->is_ephemeral = true;
        return 0;
}

int origin_parse(const char *text, pid_t leader, Origin *ret) {
        _cleanup_(origin_done) Origin o = {};
        _cleanup_strv_ char **lines = NULL;
        bool found = false;
        char wanted[32];
        int r = str_split(text, "\n", &lines);

        (void) snprintf(wanted, sizeof wanted, "leader %d", leader);
        for (size_t i = 0; lines && lines[i] && r >= 0; i++)
                /* A machine that rebooted has another first process. */
                if (str_skip_prefix(lines[i], "leader ")) {
                        origin_done(&o);
                        found = streq(lines[i], wanted);
                } else if (found)
                        r = take_line(&o, lines[i]);
        if (r < 0)
                return r;
        if (!found)
                return -ENOENT;
        *ret = o;
        o = (Origin){};
        return 0;
}

int origin_read(const Machine *m, Origin *ret) {
        _cleanup_free_ char *path = path_join(SPAWNER_DIRECTORY, m->name), *text = NULL;
        int r = !path ? -ENOMEM
                : m->leader.pid <= 1 || home_is_user()
                        ? -ENOENT
                        : file_read(AT_FDCWD, path, NOTES_MAX, &text, NULL);

        *ret = (Origin){};
        if (r >= 0)
                r = origin_parse(text, m->leader.pid, ret);
        if (r == -ENOMEM || r >= 0)
                return r;
        return m->root && *m->root ? str_replace(&ret->image, m->root) : 0;
}

char *origin_template(const char *unit) {
        const char *at = unit ? strchr(unit, '@') : NULL, *dot = at ? strrchr(at, '.') : NULL;

        return dot ? str_format("%.*s@%s", (int) (at - unit), unit, dot) : strdup("");
}
