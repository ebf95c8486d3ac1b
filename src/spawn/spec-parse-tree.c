/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of settings about the directory tree: stacks of directories and places that are hidden. As in
 * spec-parse.c, one value is read at a time and the disk is not looked at. */
#include "base/path.h"
#include "spawn/spec-parse.h"
#include "spawn/spec.h"

static int add_layer(CustomMount *m, const char *value, Error *e) {
        _cleanup_free_ char *layer = NULL;
        int r;

        if (!*value)
                return error_set(e, EINVAL, "only the upper layer of an overlay can be left empty");
        r = spec_parse_source(value, &layer, e);
        if (r < 0)
                return r;
        return strv_append(&m->layers, layer) < 0 ? error_oom(e) : 0;
}

/* LOWER:…:UPPER:TARGET, or LOWER:UPPER, where the upper layer is the target, too. */
static int add_overlay(Spec *s, CustomMountType type, const char *value, Error *e) {
        _cleanup_(custom_mount_done) CustomMount m = { .type = type };
        _cleanup_strv_ char **parts = NULL;
        const Setting row = {};
        int r = str_split_colon(value, &parts);

        if (r == -ENOMEM)
                return error_oom(e);
        size_t n = strv_length(parts);
        if (r < 0 || n < 2)
                return error_set(e, EINVAL, "'%.200s' is not LOWER:[LOWER:…]UPPER[:TARGET]", value);

        size_t upper = n == 2 ? 1 : n - 2;
        for (size_t i = 0; i < upper && r >= 0; i++)
                r = add_layer(&m, parts[i], e);
        if (r >= 0 && type == CUSTOM_MOUNT_OVERLAY_READ_ONLY)
                r = add_layer(&m, parts[upper], e);
        else if (r >= 0)
                r = spec_parse_source(parts[upper], &m.source, e);
        if (r >= 0 && n == 2) {
                const char *same = m.source ? m.source : m.layers[upper];
                r = setting_inner_path(&row, same + (*same == '+'), &m.target, e);
        } else if (r >= 0)
                r = setting_inner_path(&row, parts[n - 1], &m.target, e);
        if (r >= 0)
                r = spec_restate_paths(parts, upper + 1, e);
        if (r < 0)
                return r;
        return spec_add_mount(s, &m) < 0 ? error_oom(e) : 0;
}

int spec_parse_overlay(const Setting *row, const char *value, void *at, Error *e) {
        return add_overlay(spec_of(row, at), CUSTOM_MOUNT_OVERLAY, value, e);
}

int spec_parse_overlay_ro(const Setting *row, const char *value, void *at, Error *e) {
        return add_overlay(spec_of(row, at), CUSTOM_MOUNT_OVERLAY_READ_ONLY, value, e);
}

int spec_parse_inaccessible(const Setting *row, const char *value, void *at, Error *e) {
        _cleanup_(custom_mount_done) CustomMount m = { .type = CUSTOM_MOUNT_INACCESSIBLE };
        const Setting inner = {};
        int r = setting_inner_path(&inner, value, &m.target, e);

        if (r < 0)
                return r;
        return spec_add_mount(spec_of(row, at), &m) < 0 ? error_oom(e) : 0;
}

int spec_parse_ephemeral(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = { [EPHEMERAL_NO] = "no",
                                             [EPHEMERAL_MEMORY] = "memory",
                                             [EPHEMERAL_DISK] = "disk",
                                             [_EPHEMERAL_MODE_MAX] = NULL };

        return spec_parse_word_or_bool(words, EPHEMERAL_NO, EPHEMERAL_MEMORY, value, at, e);
}

int spec_parse_volatile(const Setting *row, const char *value, void *at, Error *e) {
        static const char *const words[] = { [VOLATILE_NO] = "no",
                                             [VOLATILE_YES] = "yes",
                                             [VOLATILE_STATE] = "state",
                                             [VOLATILE_OVERLAY] = "overlay",
                                             [_VOLATILE_MODE_MAX] = NULL };

        return spec_parse_word_or_bool(words, VOLATILE_NO, VOLATILE_YES, value, at, e);
}

int spec_parse_pivot_root(const Setting *row, const char *value, void *at, Error *e) {
        Spec *s = spec_of(row, at);
        _cleanup_strv_ char **parts = NULL;
        const Setting inner = {};
        int r;

        if (!*value) {
                (void) str_replace(&s->pivot_new, NULL);
                return str_replace(&s->pivot_old, NULL);
        }
        r = str_split_colon(value, &parts);
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0 || strv_length(parts) > 2)
                return error_set(e, EINVAL, "'%.200s' is not NEW[:OLD]", value);
        r = setting_inner_path(&inner, parts[0], &s->pivot_new, e);
        if (r >= 0 && parts[1])
                r = setting_inner_path(&inner, parts[1], &s->pivot_old, e);
        else
                (void) str_replace(&s->pivot_old, NULL);
        if (r < 0)
                return r;
        if (streq(s->pivot_new, "/") || (s->pivot_old && streq(s->pivot_old, "/")))
                return error_set(e, EINVAL, "'%.200s': the root cannot stay where it is", value);
        return 0;
}
