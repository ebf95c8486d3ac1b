/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads netrc files, see netrc.h. The first entry that is for a host counts, as with others' tools. */
#include "importer/netrc.h"

#include <strings.h>

#include "base/text.h"

typedef struct Words {
        const char *at;
        char *word; /* the one taken last */
} Words;

#define BLANK " \t\r\n"

/* The next word. Return: 1; 0 there is none; -EINVAL; -ENOMEM. */
static int next_word(Words *w) {
        for (;;) {
                w->at += strspn(w->at, BLANK);
                if (*w->at != '#')
                        break;
                w->at += strcspn(w->at, "\n");
        }
        free(w->word);
        w->word = NULL;
        if (!*w->at)
                return 0;

        _cleanup_(buf_done) Buf b = {};
        bool is_quoted = *w->at == '"';
        w->at += is_quoted;
        while (*w->at && (is_quoted ? *w->at != '"' : !strchr(BLANK, *w->at))) {
                if (is_quoted && *w->at == '\\' && w->at[1])
                        w->at++;
                if (buf_append(&b, w->at++, 1) < 0)
                        return -ENOMEM;
        }
        if (is_quoted && *w->at++ != '"')
                return -EINVAL;
        w->word = buf_take(&b);
        return w->word ? 1 : -ENOMEM;
}

/* A macro ends at an empty line. */
static void pass_macro(Words *w) {
        const char *end = strstr(w->at, "\n\n");

        w->at = end ? end : w->at + strlen(w->at);
}

/* The value of a keyword. */
static int take_value(Words *w, bool is_wanted, char **ret) {
        int r = next_word(w);

        if (r <= 0)
                return r < 0 ? r : -EINVAL;
        return is_wanted ? str_replace(ret, w->word) : 0;
}

static int find(Words *w, const char *host, char **user, char **password) {
        bool is_here = false, is_found = false;
        int r;

        while ((r = next_word(w)) > 0) {
                if (streq(w->word, "machine")) {
                        if (is_found)
                                return 0;
                        r = next_word(w);
                        is_here = is_found = r > 0 && strcasecmp(w->word, host) == 0;
                        r = r == 0 ? -EINVAL : r;
                } else if (streq(w->word, "default")) {
                        if (is_found)
                                return 0;
                        is_here = is_found = true;
                } else if (streq(w->word, "login"))
                        r = take_value(w, is_here, user);
                else if (streq(w->word, "password"))
                        r = take_value(w, is_here, password);
                else if (streq(w->word, "account"))
                        r = take_value(w, false, NULL);
                else if (streq(w->word, "macdef"))
                        pass_macro(w);
                else
                        r = -EINVAL;
                if (r < 0)
                        return r;
        }
        return r;
}

static void wipe(char *s) {
        if (s)
                explicit_bzero(s, strlen(s));
        free(s);
}

int netrc_find(const char *text, const char *host, char **ret_user, char **ret_password, Error *e) {
        Words w = { .at = text };
        char *user = NULL, *password = NULL;
        int r = find(&w, host, &user, &password);

        wipe(w.word);
        if (r < 0) {
                wipe(user);
                wipe(password);
                return r == -ENOMEM
                               ? error_oom(e)
                               : error_set(e, r, "the list of passwords (netrc) makes no sense");
        }
        if (user)
                *ret_user = user;
        if (password)
                *ret_password = password;
        return 0;
}
