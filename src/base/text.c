/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings, see text.h. Knows no file formats: those sit on top of it (ini.c, setting.c). */
#include "base/text.h"

#include <ctype.h>
#include <stdarg.h>

void buf_done(Buf *b) {
        free(b->p);
        *b = (Buf){};
}

int buf_reserve(Buf *b, size_t n) {
        if (n > SIZE_MAX / 2 - b->n)
                return -ENOMEM;

        size_t need = b->n + n + 1;
        if (need <= b->size)
                return 0;

        size_t twice = MAX(b->size * 2, (size_t) 64);
        size_t size = MAX(need, twice);
        char *p = realloc(b->p, size);
        if (!p)
                return -ENOMEM;

        b->p = p;
        b->size = size;
        b->p[b->n] = '\0';
        return 0;
}

int buf_append(Buf *b, const void *data, size_t n) {
        int r = buf_reserve(b, n);
        if (r < 0)
                return r;

        if (n > 0)
                memcpy(b->p + b->n, data, n);
        b->n += n;
        b->p[b->n] = '\0';
        return 0;
}

int buf_puts(Buf *b, const char *s) {
        return buf_append(b, s, strlen(s));
}

int buf_printf(Buf *b, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        int n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0)
                return -EINVAL;

        int r = buf_reserve(b, (size_t) n);
        if (r < 0)
                return r;

        va_start(ap, format);
        (void) vsnprintf(b->p + b->n, (size_t) n + 1, format, ap);
        va_end(ap);
        b->n += (size_t) n;
        return 0;
}

char *buf_take(Buf *b) {
        if (!b->p && buf_reserve(b, 0) < 0)
                return NULL;

        char *p = b->p;
        *b = (Buf){};
        return p;
}

char *str_format(const char *format, ...) {
        va_list ap;
        char *s;

        va_start(ap, format);
        int n = vasprintf(&s, format, ap);
        va_end(ap);
        return n < 0 ? NULL : s;
}

