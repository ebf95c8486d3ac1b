/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cursor of json-shape.h, and how it fails; the text that it goes over has been checked as a whole. */
#include "base/json-reader.h"

#include "base/json.h"

static int put_path(const JsonFrame *f, Buf *out) {
        int r = f->up ? put_path(f->up, out) : 0;

        if (r < 0)
                return r;
        if (!f->name)
                return buf_printf(out, "[%zu]", f->index);
        _cleanup_free_ char *name = str_escape(f->name, "");
        return name ? buf_printf(out, "%s%.80s", f->up ? "." : "", name) : -ENOMEM;
}

int json_fail(JsonReader *r, int err, const char *cause) {
        _cleanup_(buf_done) Buf path = {};

        if (r->frame && put_path(r->frame, &path) < 0)
                return error_oom(r->e);
        return path.n > 0 ? error_set(r->e, err, "%s: %s", path.p, cause)
                          : error_set(r->e, err, "%s", cause);
}

int json_fail_number(JsonReader *r, int err) {
        return err == -ENOMEM ? error_oom(r->e)
                              : json_fail(r, EINVAL,
                                          err == -ERANGE ? "out of range" : "not a whole number");
}

int json_list_grow(JsonReader *r, JsonAnyList *l, size_t size, void **ret) {
        if (l->n >= JSON_LIST_MAX)
                return json_fail(r, E2BIG, "too many entries");
        /* Doubled at each power of two. */
        if ((l->n & (l->n - 1)) == 0) {
                char *v = reallocarray(l->v, l->n > 0 ? l->n * 2 : 1, size);

                if (!v)
                        return error_oom(r->e);
                l->v = v;
        }
        *ret = memset(l->v + l->n * size, 0, size);
        l->n++;
        return 0;
}

int json_next_entry(JsonReader *r, bool first, char close) {
        if (first)
                r->p = json_space(r->p + 1);
        if (*r->p == close) {
                r->p = json_space(r->p + 1);
                return 0;
        }
        if (!first) /* The text has been checked: this is a comma. */
                r->p = json_space(r->p + 1);
        return 1;
}

int json_read_array(JsonReader *r, const JsonRow *row, void *at,
                    int (*read)(JsonReader *r, const JsonRow *row, void *at)) {
        JsonFrame frame = { .up = r->frame };

        if (*r->p != '[')
                return json_fail(r, EINVAL, "not a list");
        for (bool first = true; json_next_entry(r, first, ']') > 0; first = false, frame.index++) {
                r->frame = &frame;
                int k = read(r, row, at);
                if (k < 0)
                        return k;
                r->frame = frame.up;
        }
        return 0;
}

int json_take_string(JsonReader *r, char **ret) {
        int k;

        if (*r->p != '"')
                return json_fail(r, EINVAL, "not a string");
        k = json_string(r->p, ret);
        if (k == -ENOMEM)
                return error_oom(r->e);
        if (k < 0)
                return json_fail(r, EINVAL, "not a string that can be used");
        if (!str_is_utf8(*ret, strlen(*ret))) {
                *ret = (free(*ret), NULL);
                return json_fail(r, EINVAL, "not UTF-8");
        }
        r->p = json_skip(r->p);
        return 0;
}

int json_take_name(JsonReader *r, char **ret) {
        int k = json_take_string(r, ret);

        if (k >= 0)
                r->p = json_space(r->p + 1);
        return k;
}

bool json_pointer_is_set(const JsonRow *row, const void *at) {
        return *(char *const *) at;
}

bool json_list_is_set(const JsonRow *row, const void *at) {
        return ((const JsonAnyList *) at)->n > 0;
}
