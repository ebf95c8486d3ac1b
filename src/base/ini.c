/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader of unit-like files, see ini.h. What a key means is the handler's to know. */
#include "base/ini.h"

#include "base/text.h"

typedef struct Parser {
        const char *name;
        const char *p, *end;
        unsigned line; /* number of the line behind @p */
        bool ignored;  /* inside an [X-…] section */
        char *section;
        IniHandler handler;
        void *userdata;
} Parser;

static void parser_done(Parser *p) {
        free(p->section);
}

static bool is_comment(const char *s, size_t n) {
        size_t i = 0;

        while (i < n && (s[i] == ' ' || s[i] == '\t'))
                i++;
        return i < n && (s[i] == '#' || s[i] == ';');
}

/* Reads one line with its continuations. Comment lines between the pieces are left out.
 * Return: 1, or 0 at the end. */
static int next_line(Parser *p, Buf *line, unsigned *ret_number, Error *e) {
        bool joined = false;

        if (p->p == p->end)
                return 0;

        if (buf_reserve(line, 0) < 0)
                return error_oom(e);

        *ret_number = p->line + 1;
        while (p->p < p->end) {
                const char *nl = memchr(p->p, '\n', (size_t) (p->end - p->p));
                size_t n = (size_t) ((nl ? nl : p->end) - p->p);
                const char *s = p->p;

                p->p += n + (nl != NULL);
                p->line++;
                if (joined && is_comment(s, n))
                        continue;
                while (n > 0 && s[n - 1] == '\r')
                        n--;
                bool more = n > 0 && s[n - 1] == '\\' && !(!joined && is_comment(s, n));
                if (buf_append(line, s, n - more) < 0 || (more && buf_puts(line, " ") < 0))
                        return error_oom(e);
                if (!more)
                        break;
                joined = true;
        }
        return 1;
}

static int parse_section(Parser *p, char *s, Error *e) {
        size_t n = strlen(s);

        if (n < 3 || s[n - 1] != ']')
                return error_set(e, EINVAL, "section header '%.60s' is not closed", s);
        s[n - 1] = '\0';
        if (str_replace(&p->section, s + 1) < 0)
                return error_oom(e);
        p->ignored = str_skip_prefix(p->section, "X-") != NULL;
        return 0;
}

static int parse_line(Parser *p, char *text, unsigned number, Error *e) {
        char *s = str_strip(text);

        if (!*s || *s == '#' || *s == ';')
                return 0;
        if (*s == '[')
                return parse_section(p, s, e);
        if (p->ignored)
                return 0;

        char *equals = strchr(s, '=');
        if (!equals || equals == s)
                return error_set(e, EINVAL, "'%.60s' is not an assignment", s);
        if (!p->section)
                return error_set(e, EINVAL, "'%.60s' stands before any section", s);

        *equals = '\0';
        return p->handler(p->section, str_strip(s), str_strip(equals + 1), number, p->userdata, e);
}

int ini_parse(const char *name, const char *text, size_t n, IniHandler handler, void *userdata,
              Error *e) {
        _cleanup_(parser_done) Parser p = {
                .name = name, .p = text, .end = text + n, .handler = handler, .userdata = userdata
        };

        for (;;) {
                _cleanup_(buf_done) Buf line = {};
                unsigned number = 0;
                int r = next_line(&p, &line, &number, e);

                if (r <= 0)
                        return r;
                if (line.n > 0 && !str_is_utf8(line.p, line.n))
                        r = error_set(e, EINVAL, "not valid UTF-8 text");
                else
                        r = parse_line(&p, line.p, number, e);
                if (r < 0)
                        return error_wrap(e, r, "%s:%u", name, number);
        }
}
