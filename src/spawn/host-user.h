/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A user of the host, for one that is to be known inside a machine too. Found in passwd, shadow and group, or
 * in the JSON records that userdb folders hold; name services are not asked. */
#pragma once

#include <sys/types.h>

#include "base/text.h"

typedef struct HostUser {
        char *name;
        char *real_name; /* NULL = none given */
        uid_t uid;
        gid_t gid;
        char *home;       /* absolute */
        char *shell;      /* absolute; NULL = none given */
        char **passwords; /* hashed */
        char **ssh_keys;
} HostUser;

/** host_user_done() - free what a HostUser holds, and wipe its passwords */
void host_user_done(HostUser *u);

/** host_user_parse() - read a user record
 * @text:       JSON, "NAME.user" of a userdb folder
 * @privileged: "NAME.user-privileged", or NULL
 * @name:       who it has to be
 * Return: 0; -EBADMSG with the cause in @e; -ENOMEM. */
int host_user_parse(const char *text, const char *privileged, const char *name, HostUser *ret,
                    Error *e);

/** host_user_find() - look a user up
 * root and nobody are refused, and users who have no group of their own that bears their name.
 * @root: "" for the host; a folder in the place of "/" for tests
 * Return: 0 or -errno. */
int host_user_find(const char *root, const char *name, HostUser *ret, Error *e);
