/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses, see url.h. They are cut where RFC 3986 has the borders of their parts; nothing here makes a
 * right one of a wrong one. */
#include "importer/url.h"

#include <ctype.h>
#include <strings.h>

#include "base/text.h"

/* The parts, as they stand in the URL. */
typedef struct Parts {
        const char *authority; /* behind "//" */
        const char *host;      /* behind the last '@' of that */
        const char *path;      /* ends the authority */
        const char *query;     /* '?', '#' or the end */
} Parts;

static bool has_scheme(const char *url, const char *scheme) {
        return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

static Parts parts(const char *url) {
        const char *colon = strchr(url, ':');
        Parts p = { .authority = colon ? colon + 1 : url };

        if (strncmp(p.authority, "//", 2) == 0) {
                p.authority += 2;
                p.path = p.authority + strcspn(p.authority, "/?#");
        } else
                p.path = p.authority;
        p.host = p.authority;
        for (const char *s = p.authority; s < p.path; s++)
                if (*s == '@')
                        p.host = s + 1;
        p.query = p.path + strcspn(p.path, "?#");
        return p;
}

bool url_is_file(const char *url) {
        return has_scheme(url, "file:");
}

bool url_is_https(const char *url) {
        return has_scheme(url, "https://");
}

int url_check(const char *url, Error *e) {
        _cleanup_free_ char *shown = url_redacted(url);
        bool is_file = url_is_file(url);

        if (!shown)
                return error_oom(e);
        if (strlen(url) > URL_MAX)
                return error_set(e, EINVAL, "the URL is longer than %d bytes", URL_MAX);
        for (const char *s = url; *s; s++)
                if ((unsigned char) *s <= ' ' || *s == 127)
                        return error_set(e, EINVAL,
                                         "the URL has blanks or control characters in it");
        if (!is_file && !has_scheme(url, "http://") && !url_is_https(url))
                return error_set(e, EINVAL,
                                 "'%s' is no URL that begins with http:, https: or file:", shown);

        Parts p = parts(url);
        if (is_file)
                return url_file_path(url, NULL, e);
        _cleanup_free_ char *host = url_host(url);
        if (!host)
                return error_oom(e);
        if (!host[0] || (*p.host == '[' && !memchr(p.host, ']', (size_t) (p.path - p.host))))
                return error_set(e, EINVAL, "'%s' has no host in it", shown);
        return 0;
}

char *url_redacted(const char *url) {
        Parts p = parts(url);

        if (!strchr(url, ':'))
                return str_escape(url, "");
        _cleanup_free_ char *text = str_format("%.*s%.*s", (int) (p.authority - url), url,
                                               (int) (p.query - p.host), p.host);
        return text ? str_escape(text, "") : NULL;
}

char *url_host(const char *url) {
        Parts p = parts(url);
        size_t n = (size_t) (p.path - p.host);

        /* An address of IPv6 has colons of its own. */
        if (*p.host == '[') {
                const char *end = memchr(p.host, ']', n);
                p.host++;
                n = end ? (size_t) (end - p.host) : n - 1;
        } else {
                const char *colon = memchr(p.host, ':', n);
                n = colon ? (size_t) (colon - p.host) : n;
        }
        char *host = strndup(p.host, n);
        for (char *s = host; s && *s; s++)
                *s = (char) tolower((unsigned char) *s);
        return host;
}

/* Undoes %-escapes. Return: 0; -EINVAL: a wrong one, or one of NUL; -ENOMEM. */
static int decode(const char *s, size_t n, char **ret) {
        _cleanup_free_ char *out = malloc(n + 1);
        size_t k = 0;

        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                if (s[i] != '%') {
                        out[k++] = s[i];
                        continue;
                }
                int high = i + 1 < n ? hex_digit(s[i + 1]) : -1;
                int low = high >= 0 && i + 2 < n ? hex_digit(s[i + 2]) : -1;
                if (low < 0 || (high == 0 && low == 0))
                        return -EINVAL;
                out[k++] = (char) (high << 4 | low);
                i += 2;
        }
        out[k] = '\0';
        *ret = TAKE_PTR(out);
        return 0;
}

int url_file_path(const char *url, char **ret, Error *e) {
        Parts p = parts(url);
        _cleanup_free_ char *path = NULL;
        size_t n_host = (size_t) (p.path - p.host);

        if (n_host > 0 && !(n_host == 9 && strncasecmp(p.host, "localhost", 9) == 0))
                return error_set(e, EINVAL, "a file: URL cannot be about another host");
        /* An escaped '/' is no border between parts: what is beside such a file could not be said. */
        int r = *p.path == '/' ? decode(p.path, (size_t) (p.query - p.path), &path) : -EINVAL;
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0)
                return error_set(e, EINVAL, "a file: URL needs an absolute path");
        if (ret)
                *ret = TAKE_PTR(path);
        return 0;
}

/* Where the last component of the path begins. */
static const char *last_of(const Parts *p) {
        const char *last = p->path;

        for (const char *s = p->path; s < p->query; s++)
                if (*s == '/')
                        last = s + 1;
        return last;
}

int url_last(const char *url, char **ret, Error *e) {
        Parts p = parts(url);
        const char *last = last_of(&p);
        _cleanup_free_ char *name = NULL, *shown = url_redacted(url);
        int r = shown ? decode(last, (size_t) (p.query - last), &name) : -ENOMEM;

        if (r == -ENOMEM)
                return error_oom(e);
        bool ok = r >= 0 && name[0];
        for (const char *s = name; ok && *s; s++)
                ok = (unsigned char) *s >= ' ' && *s != '/' && *s != 127;
        if (!ok)
                return error_set(e, EINVAL, "'%s' does not end in the name of a file", shown);
        *ret = TAKE_PTR(name);
        return 0;
}

char *url_with_suffix(const char *url, const char *suffix) {
        Parts p = parts(url);

        return str_format("%.*s%s%s", (int) (p.query - url), url, suffix, p.query);
}

char *url_with_last(const char *url, const char *name) {
        Parts p = parts(url);
        _cleanup_(buf_done) Buf b = {};
        int r = buf_append(&b, url, (size_t) (last_of(&p) - url));

        if (r >= 0 && p.path == p.query)
                r = buf_puts(&b, "/");
        for (const char *s = name; *s && r >= 0; s++)
                r = isalnum((unsigned char) *s) || strchr("-._~+@=,:", *s)
                            ? buf_append(&b, s, 1)
                            : buf_printf(&b, "%%%02X", (unsigned char) *s);
        return r < 0 ? NULL : buf_take(&b);
}
