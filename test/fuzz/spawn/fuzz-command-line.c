/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command lines of the spawner: arbitrary strings as arguments. What is read is checked, and a Spec that
 * passes holds what the rooms after it rely on. */
#include "spawn/spec-settings.h"

#include "base/name.h"
#include "base/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spec(const Spec *s) {
        assert_se(!s->machine || hostname_is_valid(s->machine));
        assert_se(!s->hostname || hostname_is_valid(s->hostname));
        assert_se(!s->working_directory || path_is_absolute_clean(s->working_directory));
        if (s->private_users == PRIVATE_USERS_FIXED) {
                IdRanges again = {};
                uint32_t root;

                for (size_t i = 0; i < s->private_users_map.n; i++) {
                        const IdRange *m = s->private_users_map.v + i;
                        assert_se(id_ranges_add(&again, m->inside, m->outside, m->length, NULL) ==
                                  0);
                }
                assert_se(id_ranges_to_outside(&again, 0, &root) == 0);
        }
        STRV_FOREACH(e, s->environment)
                assert_se(env_assignment_is_valid(*e));
        for (size_t i = 0; i < s->n_mounts; i++) {
                const CustomMount *m = s->mounts + i;

                assert_se(path_is_absolute_clean(m->target));
                bool none = m->type == CUSTOM_MOUNT_TMPFS || m->type == CUSTOM_MOUNT_INACCESSIBLE ||
                            m->type == CUSTOM_MOUNT_OVERLAY_READ_ONLY;

                assert_se(!m->source == none);
                assert_se(!m->source || strchr("/+", *m->source));
                assert_se(!m->layers == (m->type != CUSTOM_MOUNT_OVERLAY &&
                                         m->type != CUSTOM_MOUNT_OVERLAY_READ_ONLY));
                STRV_FOREACH(layer, m->layers)
                        assert_se(**layer == '/' || **layer == '+');
        }
}

/* Arguments end with NUL; what is left without one is the last. */
static char **split_arguments(const char *text, size_t size) {
        char **v = NULL;

        for (size_t at = 0; at < size;) {
                size_t n = strnlen(text + at, size - at);

                assert_se(strv_consume(&v, strndup(text + at, n)) >= 0);
                at += n + 1;
        }
        return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_strv_ char **argv = NULL, **rest = NULL;
        _cleanup_(settings_done) Settings s = {};
        char *none[] = { NULL };
        SpecCommand c = {};
        Error e = {};
        size_t n;
        const Setting *rows = spec_settings(&n);
        int r;

        if (size > 64 * 1024)
                return 0;
        settings_init(&s, rows, n);
        spec_init(&c.spec);
        argv = split_arguments((const char *) data, size);
        r = settings_from_argv(&s, argv ? argv : none, 1, settings_stop_at_first, &rest, &e);
        if (r >= 0)
                r = settings_apply(&s, &c, &e);
        if (r >= 0)
                r = spec_check(&c.spec, &s, &e);
        if (r >= 0)
                check_spec(&c.spec);
        else
                assert_se(e.code == r && e.text[0] && !strchr(e.text, '\n'));
        spec_done(&c.spec);
        return 0;
}
