/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading JSON text, see json.h. One function walks over any value and is what everything else is made
 * of; it is a small machine for nested texts and not recursive. */
#include "base/json.h"

#include "base/parse.h"

/* Return: what follows a string that begins at @p; NULL if none does. */
static const char *skip_string(const char *p) {
        if (*p++ != '"')
                return NULL;
        for (; *p != '"'; p++) {
                if ((unsigned char) *p < 0x20)
                        return NULL;
                if (*p != '\\')
                        continue;
                p++;
                if (*p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") >= 4)
                        p += 4;
                else if (!*p || !strchr("\"\\/bfnrt", *p))
                        return NULL;
        }
        return p + 1;
}

static const char *skip_number(const char *p) {
        static const char digits[] = "0123456789";
        size_t n;

        p += *p == '-';
        n = strspn(p, digits);
        if (n == 0 || (n > 1 && *p == '0'))
                return NULL;
        p += n;
        if (*p == '.') {
                n = strspn(p + 1, digits);
                if (n == 0)
                        return NULL;
                p += 1 + n;
        }
        if (*p == 'e' || *p == 'E') {
                p += p[1] == '+' || p[1] == '-' ? 2 : 1;
                n = strspn(p, digits);
                if (n == 0)
                        return NULL;
                p += n;
        }
        return p;
}

static const char *skip_scalar(const char *p) {
        static const char *const words[] = { "true", "false", "null" };

        if (*p == '"')
                return skip_string(p);
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                const char *rest = str_skip_prefix(p, words[i]);
                if (rest)
                        return rest;
        }
        return skip_number(p);
}

/* The key of a member and its colon. */
static const char *skip_key(const char *p) {
        p = skip_string(p);
        if (!p)
                return NULL;
        p = json_space(p);
        return *p == ':' ? json_space(p + 1) : NULL;
}

/* Return: what follows the value that begins at @p; NULL if none does. */
static const char *skip_value(const char *p) {
        char close[JSON_DEPTH_MAX];
        unsigned depth = 0;

        for (;;) {
                bool opened = *p == '{' || *p == '[';

                if (opened) {
                        if (depth == JSON_DEPTH_MAX)
                                return NULL;
                        close[depth++] = *p == '{' ? '}' : ']';
                        p = json_space(p + 1);
                } else {
                        p = skip_scalar(p);
                        if (!p)
                                return NULL;
                }
                /* What closes, up to where the next value begins. */
                for (;; opened = false) {
                        if (depth == 0)
                                return p;
                        p = json_space(p);
                        if (*p == close[depth - 1]) {
                                depth--;
                                p++;
                                continue;
                        }
                        if (!opened) {
                                if (*p != ',')
                                        return NULL;
                                p = json_space(p + 1);
                        }
                        if (close[depth - 1] == '}') {
                                p = skip_key(p);
                                if (!p)
                                        return NULL;
                        }
                        break;
                }
        }
}

const char *json_skip(const char *value) {
        const char *end = skip_value(value);

        return end ? json_space(end) : NULL;
}

int json_check(const char *text) {
        const char *end = skip_value(json_space(text));

        return end && !*json_space(end) ? 0 : -EINVAL;
}

