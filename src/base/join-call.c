/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests to run a command in a machine, see join-call.h: "K=value" strings, each ended by NUL, for an
 * argument may hold anything else. Who may ask for what is not looked at here. */
#include "base/join-call.h"

#include "base/parse.h"
#include "base/path.h"

void join_call_done(JoinCall *c) {
        free(c->machine);
        free(c->user);
        free(c->cwd);
        free(c->program);
        strv_free(c->command);
        strv_free(c->environment);
        *c = (JoinCall){};
}

static int put(Buf *b, char key, const char *value) {
        int r = value ? buf_printf(b, "%c=%s", key, value) : 0;

        return r < 0 || !value ? r : buf_append(b, "", 1);
}

int join_call_format(const JoinCall *c, Buf *ret) {
        char leader[16], size[16];
        int r;

        (void) snprintf(leader, sizeof leader, "%d", c->leader);
        r = put(ret, 'M', c->machine);
        if (r >= 0)
                r = put(ret, 'L', leader);
        if (r >= 0)
                r = put(ret, 'U', c->user);
        if (r >= 0)
                r = put(ret, 'D', c->cwd);
        if (r >= 0)
                r = put(ret, 'P', c->program);
        (void) snprintf(size, sizeof size, "%u,%u", c->rows, c->columns);
        if (r >= 0 && c->terminal)
                r = put(ret, 'T', size);
        if (r >= 0 && c->at_home)
                r = put(ret, 'H', "1");
        STRV_FOREACH(s, c->command)
                if (r >= 0)
                        r = put(ret, 'A', *s);
        STRV_FOREACH(s, c->environment)
                if (r >= 0)
                        r = put(ret, 'E', *s);
        return r;
}

/* "ROWS,COLUMNS" */
static int parse_window(const char *value, JoinCall *c) {
        const char *comma = strchr(value, ',');
        _cleanup_free_ char *rows = comma ? strndup(value, (size_t) (comma - value)) : NULL;
        uint64_t r, k;

        if (!comma)
                return -EBADMSG;
        if (!rows)
                return -ENOMEM;
        if (parse_u64(rows, 0, UINT16_MAX, &r) < 0 || parse_u64(comma + 1, 0, UINT16_MAX, &k) < 0)
                return -EBADMSG;
        c->rows = (uint16_t) r;
        c->columns = (uint16_t) k;
        return 0;
}

static int take_word(JoinCall *c, char key, const char *value) {
        switch (key) {
        case 'M':
                return str_replace(&c->machine, value);
        case 'L':
                return parse_pid(value, &c->leader) < 0 || c->leader <= 1 ? -EBADMSG : 0;
        case 'U':
                return str_replace(&c->user, value);
        case 'D':
                return path_is_absolute_clean(value) ? str_replace(&c->cwd, value) : -EBADMSG;
        case 'P':
                return str_replace(&c->program, value);
        case 'T':
                c->terminal = true;
                return parse_window(value, c);
        case 'H':
                c->at_home = true;
                return 0;
        case 'A':
                return strv_append(&c->command, value);
        case 'E':
                return env_assignment_is_valid(value) ? strv_append(&c->environment, value)
                                                      : -EBADMSG;
        default:
                return -EBADMSG;
        }
}

int join_call_parse(const char *text, size_t n, JoinCall *ret, Error *e) {
        _cleanup_(join_call_done) JoinCall c = {};

        if (n > JOIN_CALL_TEXT_MAX || (n > 0 && text[n - 1] != '\0'))
                return error_set(e, EBADMSG, "the request is cut off");
        for (size_t at = 0; at < n; at += strlen(text + at) + 1) {
                const char *word = text + at;
                int r = word[0] && word[1] == '=' ? take_word(&c, word[0], word + 2) : -EBADMSG;

                if (r == -ENOMEM)
                        return error_oom(e);
                if (r < 0)
                        return error_set(e, EBADMSG, "'%.40s' in the request makes no sense", word);
        }
        if (!c.machine || !c.user || c.leader == 0)
                return error_set(e, EBADMSG, "the request does not say where, or as whom");
        if (c.program && !c.command)
                return error_set(e, EBADMSG, "the request has a program and no arguments");
        *ret = c;
        c = (JoinCall){};
        return 0;
}
