/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The knobs that the reference has as environment variables and that people set in units. Each stands for
 * an option of ours; those that ask for what we do not do are refused, as an option would be. */
#include "spawn/spec-settings.h"

#include "base/parse.h"

/* For a variable that is a boolean, and an option that takes a word in the one case. */
typedef enum KnobKind {
        KNOB_VALUE,     /* the value is the option's */
        KNOB_IF_YES,    /* if it is true, the word is the option's value */
        KNOB_NEVER_YES, /* true is refused; the word says why */
        KNOB_NEVER_NO,  /* false is refused */
} KnobKind;

static const struct {
        const char *variable, *flag;
        KnobKind kind;
        const char *word;
} knobs[] = {
        { "SYSTEMD_NSPAWN_API_VFS_WRITABLE", "api-vfs-writable", KNOB_VALUE, NULL },
        { "SYSTEMD_NSPAWN_CONTAINER_SERVICE", "container-service", KNOB_VALUE, NULL },
        { "SYSTEMD_NSPAWN_NETWORK_MAC", "network-mac", KNOB_VALUE, NULL },
        { "SYSTEMD_NSPAWN_TMPFS_TMP", "tmpfs-tmp", KNOB_VALUE, NULL },
        { "SYSTEMD_SECCOMP", "seccomp", KNOB_VALUE, NULL },
        { "SYSTEMD_SUPPRESS_SYNC", "suppress-sync", KNOB_VALUE, NULL },
        { "SYSTEMD_NSPAWN_SHARE_NS_IPC", "share-namespaces", KNOB_IF_YES, "ipc" },
        { "SYSTEMD_NSPAWN_SHARE_NS_UTS", "share-namespaces", KNOB_IF_YES, "uts" },
        { "SYSTEMD_NSPAWN_SHARE_NS_PID", "share-namespaces", KNOB_IF_YES, "pid" },
        { "SYSTEMD_NSPAWN_SHARE_SYSTEM", NULL, KNOB_NEVER_YES,
          "a machine has processes of its own always" },
        { "SYSTEMD_NSPAWN_USE_CGNS", NULL, KNOB_NEVER_NO,
          "a machine has control groups of its own always" },
        { "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", NULL, KNOB_NEVER_NO,
          "a machine is never given control groups of version 1" },
};

/* Return: 1 the knob is set and to be passed on; 0 it is not; -EINVAL, -EOPNOTSUPP. */
static int judge(size_t i, const char *value, Error *e) {
        bool on;

        if (knobs[i].kind == KNOB_VALUE)
                return 1;
        if (parse_bool(value, &on) < 0)
                return error_set(e, EINVAL, "$%s: '%.60s' is neither yes nor no", knobs[i].variable,
                                 value);
        if (knobs[i].kind != KNOB_IF_YES && on == (knobs[i].kind == KNOB_NEVER_YES))
                return error_set(e, EOPNOTSUPP, "$%s: %s", knobs[i].variable, knobs[i].word);
        return on && knobs[i].kind == KNOB_IF_YES;
}

int spec_read_environment(Settings *s, unsigned rank, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(knobs); i++) {
                const SettingOrigin origin = { .trusted = true, .variable = knobs[i].variable };
                const char *value = getenv(knobs[i].variable);
                int r = value ? judge(i, value, e) : 0;

                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                r = settings_add(s, settings_row_by_flag(s->rows, s->n_rows, knobs[i].flag),
                                 knobs[i].word ? knobs[i].word : value, &origin, rank, e);
                if (r < 0)
                        return r;
        }
        return 0;
}
