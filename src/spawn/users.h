/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users of an image, read from its passwd and group files; none of the image's code is run for it. */
#pragma once

#include <sys/types.h>

#include "base/text.h"

typedef struct User {
        uid_t uid;
        gid_t gid;
        char *name;
        char *home;
        char *shell; /* NULL = none given */
        gid_t *groups;
        size_t n_groups;
} User;

#define USERS_FILE_MAX   (4U << 20) /* longest passwd or group file that is read, bytes */
#define USERS_GROUPS_MAX 8192U

/** user_done() - free what a User holds */
void user_done(User *u);

/** users_parse_passwd() - find one user in the text of a passwd file
 * @who:  name, or a number
 * @ret:  all but the groups
 * Return: 0; -ESRCH no such user; -EBADMSG a line bears the name, but no user; -ENOMEM. Lines of others that
 * make no sense are passed over. */
int users_parse_passwd(const char *text, const char *who, User *ret);

/** users_parse_group() - find one group in the text of a group file
 * @who:  name, or a number
 * Return: 0; -ESRCH no such group; -ENOMEM. */
int users_parse_group(const char *text, const char *who, char **ret_name, gid_t *ret_gid);

/** users_parse_groups() - supplementary groups of @u in the text of a group file, its own first
 * Return: 0; -E2BIG; -ENOMEM. */
int users_parse_groups(const char *text, User *u);

/** users_read_file() - text of a passwd or group file of an image, "" if it has none
 * Return: 0; -errno for a file that is none, too long, or not text. */
int users_read_file(int root_fd, const char *path, char **ret, Error *e);

/** users_find() - look a user up in an image
 * root and bare numbers are found even in an image that has no passwd file.
 * Return: 0 or -errno. */
int users_find(int root_fd, const char *who, User *ret, Error *e);

/** users_make_home() - make a user's home, with what is missing above it, unless it is there
 * What is made above belongs to root. On a read-only root nothing is made. umask must be 0.
 * Return: 0 or -errno. */
int users_make_home(int root_fd, const User *u, Error *e);
