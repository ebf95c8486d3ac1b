/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users of the host, see host-user.h. These files are the administrator's; that they are read here and not
 * by the C library's name services keeps those, and what they load and call, out of this program. */
#include "spawn/host-user.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/name.h"
#include "base/parse.h"
#include "base/path.h"
#include "spawn/users.h"

#define FILE_MAX   (16U << 20)
#define RECORD_MAX (1U << 20)
#define NOBODY     65534U

static void wipe(char **v) {
        STRV_FOREACH(s, v)
                explicit_bzero(*s, strlen(*s));
}

void host_user_done(HostUser *u) {
        wipe(u->passwords);
        strv_free(u->passwords);
        strv_free(u->ssh_keys);
        free(u->name);
        free(u->real_name);
        free(u->home);
        free(u->shell);
        *u = (HostUser){};
}

/* Return: 0 and the text, NULL if there is no such file; -errno. */
static int read_host(const char *root, const char *path, size_t max, char **ret, Error *e) {
        _cleanup_free_ char *full = str_format("%s%s", root, path);

        if (!full)
                return error_oom(e);
        *ret = NULL;
        int r = file_read(AT_FDCWD, full, max, ret, NULL);
        return r < 0 && r != -ENOENT && r != -ENOTDIR
                       ? error_set(e, r, "cannot read '%s': %m", full)
                       : 0;
}

/* A field of the line whose first field is @name. Return: 0; -ENOENT no such line; -ENOMEM. */
static int find_field(const char *text, const char *name, unsigned field, char **ret) {
        size_t n = strlen(name);

        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
                const char *p = line, *end = line + strcspn(line, "\n");

                if (strncmp(line, name, n) != 0 || line[n] != ':')
                        continue;
                for (unsigned i = 0; i < field && p; i++) {
                        p = memchr(p, ':', (size_t) (end - p));
                        p = p ? p + 1 : NULL;
                }
                if (!p)
                        continue;
                *ret = strndup(p, MIN(strcspn(p, ":"), (size_t) (end - p)));
                return *ret ? 0 : -ENOMEM;
        }
        return -ENOENT;
}

/* What is in the place of a password where there is none cannot be one by accident. */
static bool is_hash(const char *s) {
        return strlen(s) >= 13 && !strchr("!*", *s);
}

static int read_password(const char *root, HostUser *u, Error *e) {
        _cleanup_free_ char *shadow = NULL, *hash = NULL;
        int r = read_host(root, "/etc/shadow", FILE_MAX, &shadow, e);

        if (r < 0)
                return r;
        r = shadow ? find_field(shadow, u->name, 1, &hash) : -ENOENT;
        if (r >= 0 && is_hash(hash))
                r = strv_append(&u->passwords, hash);
        if (hash)
                explicit_bzero(hash, strlen(hash));
        if (shadow)
                explicit_bzero(shadow, strlen(shadow));
        return r == -ENOMEM ? error_oom(e) : 0;
}

/* From passwd and shadow. Return: 1 found, 0 not there, -errno. */
static int find_in_passwd(const char *root, const char *name, HostUser *ret, Error *e) {
        _cleanup_(host_user_done) HostUser u = {};
        _cleanup_(user_done) User found = {};
        _cleanup_free_ char *passwd = NULL;
        int r = read_host(root, "/etc/passwd", FILE_MAX, &passwd, e);

        if (r < 0)
                return r;
        r = passwd ? users_parse_passwd(passwd, name, &found) : -ESRCH;
        if (r == -ESRCH)
                return 0;
        if (r == -EBADMSG)
                return error_set(e, r, "/etc/passwd has no IDs that make sense for '%s'", name);
        if (r < 0)
                return error_oom(e);
        u.uid = found.uid;
        u.gid = found.gid;
        u.name = TAKE_PTR(found.name);
        u.home = TAKE_PTR(found.home);
        u.shell = TAKE_PTR(found.shell);
        if (find_field(passwd, name, 4, &u.real_name) == -ENOMEM)
                return error_oom(e);
        if (u.real_name)
                u.real_name[strcspn(u.real_name, ",")] = '\0';
        r = read_password(root, &u, e);
        if (r < 0)
                return r;
        *ret = u;
        u = (HostUser){};
        return 1;
}

/* A member that is a string, or missing. Return: 0; -EINVAL; -ENOMEM. */
static int take_string(const char *object, const char *name, char **ret) {
        const char *value;

        return json_member(object, name, &value) < 0 ? 0 : json_string(value, ret);
}

static int take_strings(const char *object, const char *name, char ***ret) {
        const char *value;

        return json_member(object, name, &value) < 0 ? 0 : json_strings(value, ret);
}

