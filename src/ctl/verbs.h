/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs, as the table in main.c wants them: @context is a Ctl. */
#pragma once

#include "app/help.h"
#include "ctl/ctl.h"

/* ctl-list.c */
int verb_list(char *const *args, void *context, Error *e);
int verb_list_images(char *const *args, void *context, Error *e);
/* ctl-status.c */
int verb_status(char *const *args, void *context, Error *e);
int verb_image_status(char *const *args, void *context, Error *e);
/* ctl-show.c */
int verb_show(char *const *args, void *context, Error *e);
int verb_show_image(char *const *args, void *context, Error *e);
/* ctl-start.c */
int verb_start(char *const *args, void *context, Error *e);
/* ctl-enable.c */
int verb_enable(char *const *args, void *context, Error *e);
int verb_disable(char *const *args, void *context, Error *e);
/* ctl-power.c */
int verb_poweroff(char *const *args, void *context, Error *e);
int verb_reboot(char *const *args, void *context, Error *e);
int verb_terminate(char *const *args, void *context, Error *e);
int verb_pause(char *const *args, void *context, Error *e);
int verb_resume(char *const *args, void *context, Error *e);
int verb_kill(char *const *args, void *context, Error *e);
/* ctl-shell.c */
int verb_login(char *const *args, void *context, Error *e);
int verb_attach(char *const *args, void *context, Error *e);
int verb_shell(char *const *args, void *context, Error *e);
/* ctl-exec.c */
int verb_exec(char *const *args, void *context, Error *e);
/* ctl-wait.c */
int verb_wait(char *const *args, void *context, Error *e);
int verb_forget(char *const *args, void *context, Error *e);
int verb_operations(char *const *args, void *context, Error *e);
int verb_cancel(char *const *args, void *context, Error *e);
/* ctl-image.c */
int verb_clone(char *const *args, void *context, Error *e);
int verb_rename(char *const *args, void *context, Error *e);
int verb_read_only(char *const *args, void *context, Error *e);
int verb_remove(char *const *args, void *context, Error *e);
int verb_clean(char *const *args, void *context, Error *e);
/* ctl-files.c */
int verb_copy_to(char *const *args, void *context, Error *e);
int verb_copy_from(char *const *args, void *context, Error *e);
/* ctl-bind.c */
int verb_bind(char *const *args, void *context, Error *e);
int verb_unbind(char *const *args, void *context, Error *e);
int verb_binds(char *const *args, void *context, Error *e);
int verb_volume(char *const *args, void *context, Error *e);
/* ctl-logs.c */
int verb_logs(char *const *args, void *context, Error *e);
/* ctl-stats.c */
int verb_stats(char *const *args, void *context, Error *e);
int verb_top(char *const *args, void *context, Error *e);
/* ctl-import.c */
int verb_import_tar(char *const *args, void *context, Error *e);
int verb_import_raw(char *const *args, void *context, Error *e);
int verb_import_fs(char *const *args, void *context, Error *e);
int verb_export_tar(char *const *args, void *context, Error *e);
int verb_export_raw(char *const *args, void *context, Error *e);
int verb_pull_tar(char *const *args, void *context, Error *e);
int verb_pull_raw(char *const *args, void *context, Error *e);
/* ctl-transfers.c */
int verb_list_class_images(char *const *args, void *context, Error *e);
int verb_list_transfers(char *const *args, void *context, Error *e);
int verb_cancel_transfer(char *const *args, void *context, Error *e);

/* ctl-edit.c */
int verb_cat(char *const *args, void *context, Error *e);
int verb_edit(char *const *args, void *context, Error *e);
/* ctl-help.c */
int verb_help(char *const *args, void *context, Error *e);
/* ctl-limit.c */
int verb_set_limit(char *const *args, void *context, Error *e);

/** ctl_name_init() - take up the tables that belong to the name we were called by
 * @argv0: may be a path. Return: 0 or -ENOMEM. */
int ctl_name_init(Ctl *c, const char *argv0);
void ctl_name_done(Ctl *c);
/** ctl_help_page() - the tables under the name that we were called by */
HelpPage ctl_help_page(const Ctl *c);
/** ctl_help() - put the help into the output
 * @name: of a verb; NULL = all of them
 * Return: 0; -EINVAL no such verb; -ENOMEM. */
int ctl_help(Ctl *c, const char *name, Error *e);

/* What verbs of other families do as well. */

/** ctl_check_image() - whether a name can be a machine's, and there is an image by that name
 * Return: 0; -EINVAL; -ENOENT; as client_get(). */
int ctl_check_image(Ctl *c, const char *name, Error *e);
/** ctl_load_unit() - what PID 1 makes of the name of a unit
 * @ret_id:       the unit's own name, of which the one asked for may be an alias
 * @ret_fragment: where its file lies; may be NULL
 * Return: 0; -ENOENT or -EINVAL if PID 1 cannot load it. */
int ctl_load_unit(Ctl *c, const char *unit, char **ret_id, char **ret_fragment, Error *e);

/** ctl_list_all() - list machines and images as one. Return: 0 or -errno. */
int ctl_list_all(Ctl *c, Error *e);
/** ctl_start() - start units of machines and wait until they run or have failed
 * Return: exit status, or -errno. */
int ctl_start(Ctl *c, char *const *names, Error *e);
/** ctl_poweroff() - ask machines to power off. Return: exit status. */
int ctl_poweroff(Ctl *c, char *const *names);