const char *str_skip_prefix(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool str_has_suffix(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

char *str_strip(char *s) {
        while (isspace((unsigned char) *s))
                s++;
        size_t n = strlen(s);
        while (n > 0 && isspace((unsigned char) s[n - 1]))
                s[--n] = '\0';
        return s;
}

/* Length of the UTF-8 sequence at @s; 0 = not valid (overlong forms, surrogates, > U+10FFFF). */
static size_t utf8_sequence(const unsigned char *s, size_t n) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t k = s[0] < 0x80       ? 1
                   : s[0] >> 5 == 6  ? 2
                   : s[0] >> 4 == 14 ? 3
                   : s[0] >> 3 == 30 ? 4
                                     : 0;

        if (k == 0 || k > n || s[0] == 0)
                return 0;
        if (k == 1)
                return 1;

        uint32_t c = s[0] & (0xffu >> (k + 1));
        for (size_t i = 1; i < k; i++) {
                if (s[i] >> 6 != 2)
                        return 0;
                c = c << 6 | (s[i] & 0x3f);
        }

        if (c < least[k] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        return k;
}

bool str_is_utf8(const char *s, size_t n) {
        while (n > 0) {
                size_t k = utf8_sequence((const unsigned char *) s, n);
                if (k == 0)
                        return false;
                s += k;
                n -= k;
        }
        return true;
}

void str_make_utf8(char *s) {
        for (size_t n = strlen(s); n > 0;) {
                size_t k = utf8_sequence((const unsigned char *) s, n);
                if (k == 0) {
                        *s = '?';
                        k = 1;
                }
                s += k;
                n -= k;
        }
}

int str_replace(char **p, const char *value) {
        char *copy = value ? strdup(value) : NULL;

        if (value && !copy)
                return -ENOMEM;
        free(*p);
        *p = copy;
        return 0;
}

static const char escape_letters[] = "abfnrtv\\\"'s";
static const char escape_bytes[] = "\a\b\f\n\r\t\v\\\"' ";

char *str_escape(const char *s, const char *special) {
        _cleanup_(buf_done) Buf b = {};
        int r = 0;

        for (; *s && r >= 0; s++) {
                unsigned char c = (unsigned char) *s;
                /* Only the control characters have letters that every reader knows. */
                const char *known = memchr(escape_bytes, c, 7);

                if (c == '\\')
                        r = buf_puts(&b, "\\\\");
                else if (known)
                        r = buf_printf(&b, "\\%c", escape_letters[known - escape_bytes]);
                else if (c < ' ' || c == 0x7f || strchr(special, c))
                        r = buf_printf(&b, "\\x%02x", c);
                else
                        r = buf_append(&b, s, 1);
        }
        return r < 0 ? NULL : buf_take(&b);
}

int hex_digit(char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                      : -1;
}

int hex_parse(const char *s, uint8_t *ret, size_t n) {
        for (size_t i = 0; i < 2 * n; i++)
                if (hex_digit(s[i]) < 0)
                        return -EINVAL;
        if (s[2 * n])
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                ret[i] = (uint8_t) (hex_digit(s[2 * i]) << 4 | hex_digit(s[2 * i + 1]));
        return 0;
}

/* Reads one escape whose backslash is already behind us. Return: bytes eaten or -EINVAL. */
static int unescape_one(const char *s, char *ret) {
        const char *letter = *s ? strchr(escape_letters, *s) : NULL;
        int v;

        if (letter) {
                *ret = escape_bytes[letter - escape_letters];
                return 1;
        }
        if (*s == 'x') {
                int hi = hex_digit(s[1]), lo = hi < 0 ? -1 : hex_digit(s[2]);
                v = lo < 0 ? -1 : hi << 4 | lo;
        } else if (s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
                   s[2] <= '7')
                v = (s[0] - '0') << 6 | (s[1] - '0') << 3 | (s[2] - '0');
        else
                v = -1;
        if (v < 0)
                return -EINVAL;

        *ret = (char) v;
        return 3;
}

int str_unescape_bytes(const char *s, char **ret, size_t *ret_n) {
        _cleanup_free_ char *t = malloc(strlen(s) + 1);
        size_t n = 0;

        if (!t)
                return -ENOMEM;

        while (*s) {
                if (*s != '\\') {
                        t[n++] = *s++;
                        continue;
                }
                int k = unescape_one(++s, t + n);
                if (k < 0)
                        return k;
                s += k;
                n++;
        }

        t[n] = '\0';
        *ret = TAKE_PTR(t);
        *ret_n = n;
        return 0;
}

int str_unescape(const char *s, char **ret) {
        _cleanup_free_ char *t = NULL;
        size_t n;
        int r = str_unescape_bytes(s, &t, &n);

        if (r < 0)
                return r;
        if (strlen(t) != n)
                return -EINVAL;
        *ret = TAKE_PTR(t);
        return 0;
}

char **strv_free(char **v) {
        for (size_t i = 0; v && v[i]; i++)
                free(v[i]);
        free(v);
        return NULL;
}

size_t strv_length(char *const *v) {
        size_t n = 0;

        while (v && v[n])
                n++;
        return n;
}

bool strv_contains(char *const *v, const char *s) {
        for (; v && *v; v++)
                if (streq(*v, s))
                        return true;
        return false;
}

int strv_consume(char ***v, char *s) {
        size_t n = strv_length(*v);
        char **t = s ? reallocarray(*v, n + 2, sizeof *t) : NULL;

        if (!t) {
                free(s);
                return -ENOMEM;
        }
        t[n] = s;
        t[n + 1] = NULL;
        *v = t;
        return 0;
}

int strv_append(char ***v, const char *s) {
        return strv_consume(v, strdup(s));
}

int strv_append_format(char ***v, const char *format, ...) {
        va_list ap;
        char *s;

        va_start(ap, format);
        int n = vasprintf(&s, format, ap);
        va_end(ap);
        return strv_consume(v, n < 0 ? NULL : s);
}

int strv_copy(char *const *v, char ***ret) {
        _cleanup_strv_ char **t = NULL;

        for (; v && *v; v++) {
                int r = strv_append(&t, *v);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(t);
        return 0;
}

char *strv_join(char *const *v, const char *separator) {
        _cleanup_(buf_done) Buf b = {};

        for (size_t i = 0; v && v[i]; i++)
                if ((i > 0 && buf_puts(&b, separator) < 0) || buf_puts(&b, v[i]) < 0)
                        return NULL;
        return buf_take(&b);
}

int strv_env_set(char ***env, const char *assignment) {
        size_t n = strcspn(assignment, "=") + 1;

        STRV_FOREACH(s, *env)
                if (strncmp(*s, assignment, n) == 0)
                        return str_replace(s, assignment);
        return strv_append(env, assignment);
}

const char *strv_env_get(char *const *env, const char *name) {
        size_t n = strlen(name);

        for (; env && *env; env++)
                if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
                        return *env + n + 1;
        return NULL;
}

int str_split(const char *s, const char *separators, char ***ret) {
        _cleanup_strv_ char **v = NULL;

        for (;;) {
                s += strspn(s, separators);
                if (!*s)
                        break;
                size_t n = strcspn(s, separators);
                int r = strv_consume(&v, strndup(s, n));
                if (r < 0)
                        return r;
                s += n;
        }
        *ret = TAKE_PTR(v);
        return 0;
}

/* Reads one word of a command line. Return: 1 a word, 0 none left. */
static int split_word(const char **s, Buf *word, Error *e) {
        const char *p = *s + strspn(*s, " \t\n\r");
        char quote = 0;
        int r = buf_reserve(word, 0);

        if (r < 0)
                return error_oom(e);
        if (!*p)
                return 0;

        for (; *p && (quote || !strchr(" \t\n\r", *p)); p++) {
                char c = *p;

                if (quote ? c == quote : c == '"' || c == '\'') {
                        quote = quote ? 0 : c;
                        continue;
                }
                if (c == '\\') {
                        r = unescape_one(p + 1, &c);
                        if (r < 0)
                                return error_set(e, EINVAL, "bad escape '%.2s'", p);
                        p += r;
                }
                if (buf_append(word, &c, 1) < 0)
                        return error_oom(e);
        }
        if (quote)
                return error_set(e, EINVAL, "quote %c is not closed", quote);

        *s = p;
        return 1;
}

int str_split_quoted(const char *s, char ***ret, Error *e) {
        _cleanup_strv_ char **v = NULL;

        for (;;) {
                _cleanup_(buf_done) Buf word = {};
                int r = split_word(&s, &word, e);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                if (strv_consume(&v, buf_take(&word)) < 0)
                        return error_oom(e);
        }
        *ret = TAKE_PTR(v);
        return 0;
}

int str_split_colon(const char *s, char ***ret) {
        _cleanup_strv_ char **v = NULL;

        for (;;) {
                _cleanup_(buf_done) Buf piece = {};
                for (; *s && *s != ':'; s++) {
                        if (*s == '\\' && (s[1] == ':' || s[1] == '\\'))
                                s++;
                        else if (*s == '\\' && !s[1])
                                return -EINVAL;
                        if (buf_append(&piece, s, 1) < 0)
                                return -ENOMEM;
                }
                int r = strv_consume(&v, buf_take(&piece));
                if (r < 0)
                        return r;
                if (!*s)
                        break;
                s++;
        }
        *ret = TAKE_PTR(v);
        return 0;
}

bool env_name_is_valid(const char *s, size_t n) {
        if (n == 0 || isdigit((unsigned char) s[0]))
                return false;
        for (size_t i = 0; i < n; i++)
                if (!isalnum((unsigned char) s[i]) && s[i] != '_')
                        return false;
        return true;
}

bool env_assignment_is_valid(const char *s) {
        size_t n = strcspn(s, "=");

        if (s[n] != '=' || !env_name_is_valid(s, n))
                return false;
        for (const char *c = s + n + 1; *c; c++)
                if (((unsigned char) *c < ' ' && *c != '\t' && *c != '\n') || *c == 0x7f)
                        return false;
        return true;
}