static int take_id(const char *object, const char *name, uid_t *ret) {
        const char *value;
        uint64_t n;
        int r = json_member(object, name, &value);

        if (r >= 0)
                r = json_unsigned(value, &n);
        if (r < 0)
                return r;
        if (n >= UINT32_MAX || n == UINT16_MAX)
                return -ERANGE;
        *ret = (uid_t) n;
        return 0;
}

int host_user_parse(const char *text, const char *privileged, const char *name, HostUser *ret,
                    Error *e) {
        _cleanup_(host_user_done) HostUser u = {};
        const char *secret;
        int r;

        if (json_check(text) < 0 || (privileged && json_check(privileged) < 0))
                return error_set(e, EBADMSG, "the record of user '%s' is not JSON", name);
        if (json_member(privileged ? privileged : text, "privileged", &secret) < 0)
                secret = "{}";

        r = take_string(text, "userName", &u.name);
        if (r >= 0)
                r = take_string(text, "realName", &u.real_name);
        if (r >= 0)
                r = take_string(text, "homeDirectory", &u.home);
        if (r >= 0)
                r = take_string(text, "shell", &u.shell);
        if (r >= 0)
                r = take_strings(secret, "hashedPassword", &u.passwords);
        if (r >= 0)
                r = take_strings(secret, "sshAuthorizedKeys", &u.ssh_keys);
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0 || !u.name || !streq(u.name, name) || !u.home ||
            !path_is_absolute_clean(u.home) || take_id(text, "uid", &u.uid) < 0 ||
            take_id(text, "gid", &u.gid) < 0)
                return error_set(
                        e, EBADMSG,
                        "the record of user '%s' lacks a name, IDs or a home that make sense",
                        name);
        if (u.shell && *u.shell != '/') {
                free(u.shell);
                u.shell = NULL;
        }
        *ret = u;
        u = (HostUser){};
        return 0;
}

static const char *const record_folders[] = { "/etc/userdb", "/run/userdb", "/run/host/userdb",
                                              "/usr/local/lib/userdb", "/usr/lib/userdb" };

/* The record of a user or group, as text. Return: 1 found, 0 not there, -errno. */
static int find_record(const char *root, const char *name, const char *suffix, char **ret,
                       size_t *ret_folder, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(record_folders); i++) {
                _cleanup_free_ char *path = str_format("%s/%s.%s", record_folders[i], name, suffix);

                if (!path)
                        return error_oom(e);
                int r = read_host(root, path, RECORD_MAX, ret, e);
                if (r < 0)
                        return r;
                *ret_folder = i;
                if (*ret)
                        return 1;
        }
        return 0;
}

static int find_in_records(const char *root, const char *name, HostUser *ret, Error *e) {
        _cleanup_free_ char *text = NULL, *privileged = NULL, *path = NULL;
        size_t folder;
        int r = find_record(root, name, "user", &text, &folder, e);

        if (r <= 0)
                return r;
        path = str_format("%s/%s.user-privileged", record_folders[folder], name);
        if (!path)
                return error_oom(e);
        r = read_host(root, path, RECORD_MAX, &privileged, e);
        if (r >= 0)
                r = host_user_parse(text, privileged, name, ret, e);
        if (privileged)
                explicit_bzero(privileged, strlen(privileged));
        return r < 0 ? r : 1;
}

/* Whether the group that a user is in before all others is its own. Return: 1, 0, -errno. */
static int has_own_group(const char *root, const HostUser *u, Error *e) {
        _cleanup_free_ char *group = NULL, *id = NULL, *record = NULL;
        size_t folder;
        gid_t gid;
        int r = read_host(root, "/etc/group", FILE_MAX, &group, e);

        if (r < 0)
                return r;
        r = group ? find_field(group, u->name, 2, &id) : -ENOENT;
        if (r == -ENOMEM)
                return error_oom(e);
        if (r >= 0)
                return parse_uid(id, &gid) >= 0 && gid == u->gid;
        r = find_record(root, u->name, "group", &record, &folder, e);
        if (r <= 0)
                return r;
        return json_check(record) >= 0 && take_id(record, "gid", &gid) >= 0 && gid == u->gid;
}

int host_user_find(const char *root, const char *name, HostUser *ret, Error *e) {
        _cleanup_(host_user_done) HostUser u = {};
        uid_t number;
        int r;

        if (!username_is_valid(name) || parse_uid(name, &number) >= 0)
                return error_set(e, EINVAL, "'%.60s' is not a user name", name);
        r = find_in_passwd(root, name, &u, e);
        if (r == 0)
                r = find_in_records(root, name, &u, e);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(e, ESRCH, "the host has no user '%s'", name);
        if (u.uid == 0 || u.uid == NOBODY)
                return error_set(e, EINVAL, "user '%s' of the host cannot be one of a machine",
                                 name);
        r = has_own_group(root, &u, e);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(e, EINVAL,
                                 "user '%s' of the host has no group of the same name for its own",
                                 name);
        *ret = u;
        u = (HostUser){};
        return 0;
}
