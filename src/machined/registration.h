/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a new machine is to be, by whatever way somebody asks for it: checked, made of live processes and
 * taken in. Decoding, rights and answers are for those who take the calls. */
#pragma once

#include "machined/manager.h"

/* Texts may be NULL; all is borrowed. */
typedef struct Registration {
        const char *name;
        const char *service;
        const char *class;
        const char *root;
        const char *ssh_address;
        const char *ssh_key;
        const char *control_address;
        const void *id; /* 0 or 16 bytes; all zero = none */
        size_t n_id;
        const int32_t *netifs;
        size_t n_netifs;
        uint32_t leader; /* 0 = the caller */
        uint64_t leader_id;
        int leader_fd; /* -EBADF = none */
        uint32_t vsock_cid;
        bool has_vsock_cid;
        bool wants_scope;
} Registration;

#define REGISTRATION_NONE ((Registration){ .leader_fd = -EBADF })

/** registration_check() - whether all of it makes sense. Return: 0 or -EINVAL with @e set. */
int registration_check(const Registration *g, Error *e);
/** registration_find_free() - whether the name is free now
 * A machine of that name whose leader is dead makes room: at once, or, where its scope has to go first,
 * within a moment.
 * @ret_old: who still has the name
 * Return: 0 free; 1 not yet, @ret_old is going; -ERR_MACHINE_EXISTS. */
int registration_find_free(Manager *m, const Registration *g, Machine **ret_old, Error *e);
/** registration_make() - a machine with its processes pinned, in no registry yet
 * @uid, @caller: who asks; the caller is the leader if none is named, else the supervisor
 * Return: 0; -EACCES the leader is not @uid's; -errno, with @e set. */
int registration_make(Manager *m, const Registration *g, uid_t uid, pid_t caller, Machine **ret,
                      Error *e);
/** registration_take_in() - have the machine in the registry, and announced
 * @machine:  consumed in any case
 * @creation: who waits for its scope; NULL = it stays in the unit that it is in. It is answered when
 * the scope is there or failed, but not when this function fails.
 * Return: 0 or a negative code with @e set. */
int registration_take_in(Manager *m, Machine *machine, const Creation *creation, Error *e);
