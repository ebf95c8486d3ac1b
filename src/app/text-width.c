/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How wide text is on a terminal, cutting it, and making foreign text harmless. Wants no locale set:
 * the C library's tables for UTF-8 are asked whatever the environment says. Not for laying out rows:
 * that is table.c. */
#include <locale.h>
#include <wchar.h>

#include "app/table.h"

static locale_t locale_free(locale_t l) {
        if (l)
                freelocale(l);
        return NULL;
}
DEFINE_CLEANUP(locale_t, locale_free)

/* Length of the UTF-8 character at @s, 0 if it is none; its code point in *@ret. */
static size_t utf8_char(const char *s, uint32_t *ret) {
        unsigned char c = (unsigned char) s[0];
        size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;

        if (n == 0 || strnlen(s, n) < n || !str_is_utf8(s, n))
                return 0;
        *ret = n == 1 ? c : c & (0x7fU >> n);
        for (size_t i = 1; i < n; i++)
                *ret = *ret << 6 | ((unsigned char) s[i] & 0x3f);
        return n;
}

/* Walks over @s until @width columns are used. Return: bytes passed; the columns in *@ret_width. */
static size_t walk(const char *s, size_t width, size_t *ret_width) {
        _cleanup_(locale_freep) locale_t utf8 = NULL;
        locale_t before = NULL;
        size_t used = 0, i = 0;

        while (s[i]) {
                uint32_t c;
                size_t n = utf8_char(s + i, &c);
                int w = 1;

                if (n > 1 && !utf8) {
                        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
                        before = utf8 ? uselocale(utf8) : NULL;
                }
                if (n > 1)
                        w = wcwidth((wchar_t) c);
                if (w < 0)
                        w = 1;
                if (used + (size_t) w > width)
                        break;
                used += (size_t) w;
                i += n == 0 ? 1 : n;
        }
        if (before)
                (void) uselocale(before);
        *ret_width = used;
        return i;
}

size_t text_width(const char *s) {
        size_t w;

        (void) walk(s, SIZE_MAX, &w);
        return w;
}

char *text_cut(const char *s, size_t width, bool ascii) {
        size_t mark = ascii ? 3 : 1, used;

        if (text_width(s) <= width)
                return strdup(s);
        if (width <= mark)
                return strndup(ascii ? "..." : "…", ascii ? width : width > 0 ? strlen("…") : 0);
        size_t n = walk(s, width - mark, &used);
        return str_format("%.*s%s", (int) n, s, ascii ? "..." : "…");
}

char *text_printable(const char *s, bool lines) {
        _cleanup_(buf_done) Buf b = {};

        while (*s) {
                uint32_t c;
                size_t n = utf8_char(s, &c);
                /* C1 controls are as good as an escape to many terminals. */
                bool bad = n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0);
                int r;

                if (bad && !(lines && *s == '\n')) {
                        r = buf_printf(&b, "\\x%02x", (unsigned char) *s);
                        n = 1;
                } else
                        r = buf_append(&b, s, n);
                if (r < 0)
                        return NULL;
                s += n;
        }
        return buf_take(&b);
}
