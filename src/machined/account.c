/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Accounts of guests, see account.h. Lines that make no sense are passed over, as libc does. */
#include "machined/account.h"

#include "base/parse.h"
#include "base/path.h"

#define ACCOUNT_FILE_MAX (4 * 1024 * 1024)
#define GROUPS_MAX       4096

void account_done(Account *a) {
        free(a->name);
        free(a->home);
        free(a->shell);
        free(a->groups);
        *a = (Account){};
}

/* Cuts a copy of the next line into fields. Return: how many; 0 = empty line; -1 = no more lines. */
static int next_line(const char **text, char *line, size_t size, char **fields, int max) {
        size_t length = strcspn(*text, "\n");
        int n = 0;

        if (**text == '\0')
                return -1;
        const char *start = *text;
        *text += length + (start[length] == '\n');
        if (length == 0 || length >= size)
                return 0;
        memcpy(line, start, length);
        line[length] = '\0';
        for (char *p = line; p && n < max; n++) {
                fields[n] = p;
                p = strchr(p, ':');
                if (p)
                        *p++ = '\0';
        }
        return n;
}

static int take_passwd_line(char *const *fields, Account *a) {
        Account found = {};

        if (parse_uid(fields[2], &found.uid) < 0 || parse_uid(fields[3], &found.gid) < 0)
                return -EINVAL;
        found.name = strdup(fields[0]);
        found.home = strdup(fields[5][0] == '/' ? fields[5] : "/");
        found.shell = strdup(fields[6][0] == '/' ? fields[6] : "/bin/sh");
        if (!found.name || !found.home || !found.shell) {
                account_done(&found);
                return -ENOMEM;
        }
        *a = found;
        return 0;
}

/* Return: 1 found, 0 not there, -ENOMEM. */
static int find_user(const char *passwd, const char *user, Account *ret) {
        char line[4096], *fields[7];
        int n;

        while ((n = next_line(&passwd, line, sizeof line, fields, 7)) >= 0) {
                if (n != 7 || !(streq(fields[0], user) || streq(fields[2], user)))
                        continue;
                int r = take_passwd_line(fields, ret);
                if (r != -EINVAL)
                        return r < 0 ? r : 1;
        }
        return 0;
}

static bool list_has(const char *members, const char *name) {
        size_t n = strlen(name);

        for (const char *p = members; *p; p += strspn(p, ",")) {
                size_t length = strcspn(p, ",");
                if (length == n && memcmp(p, name, n) == 0)
                        return true;
                p += length;
        }
        return false;
}

static int find_groups(const char *group, Account *a) {
        char line[64 * 1024], *fields[4];
        gid_t gid;
        int n;

        while ((n = next_line(&group, line, sizeof line, fields, 4)) >= 0) {
                if (n != 4 || !list_has(fields[3], a->name) || parse_uid(fields[2], &gid) < 0 ||
                    gid == a->gid || a->n_groups >= GROUPS_MAX)
                        continue;
                gid_t *t = reallocarray(a->groups, a->n_groups + 1, sizeof *t);
                if (!t)
                        return -ENOMEM;
                a->groups = t;
                a->groups[a->n_groups++] = gid;
        }
        return 0;
}

static int make_up(const char *user, Account *a) {
        uid_t uid = 0;

        if (!streq(user, "root") && parse_uid(user, &uid) < 0)
                return -ENOENT;
        a->name = strdup(user);
        a->home = strdup(uid == 0 ? "/root" : "/");
        a->shell = strdup("/bin/sh");
        a->uid = uid;
        a->gid = uid;
        return a->name && a->home && a->shell ? 0 : -ENOMEM;
}

int account_parse(const char *passwd, const char *group, const char *user, Account *ret, Error *e) {
        _cleanup_(account_done) Account a = {};
        int r = find_user(passwd, user, &a);

        if (r == 0)
                r = make_up(user, &a);
        if (r >= 0)
                r = find_groups(group, &a);
        if (r == -ENOENT)
                return error_set(e, ENOENT, "the machine has no user '%.64s'", user);
        if (r < 0)
                return error_oom(e);
        *ret = a;
        a = (Account){};
        return 0;
}

static int read_or_empty(int root_fd, const char *path, char **ret, Error *e) {
        int r = path_read_in_root(root_fd, path, ACCOUNT_FILE_MAX, ret, NULL);

        if (r == -ENOENT) {
                *ret = strdup("");
                return *ret ? 0 : error_oom(e);
        }
        return r < 0 ? error_set(e, r, "cannot read %s of the machine: %m", path) : 0;
}

int account_read(int root_fd, const char *user, Account *ret, Error *e) {
        _cleanup_free_ char *passwd = NULL, *group = NULL;
        int r = read_or_empty(root_fd, "/etc/passwd", &passwd, e);

        if (r >= 0)
                r = read_or_empty(root_fd, "/etc/group", &group, e);
        return r < 0 ? r : account_parse(passwd, group, user, ret, e);
}
