/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making a container of a bundle with the spawner's engine, and removing what is left of it. */
#pragma once

#include "oci/config.h"
#include "spawn/engine.h"
#include "spawn/oci/oci.h"

typedef struct Launch {
        Oci *oci;
        Container container;
        Spec spec;
        Engine engine;
        bool is_there; /* the container's directory is ours to remove */
} Launch;

/** launch_init() - nothing is there yet */
void launch_init(Launch *l, Oci *oci);
/** launch_done() - kill and remove what was made, unless launch_leave() was called */
void launch_done(Launch *l);

/** launch_create() - make a container, all but the execution of its payload
 * @gated:  whether it waits for launch_open_gate(); else it runs
 * Return: 0; -EEXIST; -errno. */
int launch_create(Launch *l, const char *id, bool gated, Error *e);
/** launch_leave() - the container goes on without us */
void launch_leave(Launch *l);

/** launch_check_preserved() - whether there are as many descriptors to preserve as are asked for
 * Return: 0; -EBADF. */
int launch_check_preserved(unsigned n, const ListenFds *listen, Error *e);
/** launch_config() - read the document that a container was made from. Return: 0 or -errno. */
int launch_config(const Container *c, OciConfig **ret, Error *e);
/** launch_poststart() - run poststart hooks; those that fail are told of
 * Return: 0 or -ENOMEM. */
int launch_poststart(Oci *oci, Container *c, const OciConfig *config, Error *e);
/** launch_remove() - remove a container whose PID 1 is dead: its group, its record; then run poststop hooks
 * Return: 0 or -errno. */
int launch_remove(Oci *oci, Container *c, Error *e);
