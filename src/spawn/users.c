/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* passwd(5) and group(5) of an image. The files are hostile: sizes are bounded, ill-formed lines count
 * for nothing. */
#include "spawn/users.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"

void user_done(User *u) {
        free(u->name);
        free(u->home);
        free(u->shell);
        free(u->groups);
        *u = (User){};
}

/* Cuts the line that starts at *p into at most @n fields; the text is changed.
 * Return: number of fields, at most @n; -1 at the end. */
static int next_line(char **p, char **fields, int n) {
        char *line = *p;
        int i = 0;

        if (!*line)
                return -1;
        size_t length = strcspn(line, "\n");
        *p = line + length + (line[length] == '\n');
        line[length] = '\0';

        for (char *f = line; f && i < n; i++) {
                fields[i] = f;
                f = strchr(f, ':');
                if (f)
                        *f++ = '\0';
        }
        return i;
}

static int fill(User *u, char *const *fields, uid_t uid, gid_t gid) {
        /* What is executed or entered must be absolute; else it counts as not given. */
        bool home = fields[5][0] == '/', shell = fields[6][0] == '/';

        *u = (User){ .uid = uid,
                     .gid = gid,
                     .name = strdup(fields[0]),
                     .home = strdup(home ? fields[5] : "/"),
                     .shell = shell ? strdup(fields[6]) : NULL };
        if (!u->name || !u->home || (shell && !u->shell)) {
                user_done(u);
                return -ENOMEM;
        }
        return 0;
}

int users_parse_passwd(const char *text, const char *who, User *ret) {
        _cleanup_free_ char *copy = strdup(text);
        char *fields[7], *p = copy;
        uid_t wanted = 0;
        bool by_number = parse_uid(who, &wanted) >= 0;

        if (!copy)
                return -ENOMEM;
        for (int n = next_line(&p, fields, 7); n >= 0; n = next_line(&p, fields, 7)) {
                uid_t uid;
                gid_t gid;

                if (n < 7 || !fields[0][0] || parse_uid(fields[2], &uid) < 0 ||
                    parse_uid(fields[3], &gid) < 0) {
                        if (!by_number && fields[0][0] && streq(fields[0], who))
                                return -EBADMSG;
                        continue;
                }
                if (by_number ? uid == wanted : streq(fields[0], who))
                        return fill(ret, fields, uid, gid);
        }
        return -ESRCH;
}

int users_parse_group(const char *text, const char *who, char **ret_name, gid_t *ret_gid) {
        _cleanup_free_ char *copy = strdup(text);
        char *fields[3], *p = copy;
        gid_t wanted = 0;
        bool by_number = parse_uid(who, &wanted) >= 0;

        if (!copy)
                return -ENOMEM;
        for (int n = next_line(&p, fields, 3); n >= 0; n = next_line(&p, fields, 3)) {
                gid_t gid;

                if (n < 3 || !fields[0][0] || parse_uid(fields[2], &gid) < 0 ||
                    (by_number ? gid != wanted : !streq(fields[0], who)))
                        continue;
                char *name = strdup(fields[0]);
                if (!name)
                        return -ENOMEM;
                *ret_name = name;
                *ret_gid = gid;
                return 0;
        }
        return -ESRCH;
}

static bool list_has(const char *list, const char *name) {
        size_t n = strlen(name);

        for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
                if (strcspn(p, ",") == n && strncmp(p, name, n) == 0)
                        return true;
        return false;
}

static int add_group(User *u, gid_t gid) {
        for (size_t i = 0; i < u->n_groups; i++)
                if (u->groups[i] == gid)
                        return 0;
        if (u->n_groups >= USERS_GROUPS_MAX)
                return -E2BIG;
        if ((u->n_groups & (u->n_groups - 1)) == 0) {
                size_t size = u->n_groups ? u->n_groups * 2 : 1;
                gid_t *groups = reallocarray(u->groups, size, sizeof *groups);
                if (!groups)
                        return -ENOMEM;
                u->groups = groups;
        }
        u->groups[u->n_groups++] = gid;
        return 0;
}

