/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads lists of digests, see checksum-list.h. */
#include "importer/checksum-list.h"

#include "base/text.h"

static const char *const tags[] = { [DIGEST_SHA256] = "SHA256", [DIGEST_SHA512] = "SHA512" };

/* One line that makes sense: a digest and the name it is of, "" for none. */
typedef struct Line {
        Digest digest;
        const char *name;
        size_t n_name;
        bool is_escaped;
} Line;

/* "SHA256 (NAME) = HEX" */
static int parse_tagged(const char *s, size_t n, Line *ret) {
        for (int t = 0; t < (int) ELEMENTSOF(tags); t++) {
                size_t n_tag = strlen(tags[t]), n_hex = 2 * digest_size((DigestType) t);

                if (n < n_tag + 2 + 4 + n_hex || memcmp(s, tags[t], n_tag) != 0 ||
                    memcmp(s + n_tag, " (", 2) != 0)
                        continue;
                if (memcmp(s + n - n_hex - 4, ") = ", 4) != 0 ||
                    digest_parse_hex(s + n - n_hex, n_hex, &ret->digest) < 0)
                        return -EINVAL;
                ret->name = s + n_tag + 2;
                ret->n_name = n - n_hex - 4 - n_tag - 2;
                return 0;
        }
        return -EINVAL;
}

/* "HEX", "HEX NAME", "HEX  NAME", "HEX *NAME" */
static int parse_plain(const char *s, size_t n, Line *ret) {
        size_t n_hex = 0;

        while (n_hex < n && s[n_hex] != ' ' && s[n_hex] != '\t')
                n_hex++;
        if (digest_parse_hex(s, n_hex, &ret->digest) < 0)
                return -EINVAL;
        s += n_hex;
        n -= n_hex;
        if (n > 0) {
                s++;
                n--;
                if (n > 0 && (*s == ' ' || *s == '*')) {
                        s++;
                        n--;
                }
        }
        ret->name = s;
        ret->n_name = n;
        return 0;
}

static int parse_line(const char *s, size_t n, Line *ret) {
        *ret = (Line){};
        if (n > 0 && s[n - 1] == '\r')
                n--;
        if (n > 0 && *s == '\\') {
                ret->is_escaped = true;
                s++;
                n--;
        }
        int r = parse_tagged(s, n, ret);
        if (r < 0)
                r = parse_plain(s, n, ret);
        if (r >= 0 && ret->n_name > 2 && memcmp(ret->name, "./", 2) == 0) {
                ret->name += 2;
                ret->n_name -= 2;
        }
        return r;
}

/* Compares as the tools write names with a backslash or a newline in them. */
static bool is_name(const Line *l, const char *name) {
        size_t i = 0;

        for (; *name; name++) {
                char want = *name;
                if (l->is_escaped && (want == '\\' || want == '\n' || want == '\r')) {
                        if (i >= l->n_name || l->name[i++] != '\\')
                                return false;
                        want = want == '\n' ? 'n' : want == '\r' ? 'r' : '\\';
                }
                if (i >= l->n_name || l->name[i++] != want)
                        return false;
        }
        return i == l->n_name;
}

int checksum_list_find(const char *text, size_t n, const char *name, Digest *ret, Error *e) {
        Digest found[_DIGEST_TYPE_MAX];
        bool has[_DIGEST_TYPE_MAX] = {};

        for (const char *end = text + n; text < end;) {
                const char *newline = memchr(text, '\n', (size_t) (end - text));
                const char *stop = newline ? newline : end;
                Line l;
                int r = parse_line(text, (size_t) (stop - text), &l);

                text = newline ? newline + 1 : end;
                if (r < 0 || (name ? !is_name(&l, name) : l.n_name > 0))
                        continue;
                DigestType t = l.digest.type;
                if (has[t] && !digest_is_equal(found + t, &l.digest))
                        return error_set(e, EBADMSG, "there are two %s digests for one file",
                                         digest_name(t));
                has[t] = true;
                found[t] = l.digest;
        }

        for (int t = _DIGEST_TYPE_MAX - 1; t >= 0; t--)
                if (has[t]) {
                        *ret = found[t];
                        return 0;
                }
        return error_set(e, ENOENT, "there is no digest for this file in it");
}
