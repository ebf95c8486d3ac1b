/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of settings about users and their IDs, see spec-parse.h. Whether a user or range is there is not
 * asked here. */
#include "spawn/spec-parse.h"

#include "base/name.h"
#include "base/parse.h"
#include "spawn/spec.h"

static int parse_user(const char *value, char **user, Error *e) {
        uid_t uid;

        if (!username_is_valid(value) && parse_uid(value, &uid) < 0)
                return error_set(e, EINVAL, "'%.60s' is neither a user name nor a user ID", value);
        return str_replace(user, value) < 0 ? error_oom(e) : 0;
}

int spec_parse_user(const Setting *row, const char *value, void *at, Error *e) {
        return parse_user(value, at, e);
}

/* What others know as the switch to a manager of one's own is followed by an option, or by nothing. */
int spec_parse_old_user(const Setting *row, const char *value, void *at, Error *e) {
        if (*value == '-' || *value == '\0')
                return error_set(e, EOPNOTSUPP,
                                 "there is no instance of skep for each user; with a name,"
                                 " this is an old word for --uid=");
        return parse_user(value, at, e);
}

/* "BASE" or "BASE:COUNT", or what id_ranges_parse() reads. */
static int parse_ranges(const char *value, IdRanges *ret, Error *e) {
        const char *colon = strchr(value, ':');
        _cleanup_free_ char *first = strndup(value,
                                             colon ? (size_t) (colon - value) : strlen(value));
        uint32_t base, count = PRIVATE_USERS_RANGE_DEFAULT;

        if (!first)
                return error_oom(e);
        if (strchr(value, ',') || (colon && strchr(colon + 1, ':')))
                return id_ranges_parse(value, ret, e);
        if (parse_u32(first, &base) < 0 || (colon && parse_u32(colon + 1, &count) < 0))
                return error_set(e, EINVAL,
                                 "'%.60s' is not one of no, yes, pick, identity, BASE[:COUNT] or"
                                 " INSIDE:OUTSIDE:COUNT[,…]",
                                 value);
        ret->n = 0;
        return id_ranges_add(ret, 0, base, count, e);
}

int spec_parse_private_users(const Setting *row, const char *value, void *at, Error *e) {
        static const struct {
                const char *word;
                PrivateUsers mode;
        } words[] = {
                { "pick", PRIVATE_USERS_PICK },
                { "identity", PRIVATE_USERS_IDENTITY },
        };
        Spec *s = (Spec *) ((char *) at - offsetof(Spec, private_users));
        IdRanges ranges;
        bool on;
        int r;

        if (streq(value, "managed"))
                return error_set(e, EOPNOTSUPP,
                                 "'managed' takes its range from systemd-nsresourced, which is not"
                                 " supported; use 'pick'");
        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(value, words[i].word)) {
                        s->private_users = words[i].mode;
                        return 0;
                }
        /* "0" and "1" are ranges here. */
        if (value[strspn(value, "0123456789")] == '\0' || parse_bool(value, &on) < 0) {
                r = parse_ranges(value, &ranges, e);
                if (r < 0)
                        return r;
                s->private_users = PRIVATE_USERS_FIXED;
                s->private_users_map = ranges;
                return 0;
        }
        s->private_users = on ? PRIVATE_USERS_OWNER : PRIVATE_USERS_NO;
        return 0;
}

int spec_parse_ownership(const Setting *row, const char *value, void *at, Error *e) {
        /* The first one is what nobody has said. */
        static const char *const words[] = {
                [OWNERSHIP_AUTO - 1] = "auto",   [OWNERSHIP_OFF - 1] = "off",
                [OWNERSHIP_MAP - 1] = "map",     [OWNERSHIP_FOREIGN - 1] = "foreign",
                [OWNERSHIP_CHOWN - 1] = "chown", [_OWNERSHIP_MAX - 1] = NULL
        };
        const Setting choice = { .data = words };
        int i, r = setting_choice(&choice, value, &i, e);

        if (r >= 0)
                *(Ownership *) at = (Ownership) (i + 1);
        return r;
}

int spec_parse_ownership_chown(const Setting *row, const char *value, void *at, Error *e) {
        Ownership *o = at;
        bool on;

        if (parse_bool(value, &on) < 0)
                return error_set(e, EINVAL, "'%.60s' is neither yes nor no", value);
        *o = on ? OWNERSHIP_CHOWN : OWNERSHIP_OFF;
        return 0;
}

int spec_parse_delegate(const Setting *row, const char *value, void *at, Error *e) {
        return streq(value, "0")
                       ? 0
                       : error_set(e, EOPNOTSUPP,
                                   "ranges are delegated with --private-users=managed alone, which"
                                   " is not supported; --private-users=INSIDE:OUTSIDE:COUNT,…"
                                   " gives a machine more IDs");
}

int spec_parse_bind_user(const Setting *row, const char *value, void *at, Error *e) {
        if (*value && !username_is_valid(value))
                return error_set(e, EINVAL, "'%.60s' is not the name of a user or group", value);
        return setting_strings(row, value, at, e);
}

int spec_parse_bind_user_shell(const Setting *row, const char *value, void *at, Error *e) {
        const Setting path = {};
        bool on;

        if (parse_bool(value, &on) < 0)
                return setting_inner_path(&path, value, at, e);
        if (!on) {
                free(*(char **) at);
                *(char **) at = NULL;
                return 0;
        }
        return setting_string(row, "yes", at, e);
}