int users_parse_groups(const char *text, User *u) {
        _cleanup_free_ char *copy = strdup(text);
        char *fields[4], *p = copy;
        int r = copy ? add_group(u, u->gid) : -ENOMEM;

        if (r < 0)
                return r;
        for (int n = next_line(&p, fields, 4); n >= 0; n = next_line(&p, fields, 4)) {
                gid_t gid;

                if (n < 4 || parse_uid(fields[2], &gid) < 0 || !list_has(fields[3], u->name))
                        continue;
                r = add_group(u, gid);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Users that need no file to exist. */
static int without_file(const char *who, User *ret) {
        char *fields[7] = { (char *) who, NULL, NULL, NULL, NULL, (char *) "/", (char *) "" };
        uid_t uid = 0;

        if (streq(who, "root") || streq(who, "0")) {
                fields[0] = (char *) "root";
                fields[5] = (char *) "/root";
                return fill(ret, fields, 0, 0);
        }
        return parse_uid(who, &uid) < 0 ? -ESRCH : fill(ret, fields, uid, uid);
}

int users_make_home(int root_fd, const User *u, Error *e) {
        _cleanup_fd_ int there = path_open_in_root(root_fd, u->home, O_PATH, 0);
        _cleanup_free_ char *above = NULL;
        const char *name = path_last(u->home);

        if (there != -ENOENT || !*name)
                return 0;
        above = strndup(u->home, (size_t) (name - u->home));
        if (!above)
                return error_oom(e);
        _cleanup_fd_ int dir = path_mkdirs_in_root(root_fd, above, 0755, 0, 0);
        if (dir == -EROFS)
                return 0;
        if (dir < 0)
                return error_set(e, dir, "cannot make the home '%s' of user '%s': %m", u->home,
                                 u->name);
        if (mkdirat(dir, name, 0755) < 0)
                return errno == EROFS || errno == EEXIST
                               ? 0
                               : error_set(e, errno, "cannot make the home '%s' of user '%s': %m",
                                           u->home, u->name);
        if (fchownat(dir, name, u->uid, u->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return error_set(e, errno, "cannot give user '%s' the home '%s': %m", u->name,
                                 u->home);
        return 0;
}

int users_read_file(int root_fd, const char *path, char **ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0;
        int r = path_read_in_root(root_fd, path, USERS_FILE_MAX, &text, &n);

        if (r == -ENOENT)
                r = (text = strdup("")) ? 0 : -ENOMEM;
        else if (r == -EINVAL)
                return error_set(e, r, "%s of the image is not a regular file", path);
        else if (r == -EFBIG)
                return error_set(e, r, "%s of the image is larger than %u MiB", path,
                                 USERS_FILE_MAX >> 20);
        else if (r >= 0 && strlen(text) != n)
                return error_set(e, EBADMSG, "%s of the image holds a NUL byte", path);
        if (r < 0)
                return error_set(e, r, "cannot read %s of the image: %m", path);
        *ret = TAKE_PTR(text);
        return 0;
}

int users_find(int root_fd, const char *who, User *ret, Error *e) {
        _cleanup_free_ char *passwd = NULL, *group = NULL;
        _cleanup_(user_done) User u = {};
        int r = users_read_file(root_fd, "/etc/passwd", &passwd, e);

        if (r < 0)
                return r;
        r = users_parse_passwd(passwd, who, &u);
        if (r == -ESRCH)
                r = without_file(who, &u);
        if (r == -ESRCH)
                return error_set(e, r, "the image has no user '%s'", who);
        if (r == -EBADMSG)
                return error_set(e, r, "user '%s' of the image has no IDs that make sense", who);
        if (r < 0)
                return error_oom(e);

        r = users_read_file(root_fd, "/etc/group", &group, e);
        if (r < 0)
                return r;
        r = users_parse_groups(group, &u);
        if (r < 0)
                return error_set(e, r, "cannot read the groups of user '%s': %m", who);

        *ret = u;
        u = (User){};
        return 0;
}
