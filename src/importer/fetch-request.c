/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests as text, see fetch-request.h: "key value", the value with C escapes. */
#include "importer/fetch-request.h"

#include "base/parse.h"

typedef enum FieldKind { FIELD_STRING, FIELD_SIZE, FIELD_UNSIGNED, FIELD_BOOL } FieldKind;

#define FIELD(k, m)                                                                                \
        { #m, k, offsetof(FetchRequest, m) }

static const struct {
        const char *key;
        FieldKind kind;
        size_t at;
} fields[] = {
        FIELD(FIELD_STRING, url),           FIELD(FIELD_STRING, etag),
        FIELD(FIELD_STRING, modified),      FIELD(FIELD_STRING, user),
        FIELD(FIELD_STRING, password),      FIELD(FIELD_STRING, tls_certificate),
        FIELD(FIELD_STRING, tls_key),       FIELD(FIELD_STRING, tls_ca),
        FIELD(FIELD_SIZE, limit),           FIELD(FIELD_SIZE, stall),
        FIELD(FIELD_UNSIGNED, connections), FIELD(FIELD_UNSIGNED, retries),
        FIELD(FIELD_BOOL, is_pinned),       FIELD(FIELD_BOOL, stays_secure),
        FIELD(FIELD_STRING, place),         FIELD(FIELD_UNSIGNED, unpacked),
};

static const void *member(const FetchRequest *q, size_t i) {
        return (const char *) q + fields[i].at;
}

void fetch_request_done(FetchRequest *q) {
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (fields[i].kind == FIELD_STRING) {
                        char *s = *(char *const *) member(q, i);
                        if (s)
                                explicit_bzero(s, strlen(s));
                        free(s);
                }
        *q = (FetchRequest){};
}

static int format_field(const FetchRequest *q, size_t i, Buf *out) {
        const void *p = member(q, i);

        switch (fields[i].kind) {
        case FIELD_STRING: {
                const char *s = *(char *const *) p;
                _cleanup_free_ char *text = s ? str_escape(s, "") : NULL;
                return !s ? 0 : !text ? -ENOMEM : buf_printf(out, "%s %s\n", fields[i].key, text);
        }
        case FIELD_SIZE:
                return buf_printf(out, "%s %llu\n", fields[i].key,
                                  (unsigned long long) *(const uint64_t *) p);
        case FIELD_UNSIGNED:
                return buf_printf(out, "%s %u\n", fields[i].key, *(const unsigned *) p);
        default:
                return buf_printf(out, "%s %d\n", fields[i].key, *(const bool *) p);
        }
}

int fetch_request_format(const FetchRequest *q, Buf *out) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(fields) && r >= 0; i++)
                r = format_field(q, i, out);
        return r;
}

static int parse_field(FetchRequest *q, size_t i, const char *value) {
        void *p = (char *) q + fields[i].at;
        uint64_t n;
        int r;

        switch (fields[i].kind) {
        case FIELD_STRING: {
                char **s = p;
                return *s ? -EINVAL : str_unescape(value, s);
        }
        case FIELD_SIZE:
                return parse_u64(value, 0, UINT64_MAX, p);
        case FIELD_UNSIGNED:
                r = parse_u64(value, 0, UINT32_MAX, &n);
                if (r >= 0)
                        *(unsigned *) p = (unsigned) n;
                return r;
        default:
                return parse_bool(value, p);
        }
}

static int parse_line(FetchRequest *q, char *line) {
        char *space = strchr(line, ' ');

        if (!space)
                return -EINVAL;
        *space++ = '\0';
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (streq(line, fields[i].key))
                        return parse_field(q, i, space);
        return -EINVAL;
}

int fetch_request_parse(const char *text, size_t n, FetchRequest *ret, Error *e) {
        _cleanup_(fetch_request_done) FetchRequest q = {};
        _cleanup_free_ char *copy = strndup(text, n);
        int r = 0;

        if (!copy)
                return error_oom(e);
        for (char *line = copy, *next; r >= 0 && line && *line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                r = parse_line(&q, line);
        }
        explicit_bzero(copy, strlen(copy));
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0 || !q.url || q.connections < 1 || q.connections > FETCH_CONNECTIONS_MAX)
                return error_set(e, EINVAL, "this is no request to fetch something");
        *ret = q;
        q = (FetchRequest){};
        return 0;
}
