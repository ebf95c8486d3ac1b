/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine as the registry knows it: who it is, which processes carry it, which unit they live in. A
 * plain value with descriptors; it knows nothing of the bus. */
#pragma once

#include <sys/types.h>

#include "base/id128.h"
#include "base/proc.h"

#define MACHINE_HOST_NAME  ".host"
#define MACHINE_VSOCK_ANY  UINT32_MAX
#define MACHINE_NETIFS_MAX 1024

typedef enum MachineClass {
        MACHINE_CLASS_UNKNOWN,
        MACHINE_CONTAINER,
        MACHINE_VM,
        MACHINE_HOST,
        _MACHINE_CLASS_MAX,
        _MACHINE_CLASS_INVALID = -EINVAL,
} MachineClass;

/* A process that is pinned: the PID means nothing once @fd says that it is gone. */
typedef struct MachineProcess {
        pid_t pid;   /* 0 = none */
        uint64_t id; /* number in pidfs that never comes again; 0 = the kernel has none */
        int fd;      /* -EBADF = none */
} MachineProcess;

#define MACHINE_PROCESS_NONE ((MachineProcess){ .fd = -EBADF })

typedef struct Machine {
        char *name;
        Id128 id;
        MachineClass class;
        char *service;
        char *root;      /* as the registrar tells; "" = unknown */
        char *unit;      /* NULL = in no unit */
        char *subgroup;  /* control group below the unit that the machine shares; NULL = none */
        bool owns_unit;  /* the unit is this machine's alone */
        char *scope_job; /* object path of the pending start job; NULL = none */
        MachineProcess leader;
        MachineProcess supervisor;
        int *netifs;
        size_t n_netifs;
        uint32_t vsock_cid;
        char *ssh_address;
        char *ssh_key;
        char *control_address; /* of a control service of its own */
        uid_t uid;             /* who registered it */
        uint64_t realtime;     /* µs; when it was registered */
        uint64_t monotonic;    /* µs */
        bool is_closing;
        char *path; /* object path, made by whoever puts it on the bus */
        void *edge; /* of whoever watches its processes */
        struct Machine *next, *previous;
} Machine;

/** machine_new() - Return: 0 or -ENOMEM. */
int machine_new(const char *name, Machine **ret);
/** machine_free() - close, free; takes NULL. It must not be in a registry. Return: NULL. */
Machine *machine_free(Machine *m);
DEFINE_CLEANUP(Machine *, machine_free)

/** machine_process_done() - close and forget */
void machine_process_done(MachineProcess *p);
/** machine_process_pin() - open a pidfd, and learn the number that says which process it is
 * @pid: > 0
 * @id:  the number it has to have; 0 = any
 * Return: 0; -ESRCH = no such process, or it is another one by now; -errno. */
int machine_process_pin(pid_t pid, uint64_t id, MachineProcess *ret);
/** machine_process_is_alive() - a process that was never there is not alive */
bool machine_process_is_alive(const MachineProcess *p);
/** machine_process_has_pid() - whether its PID is still its own: it lives, or nobody has waited for it.
 * Of one that is not pinned nothing else is known. */
bool machine_process_has_pid(const MachineProcess *p);

/** machine_find_unit() - take unit, subgroup and whether the unit is owned from where the leader is
 * "payload" and "supervisor" at the top of a unit are how spawners divide a unit that is the
 * machine's own. Units that belong to a login, to a user's manager or to PID 1 are never owned, and the
 * machine of a user who is not root owns only units whose control group is that user's.
 * Return: 0, also when the leader is in no unit; -errno. */
int machine_find_unit(Machine *m, Error *e);
/** machine_is_in_unit() - whether the leader is in the machine's unit now */
bool machine_is_in_unit(const Machine *m);
/** machine_unit_is_shared() - whether a unit of that name can never be one machine's own */
bool machine_unit_is_shared(const char *unit);
/** machine_scope_name() - "machine-NAME.scope", escaped. Return: a new string; NULL = out of memory. */
char *machine_scope_name(const char *name);
/** machine_has_own_scope() - whether its unit is the scope that was made for it */
bool machine_has_own_scope(const Machine *m);

/** machine_state_name() - "opening", "running" or "closing" */
const char *machine_state_name(const Machine *m);
/** machine_class_name() - "container", "vm", "host", "" */
const char *machine_class_name(MachineClass c);
/** machine_class_parse() - the opposite. Return: a class or _MACHINE_CLASS_INVALID. */
MachineClass machine_class_parse(const char *s);

/** machine_id_shift() - by how much user IDs of the machine are shifted
 * Return: 0; -EOPNOTSUPP when the map is not one plain range; -errno. */
int machine_id_shift(const Machine *m, uint32_t *ret, Error *e);
/** machine_uid_owns_process() - whether a user may call a process their own
 * The same UID, or a user namespace above the process (16 levels at most) that the user made.
 * Return: 1, 0, -errno. */
int machine_uid_owns_process(uid_t uid, const MachineProcess *p, Error *e);
