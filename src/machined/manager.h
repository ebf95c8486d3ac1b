/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's state and the life of a machine in it: added, announced, dropped. Here the model meets
 * the bus, the event loop and the files. */
#pragma once

#include "bus/daemon.h"
#include "bus/error.h"
#include "bus/name.h"
#include "bus/operation.h"
#include "bus/wire.h"
#include "image/image.h"
#include "machined/life-log.h"
#include "machined/registry.h"

/* Calls that wait until the name of a dying machine is free. */
#define MACHINE_WAITING_MAX 8

typedef struct Waiter Waiter;
typedef struct ImageWatch ImageWatch;
typedef struct ImageLookup ImageLookup;
typedef struct Front Front;

typedef struct Manager {
        Daemon daemon;
        Registry registry;
        Wire machine_list; /* what ListMachines() answers; empty = to be written anew */
        LifeLog life_log;
        int state_fd;
        Operations operations;
        Waiter *waiters;
        unsigned n_waiters;
        ImageWatch *image_watch;
        ImageLookup *image_lookups; /* calls that wait for an image to be found */
        unsigned n_opening;         /* machines with a pending start job */
        sd_bus *asked_on;           /* where the last message came from, see privacy.c */
        bool reveals;          /* all of a machine may be told to who reads its properties now */
        Machine stranger_view; /* else this is told, see privacy.h; all in it is borrowed */
        Image stranger_image;  /* and this of an image */
        bool no_pidfds;        /* PID 1 is too old to take a scope's processes as pidfds */
        bool no_scope_user;    /* PID 1 is too old to give a scope's control group to a user */
        Map images;            /* image objects of this turn of the loop, see object-image.c */
        sd_event_source *forget_images;
        Front *front; /* varlink */
} Manager;

/* Somebody who waits for the scope of a new machine. */
typedef struct Creation {
        sd_bus_message *properties; /* its last argument is more properties; NULL = none */
        /* Once. @machine is NULL when it failed; @error is unset too when nobody should be told. */
        void (*answer)(void *userdata, const Machine *machine, const sd_bus_error *error);
        void *userdata;
} Creation;

/* What the daemon keeps per machine (Machine.edge). */
typedef struct MachineEdge {
        Manager *manager;
        Machine *machine;
        sd_event_source *leader_exit;
        sd_event_source *give_up; /* when the unit of a dead machine does not go away */
        sd_bus_slot *call;        /* to PID 1, about this machine */
        Creation creation;        /* its start job is pending; all zero = none is */
        bool is_announced;        /* MachineNew was emitted */
        bool is_ready;            /* it has told that it has booted */
        bool is_watched;          /* a worker waits for that */
        sd_bus_message *waiting[MACHINE_WAITING_MAX]; /* for the name of this dying machine */
        unsigned n_waiting;
} MachineEdge;

/** manager_init() - connect, take up what was there before; the objects are on the bus afterwards
 * @m: must not move afterwards; manager_done() is right whatever came of it
 * Return: 0 or -errno. */
int manager_init(Manager *m, void (*set_level)(int), Error *e);
/** manager_done() - free all; machines and their files stay as they are */
void manager_done(Manager *m);

/** manager_edge() - what the daemon keeps of a machine in its registry */
static inline MachineEdge *manager_edge(const Machine *machine) {
        return machine->edge;
}

/** manager_add() - take a new machine into the registry and watch its leader
 * @machine: belongs to the registry on success only
 * Return: 0; -ERR_MACHINE_EXISTS; -errno. */
int manager_add(Manager *m, Machine *machine, Error *e);
/** manager_announce() - write its file and tell everybody. Return: 0 or -errno. */
int manager_announce(Manager *m, Machine *machine, Error *e);
/** manager_save() - write its file again; what goes wrong is logged */
void manager_save(Manager *m, Machine *machine);
/** manager_state_changed() - tell everybody that opening, running or closing has become another of them */
void manager_state_changed(Manager *m, const Machine *machine);
/** manager_drop() - forget a machine: file, MachineRemoved, and the machine itself is freed */
void manager_drop(Manager *m, Machine *machine);
/** manager_check_gone() - look whether a machine's leader is gone, and act on it
 * Return: true when @machine was freed. */
bool manager_check_gone(Manager *m, Machine *machine);

/** manager_wait_for_end() - have a call dispatched once more when a dying machine is gone
 * Return: 1; -ERR_MACHINE_EXISTS when too many wait already. */
int manager_wait_for_end(Manager *m, Machine *machine, sd_bus_message *call, Error *e);
/** manager_created() - answer who waits for a machine's scope, if anybody does
 * @error: why it failed; NULL = it did not */
void manager_created(Machine *machine, const sd_bus_error *error);

/** manager_find() - a machine by name. Return: 0; -ERR_NO_SUCH_MACHINE. */
int manager_find(Manager *m, const char *name, Machine **ret, Error *e);
/** manager_by_leader() - the machine that a process leads, without asking the kernel anything
 * Return: NULL = none, or it cannot be told: registry_by_pid() can. */
Machine *manager_by_leader(const Manager *m, pid_t pid);
/** manager_caller_machine() - the machine that the sender of a message runs in
 * Whoever asks has made sure that the sender is known, see privacy.c. Return: NULL = none. */
Machine *manager_caller_machine(Manager *m, sd_bus_message *message);