static unsigned read_hex(const char *p) {
        unsigned v = 0;

        for (unsigned i = 0; i < 4; i++) {
                char c = p[i];
                v = v << 4 | (unsigned) (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        return v;
}

static char *put_utf8(char *o, unsigned c) {
        if (c < 0x80)
                *o++ = (char) c;
        else if (c < 0x800) {
                *o++ = (char) (0xC0 | c >> 6);
                *o++ = (char) (0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
                *o++ = (char) (0xE0 | c >> 12);
                *o++ = (char) (0x80 | (c >> 6 & 0x3F));
                *o++ = (char) (0x80 | (c & 0x3F));
        } else {
                *o++ = (char) (0xF0 | c >> 18);
                *o++ = (char) (0x80 | (c >> 12 & 0x3F));
                *o++ = (char) (0x80 | (c >> 6 & 0x3F));
                *o++ = (char) (0x80 | (c & 0x3F));
        }
        return o;
}

/* Takes what follows a backslash. Return: the character, 0 for one that cannot be; *p is past it. */
static unsigned take_escape(const char **p) {
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";

        if (**p != 'u')
                return (unsigned char) to[strchr(from, *(*p)++) - from];
        unsigned c = read_hex(*p + 1);
        *p += 5;
        if (c < 0xD800 || c > 0xDFFF)
                return c;
        /* Half of a pair, which the other half has to follow. */
        if (c > 0xDBFF || (*p)[0] != '\\' || (*p)[1] != 'u')
                return 0;
        unsigned low = read_hex(*p + 2);
        *p += 6;
        return low < 0xDC00 || low > 0xDFFF ? 0 : 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF));
}

int json_string(const char *value, char **ret) {
        const char *end = *value == '"' ? skip_string(value) : NULL;
        _cleanup_free_ char *out = end ? malloc((size_t) (end - value)) : NULL;
        char *o = out;

        if (!end)
                return -EINVAL;
        if (!out)
                return -ENOMEM;
        for (const char *p = value + 1; p < end - 1;) {
                if (*p != '\\') {
                        *o++ = *p++;
                        continue;
                }
                p++;
                unsigned c = take_escape(&p);
                if (c == 0)
                        return -EINVAL;
                o = put_utf8(o, c);
        }
        *o = '\0';
        *ret = TAKE_PTR(out);
        return 0;
}

int json_member(const char *object, const char *name, const char **ret) {
        const char *p = json_space(object), *found = NULL;

        if (*p != '{')
                return -ENOENT;
        for (p = json_space(p + 1); *p == '"'; p = json_space(p + 1)) {
                _cleanup_free_ char *key = NULL;
                const char *value = skip_key(p);

                if (!value)
                        return -ENOENT;
                if (json_string(p, &key) >= 0 && streq(key, name))
                        found = value;
                p = skip_value(value);
                if (!p)
                        return -ENOENT;
                p = json_space(p);
                if (*p != ',')
                        break;
        }
        if (!found)
                return -ENOENT;
        *ret = found;
        return 0;
}

int json_strings(const char *value, char ***ret) {
        _cleanup_strv_ char **v = NULL;
        const char *p = json_space(value);

        if (*p != '[')
                return -EINVAL;
        for (p = json_space(p + 1); *p != ']'; p = json_space(p + 1)) {
                char *s = NULL;
                int r = json_string(p, &s);

                if (r >= 0)
                        r = strv_consume(&v, s);
                if (r < 0)
                        return r;
                p = json_space(skip_string(p));
                if (*p == ']')
                        break;
                if (*p != ',')
                        return -EINVAL;
        }
        *ret = TAKE_PTR(v);
        return 0;
}

int json_unsigned(const char *value, uint64_t *ret) {
        const char *end = skip_number(value);
        _cleanup_free_ char *text = NULL;
        size_t n = strspn(value, "0123456789");

        if (!end || n != (size_t) (end - value))
                return -EINVAL;
        text = strndup(value, n);
        return text ? parse_u64(text, 0, UINT64_MAX, ret) : -ENOMEM;
}

int json_integer(const char *value, int64_t *ret) {
        bool negative = *value == '-';
        uint64_t n;
        int r = json_unsigned(value + negative, &n);

        if (r < 0)
                return r;
        if (n > (uint64_t) INT64_MAX + negative)
                return -ERANGE;
        *ret = negative ? (int64_t) (0 - n) : (int64_t) n;
        return 0;
}

int json_puts(Buf *out, const char *s) {
        static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
        int r = buf_puts(out, "\"");

        while (r >= 0 && *s) {
                unsigned char c = (unsigned char) *s;
                const char *found = strchr(plain, c);
                size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

                if (found)
                        r = buf_printf(out, "\\%c", letters[found - plain]);
                else if (c < 0x20 || c == 0x7f)
                        r = buf_printf(out, "\\u%04x", c);
                else if (strnlen(s, n) < n || !str_is_utf8(s, n)) {
                        r = buf_puts(out, "\xef\xbf\xbd");
                        n = 1;
                } else
                        r = buf_append(out, s, n);
                s += n;
        }
        return r < 0 ? r : buf_puts(out, "\"");
}
