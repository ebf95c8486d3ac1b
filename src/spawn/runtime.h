/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /run/skep/spawn/NAME: there is one for each machine that runs, a file locked by its supervisor. One
 * that nobody locks is what a killed supervisor left, and says what else it left. A file and no folder:
 * where /run is on a disk, it costs no block to be given back at each end. */
#pragma once

#include "spawn/run.h"

/* The system call filter of a machine that has not the default one: instructions in hexadecimal, or "none". */
#define RUNTIME_NOTE_FILTER "filter"
/* The socket that its console is lent through, see attach.h. */
#define RUNTIME_NOTE_ATTACH "attach"

/** runtime_apply() - PHASE_HOST, once: make and lock the file of this machine
 * What a dead supervisor of the same name left is swept first.
 * Return: 0; -EBUSY when the machine is running; -errno. */
int runtime_apply(const Spec *spec, Run *run, Error *e);

/** runtime_note() - write down what is to be removed if we cannot
 * @kind: "cgroup", and the path of a group; "tree", and the absolute path of a directory or file under a
 *        temporary name (image/temporary.h)
 * Return: 0 or -errno. */
int runtime_note(Run *run, const char *kind, const char *value, Error *e);
/** runtime_note_cgroup() - write down the machine's control group */
int runtime_note_cgroup(Run *run, Error *e);

/** runtime_is_running() - whether a machine of that name has a supervisor that lives */
bool runtime_is_running(const char *machine);

/** runtime_revert() - remove the file and unlock it */
void runtime_revert(const Spec *spec, Run *run);

/** runtime_sweep() - remove what dead supervisors of other machines left
 * Looks at a few files only, so that its cost does not grow with what runs.
 * @own: name of the machine that is ours */
void runtime_sweep(const char *own);

/** runtime_find() - who runs a machine that we started: found by the lock that they hold
 * @name:  of the machine, or NULL: whichever @ret_pid runs, which is given then
 * @ret_pid:   PID of the supervisor
 * @ret_name:  new string; may be NULL
 * Return: 0; -ENOENT there is none; -errno. */
int runtime_find(const char *name, pid_t *ret_pid, char **ret_name);
/** runtime_leader() - the first process of a machine
 * @supervisor: as runtime_find() gave it
 * Return: 0; -ESRCH it has none at this moment; -errno. */
int runtime_leader(pid_t supervisor, pid_t *ret);
/** runtime_read_note() - what runtime_note() wrote down last under @kind
 * Return: 0 and a new string; -ENODATA; -errno. */
int runtime_read_note(const char *machine, const char *kind, char **ret);
