/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A user of a guest, read out of its /etc/passwd and /etc/group without running anything of it. */
#pragma once

#include <sys/types.h>

#include "base/text.h"

typedef struct Account {
        char *name;
        char *home;
        char *shell;
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* the other ones */
        size_t n_groups;
} Account;

/** account_done() - free what it holds */
void account_done(Account *a);
/** account_parse() - find a user in the text of passwd and group
 * @passwd, @group: "" where there is no such file
 * @user:   name or number. root and numbers that no line has get what such users usually have.
 * Return: 0; -ENOENT = no such user; -ENOMEM. */
int account_parse(const char *passwd, const char *group, const char *user, Account *ret, Error *e);
/** account_read() - the same from the files below @root_fd. Return: as above, or -errno. */
int account_read(int root_fd, const char *user, Account *ret, Error *e);
