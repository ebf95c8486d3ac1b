/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carries out the plans of a machine step by step, in the processes and order that run.h tells. */
#pragma once

#include "image/lock.h"
#include "spawn/disk.h"
#include "spawn/plan.h"
#include "spawn/stack.h"

typedef struct Engine {
        const Spec *spec;
        Plan plan;
        Run run;
        ImageLock *image_lock;
        Disk disk;
        Stack stack;
        int adopted_fd; /* the builder's: to PID 1 in a user namespace */
        int builder_fd; /* pidfd of the builder; -EBADF = it is PID 1 */
        bool prepared;  /* steps that are done once are done */
        bool pauses;    /* PID 1 waits for PHASE_HOOKS */
        bool attaches;  /* PHASE_ATTACH has steps; PID 1 cannot tell, it no longer sees the host */
        bool left;      /* the machine is no longer ours */
        Buf notes;      /* sentences for the user, one a line */
} Engine;

/** engine_init() - for a Spec that outlives it */
void engine_init(Engine *g, const Spec *spec);
/** engine_done() - take back everything that start and prepare did, and free it */
void engine_done(Engine *g);

/** engine_plan() - (steps-host.c) look at the image and make the plans, changing nothing that lasts
 * Return: 0 or -errno. */
int engine_plan(Engine *g, Error *e);

/** engine_start() - start the machine, or start it again after a reboot
 * @ret_status:  on failure: what to exit with
 * Return: 0 the payload runs, run.leader_fd and run.console_fd are set; -errno: nothing runs. */
int engine_start(Engine *g, int *ret_status, Error *e);
/** engine_build() - the first half of engine_start(): up to where the machine waits for PHASE_HOOKS
 * Where it does not, it goes on by itself. Return: 0, run.leader and run.leader_fd are set; -errno: nothing runs. */
int engine_build(Engine *g, int *ret_status, Error *e);
/** engine_release() - the other half. Return: as engine_start(). */
int engine_release(Engine *g, int *ret_status, Error *e);
/** engine_leave() - a machine with spec->stays goes on without us: nothing is taken back by engine_done() */
void engine_leave(Engine *g);

/** engine_release_image() - let go of the image's lock before the rest: the payload has ended for good
 * Others hear of the end at the same moment, and whoever waited for it to change the image shall not find
 * it locked. */
void engine_release_image(Engine *g);
/** engine_stop() - after the payload has ended: close what belonged to this start of it */
void engine_stop(Engine *g);

/** engine_make_first_process() - PHASE_BUILD with a user namespace: the builder makes PID 1, as a sibling
 * of its own, with the machine's namespaces and ID map; it waits until the builder has built
 * Return: 0 or -errno. */
int engine_make_first_process(Engine *g, Error *e);
