/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parser of os-release and its like. The text comes from images, so nothing in it is believed: sizes
 * are the caller's to bound, control characters never get through. Where the files lie inside of an
 * image is metadata.c's. */
#include "image/os-release.h"

typedef struct Cursor {
        const char *p;
        const char *end;
        unsigned line;
} Cursor;

static int at(const Cursor *c) {
        return c->p < c->end ? (unsigned char) *c->p : -1;
}

static void skip_line(Cursor *c) {
        while (at(c) >= 0 && at(c) != '\n')
                c->p++;
}

/* The text between the quotes; the cursor is on the opening one. */
static int read_quoted(Cursor *c, Buf *value, Error *e) {
        char quote = *c->p++;
        unsigned start = c->line;

        for (; at(c) >= 0 && at(c) != quote; c->p++) {
                if (quote == '"' && at(c) == '\\' && c->p + 1 < c->end) {
                        char next = c->p[1];

                        if (next == '\n' || strchr("\"\\$`", next))
                                c->p++;
                        if (next == '\n') {
                                c->line++;
                                continue;
                        }
                }
                if (at(c) == '\n')
                        c->line++;
                if (buf_append(value, c->p, 1) < 0)
                        return error_oom(e);
        }
        if (at(c) < 0)
                return error_set(e, EINVAL, "line %u: quote %c is never closed", start, quote);
        c->p++;
        return 0;
}

/* The value of an assignment up to the end of its line. */
static int read_value(Cursor *c, Buf *value, Error *e) {
        size_t keep = 0; /* trailing blanks that were not quoted go */
        int r;

        while (at(c) == ' ' || at(c) == '\t')
                c->p++;

        while (at(c) >= 0 && at(c) != '\n') {
                if (at(c) == '"' || at(c) == '\'') {
                        r = read_quoted(c, value, e);
                        if (r < 0)
                                return r;
                        keep = value->n;
                        continue;
                }
                bool escaped = at(c) == '\\' && c->p + 1 < c->end;
                if (escaped && *++c->p == '\n') {
                        c->line++;
                        c->p++;
                        continue;
                }
                if (buf_append(value, c->p, 1) < 0)
                        return error_oom(e);
                if (escaped || (at(c) != ' ' && at(c) != '\t' && at(c) != '\r'))
                        keep = value->n;
                c->p++;
        }

        if (value->p) {
                value->n = keep;
                value->p[keep] = '\0';
        }
        return 0;
}

static int check_value(const Buf *value, unsigned line, Error *e) {
        for (size_t i = 0; i < value->n; i++) {
                unsigned char ch = (unsigned char) value->p[i];
                if ((ch < ' ' && ch != '\t' && ch != '\n') || ch == 0x7f)
                        return error_set(e, EINVAL, "line %u: control character in the value",
                                         line);
        }
        if (value->n > 0 && !str_is_utf8(value->p, value->n))
                return error_set(e, EINVAL, "line %u: the value is not UTF-8", line);
        return 0;
}

/* One assignment; the cursor is behind its '='. */
static int read_assignment(Cursor *c, const char *key, size_t key_n, char ***entries, Error *e) {
        _cleanup_(buf_done) Buf value = {};
        unsigned line = c->line;
        int r;

        r = read_value(c, &value, e);
        if (r >= 0)
                r = check_value(&value, line, e);
        if (r < 0)
                return r;

        _cleanup_free_ char *entry = str_format("%.*s=%s", (int) key_n, key, strempty(value.p));
        return !entry || strv_env_set(entries, entry) < 0 ? error_oom(e) : 0;
}

int os_release_parse(const char *text, size_t n, char ***ret, Error *e) {
        _cleanup_strv_ char **entries = NULL;
        Cursor c = { .p = text, .end = text + n, .line = 1 };
        int r;

        if (n > OS_RELEASE_SIZE_MAX)
                return error_set(e, EFBIG, "larger than %d bytes", OS_RELEASE_SIZE_MAX);

        for (; at(&c) >= 0; c.p++) {
                if (at(&c) == '\n') {
                        c.line++;
                        continue;
                }
                if (at(&c) == ' ' || at(&c) == '\t' || at(&c) == '\r')
                        continue;

                const char *key = c.p;
                while (at(&c) >= 0 && at(&c) != '=' && at(&c) != '\n')
                        c.p++;
                size_t key_n = (size_t) (c.p - key);
                if (at(&c) == '=' && env_name_is_valid(key, key_n)) {
                        c.p++;
                        r = read_assignment(&c, key, key_n, &entries, e);
                        if (r < 0)
                                return r;
                } else
                        skip_line(&c);
                if (at(&c) < 0)
                        break;
                c.p--; /* the newline is the loop's */
        }

        *ret = TAKE_PTR(entries);
        return 0;
}

int os_release_format(char *const *entries, Buf *ret) {
        STRV_FOREACH(s, entries) {
                const char *value = strchr(*s, '=') + 1;
                int r;

                r = buf_append(ret, *s, (size_t) (value - *s));
                if (r >= 0)
                        r = buf_puts(ret, "\"");
                for (const char *p = value; *p && r >= 0; p++) {
                        if (strchr("\"\\$`", *p))
                                r = buf_puts(ret, "\\");
                        if (r >= 0)
                                r = buf_append(ret, p, 1);
                }
                if (r >= 0)
                        r = buf_puts(ret, "\"\n");
                if (r < 0)
                        return r;
        }
        return 0;
}

int os_release_pretty_name(char *const *entries, char **ret) {
        const char *pretty = strv_env_get(entries, "PRETTY_NAME");
        const char *name = strv_env_get(entries, "NAME");
        const char *version = strv_env_get(entries, "VERSION");
        const char *id = strv_env_get(entries, "ID");
        char *s = NULL;

        if (pretty && *pretty)
                s = strdup(pretty);
        else if (name && *name)
                s = version && *version ? str_format("%s %s", name, version) : strdup(name);
        else if (id && *id)
                s = strdup(id);
        else {
                *ret = NULL;
                return 0;
        }

        if (!s)
                return -ENOMEM;
        *ret = s;
        return 0;
}
