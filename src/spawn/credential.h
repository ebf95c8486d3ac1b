/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credentials of a machine: small pieces of data, secret or not, that are handed in at its start and are
 * seen by nobody but its root, in memory that is never swapped out: /run/host/credentials/ID. */
#pragma once

#include "base/setting.h"

#define CREDENTIAL_SIZE_MAX (1024 * 1024)
#define CREDENTIAL_FOLDER   "/run/host/credentials"

typedef struct Credential {
        char *id;
        char *path; /* where it is read at the start: a file, a socket, or the name of one of our own */
        char *value; /* else what it is */
        size_t n;
} Credential;

typedef struct Credentials {
        Credential *list;
        size_t n;
} Credentials;

void credentials_done(Credentials *c);
/** credential_id_is_valid() - a file name of printable ASCII without ':' */
bool credential_id_is_valid(const char *id);
/** credentials_find() - NULL = none */
const Credential *credentials_find(const Credentials *c, const char *id);

/** credentials_add() - add one of our own, unless the user gave one of that name. Return: 0 or -errno. */
int credentials_add(Credentials *all, const char *id, const char *value, Error *e);

/** credential_setting_set() - settings reader for ID:VALUE; field is Credentials */
int credential_setting_set(const Setting *row, const char *value, void *at, Error *e);
/** credential_setting_load() - settings reader for ID:PATH; field is Credentials */
int credential_setting_load(const Setting *row, const char *value, void *at, Error *e);

/** credentials_apply() - PHASE_BUILD, after the mounts: read those to be read, and show all inside
 * @for_all:  not only root inside may read them: for a payload that is somebody else, and stays it
 * @root_fd:  the machine's root
 * @uid:      host's ID of root inside
 * Return: 0 or -errno. */
int credentials_apply(const Credentials *c, bool for_all, int root_fd, uid_t uid, Error *e);
