/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What shell, login and exec have in common: who is to run what where, and being at a terminal of it. */
#pragma once

#include "ctl/client.h"

/* What to run where. */
typedef struct ShellCall {
        const char *machine;
        const char *path; /* "" = the user's shell */
        char *user;       /* "" = the daemon's default */
        char **args;
        char **environment;
        bool is_silent; /* no word at the beginning and the end of a connection */
} ShellCall;

void shell_call_done(ShellCall *s);
/** shell_call_parse_target() - "[USER@]NAME"; nothing at all is this system. Return: 0 or -errno. */
int shell_call_parse_target(Ctl *c, const char *target, ShellCall *s, Error *e);
/** shell_call_collect_environment() - --setenv, and @terminal: what says which terminal ours is
 * Return: 0 or -errno. */
int shell_call_collect_environment(Ctl *c, bool terminal, ShellCall *s, Error *e);
/** shell_call_check_local() - descriptors do not go to other hosts. Return: 0 or -EOPNOTSUPP. */
int shell_call_check_local(Ctl *c, Error *e);
/** shell_call_new() - begin the call that starts it
 * @place: the string behind machine and user: what to run, or where
 * Return: 0 or -errno. */
int shell_call_new(Ctl *c, const Peer *peer, const char *member, const ShellCall *s,
                   const char *place, sd_bus_message **ret, Error *e);
/** shell_call_on_pty() - make the call, which answers with a terminal, and be there until the command has ended
 * Return: exit status or -errno. */
int shell_call_on_pty(Ctl *c, const ShellCall *s, sd_bus_message *call, Error *e);

#define SHELL_CALL_STATUS_MAX 1024

/** shell_call_on_pipes() - make the call, with our three streams behind what it has, and pass them until the end
 * @call:           taken
 * @catch_signals:  makes a descriptor of signals that are for the command; NULL = none are
 * @ret_status:     how it ended, as exit_status_parse() takes it
 * Return: as streams_run(). */
int shell_call_on_pipes(Ctl *c, sd_bus_message **call, int (*catch_signals)(Error *e),
                        char ret_status[static SHELL_CALL_STATUS_MAX], Error *e);
