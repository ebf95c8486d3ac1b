/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last steps of PID 1 before it becomes the payload: session, limits, identity, capabilities,
 * filter, and the execution itself. */
#pragma once

#include "spawn/plan.h"
#include "spawn/users.h"

/** payload_terminal() - PHASE_INNER: allocate the console in the machine's own devpts
 * Fills run->terminal_fd with its side and run->console_fd with ours. Return: 0 or -errno. */
int payload_terminal(const Spec *spec, Run *run, Error *e);

/** payload_session() - PHASE_FINAL: session, controlling terminal, stdio, session keyring
 * Return: 0 or -errno. */
int payload_session(const Spec *spec, Run *run, Error *e);

/** payload_confine() - PHASE_FINAL: bounding set, user and groups, capabilities, filter; from then on we die
 * with the supervisor
 * @u: who the payload runs as
 * Return: 0 or -errno. */
int payload_confine(const Spec *spec, const Plan *plan, const User *u, Run *run, Error *e);

/** payload_drop_bounding() - lose all but these capabilities for good
 * @have: the bounding set as it is; 0 = nobody looked
 * Return: 0 or -errno. */
int payload_drop_bounding(uint64_t keep, uint64_t have, Error *e);

/** payload_die_with_parent() - after everything that changes credentials: be killed when the
 * supervisor dies
 * Return: 0 or -errno. */
int payload_die_with_parent(Run *run, Error *e);

/** payload_outlive_parent() - take that back, for a machine that goes on without its supervisor
 * Return: 0 or -errno. */
int payload_outlive_parent(Error *e);

/** payload_open_init() - a sealed copy of skep-init in memory; before the filter
 * Return: its descriptor or -errno. */
int payload_open_init(Error *e);

/** payload_execute() - let skep-init execute what the Spec says, with an environment completed for @u
 * @init_fd:    of payload_open_init()
 * @run:        its handshake socket, or outcome_fd if there is a gate, is where skep-init says RUN_ID_EXECUTE if
 *              that cannot be done
 * @ret_status: EXIT_NOT_FOUND or EXIT_NOT_EXECUTABLE
 * Return: never on success; -errno. */
int payload_execute(const Spec *spec, const Plan *plan, const User *u, const Run *run, int init_fd,
                    int *ret_status, Error *e);

/** payload_search_path() - find a program as a shell would, in the root that we are in
 * @path:  of directories, separated by ':'; not used for a name with a '/'
 * @ret:   new string; may be set on failure, too
 * Return: 0; -ENOENT there is none; -EACCES and others: what there is cannot be executed; -ENOMEM. */
int payload_search_path(const char *name, const char *path, char **ret);

/** payload_enter() - make a directory of the image the working directory, wherever its links lead in there
 * Return: 0 or -errno. */
int payload_enter(int root_fd, const char *path);

/** payload_execute_stub() - become PID 1 to a child that becomes the payload
 * @env: has no use for it, but is where others learn what the machine was started with
 * Return: never on success; -errno. */
int payload_execute_stub(int init_fd, pid_t child, char **env, Error *e);
