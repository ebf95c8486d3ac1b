/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Putting in what specifiers stand for, see specifier.h. Knows none of them but "%%". */
#include "base/specifier.h"

#include "base/text.h"

static const Specifier *find(const SpecifierTable *table, char letter) {
        for (size_t i = 0; i < table->n; i++)
                if (table->rows[i].letter == letter)
                        return table->rows + i;
        return NULL;
}

/* Adds what "%@letter" stands for. */
static int expand_one(const SpecifierTable *table, char letter, bool trusted, Buf *out, Error *e) {
        _cleanup_free_ char *value = NULL;
        const Specifier *row = find(table, letter);

        if (letter == '%')
                return buf_puts(out, "%") < 0 ? error_oom(e) : 0;
        if (letter == '\0')
                return error_set(e, EINVAL, "'%%' at the end; write '%%%%' for a percent sign");
        if (!row && (letter < ' ' || letter > '~'))
                return error_set(e, EINVAL,
                                 "'%%' begins no specifier; write '%%%%' for a percent sign");
        if (!row)
                return error_set(e, EINVAL,
                                 "unknown specifier '%%%c'; write '%%%%' for a percent sign",
                                 letter);
        if (row->tells_of_host && !trusted)
                return SPECIFIER_NEEDS_TRUST;
        int r = row->value(table->userdata, &value, e);
        if (r < 0)
                return error_wrap(e, r, "specifier '%%%c'", letter);
        return buf_puts(out, value) < 0 ? error_oom(e) : 0;
}

int specifier_expand(const SpecifierTable *table, const char *text, bool trusted, char **ret,
                     Error *e) {
        _cleanup_(buf_done) Buf out = {};

        if (buf_reserve(&out, strlen(text)) < 0)
                return error_oom(e);
        while (*text) {
                size_t n = strcspn(text, "%");
                if (buf_append(&out, text, n) < 0)
                        return error_oom(e);
                text += n;
                if (!*text)
                        break;
                int r = expand_one(table, text[1], trusted, &out, e);
                if (r != 0)
                        return r;
                text += 2;
        }
        char *done = buf_take(&out);
        if (!done)
                return error_oom(e);
        *ret = done;
        return 0;
}
