/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Users of the host that a machine knows too: their homes are below /run/host/home and their records in
 * /run/host/userdb, where nss-systemd finds them. Inside they have IDs of their own that follow from nothing
 * and last as long as the machine runs. */
#pragma once

#include "spawn/host-user.h"
#include "spawn/run.h"

/* IDs that such users get. */
#define BOUND_USER_MIN 60514U
#define BOUND_USER_MAX 60577U

typedef struct BoundUser {
        HostUser host;
        uid_t uid;   /* inside, and of the group as well */
        int home_fd; /* detached, of one start */
} BoundUser;

typedef struct BoundUsers {
        BoundUser *list;
        size_t n;
} BoundUsers;

/** bound_users_free() - free it; takes NULL. Return: NULL. */
BoundUsers *bound_users_free(BoundUsers *b);
DEFINE_CLEANUP(BoundUsers *, bound_users_free)

/** bound_users_assign() - give each user an ID that the image and the machine have for it
 * @passwd, @group: texts of these files of the image
 * Return: 0; -EBUSY a name is taken, or no ID is left; -ENXIO the machine has none of them. */
int bound_users_assign(BoundUsers *b, const char *passwd, const char *group, const IdRanges *ids,
                       Error *e);

/** bound_user_format() - the record of a user as JSON
 * @shell: to be named; NULL = none
 * @which: "user", "user-privileged" or "group"
 * Return: 0 or -ENOMEM. */
int bound_user_format(const BoundUser *u, const char *shell, const char *which, Buf *out);

/** bound_users_read() - PHASE_HOST: look the users up, give them IDs, and open their homes
 * Fills run->bound_users, which nobody needs once the children run. Return: 0 or -errno. */
int bound_users_read(const Spec *spec, Run *run, Error *e);
/** bound_users_apply() - PHASE_BUILD: put homes and records into the machine. Return: 0 or -errno. */
int bound_users_apply(const Spec *spec, Run *run, Error *e);
