/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What shell, login and exec have in common: who is to run what where, and being at a terminal of it. */
#pragma once

#include "ctl/ctl.h"

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
/** shell_call_take_fd() - read a descriptor out of an answer. Return: 0 or -errno. */
int shell_call_take_fd(sd_bus_message *m, int *ret);
/** shell_call_run_on_pty() - be at a terminal until its command has ended
 * @status_fd: tells the end; -EBADF = nobody does
 * Return: exit status or -errno. */
int shell_call_run_on_pty(Ctl *c, const ShellCall *s, int pty, int status_fd, Error *e);
