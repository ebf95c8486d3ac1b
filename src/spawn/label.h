/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels that a security module of the kernel knows a payload by: an SELinux context or an AppArmor
 * profile. Without a library: both are a line written to a file of proc just before the execution. */
#pragma once

#include "base/setting.h"

struct Spec;

/** label_setting_context() - settings reader for an SELinux context; char * */
int label_setting_context(const Setting *row, const char *value, void *at, Error *e);
/** label_setting_profile() - settings reader for the name of an AppArmor profile; char * */
int label_setting_profile(const Setting *row, const char *value, void *at, Error *e);

/** label_wants() - whether any label is asked for */
bool label_wants(const struct Spec *spec);
/** label_check() - PHASE_HOST: whether the kernel has what is asked for. Return: 0; -EOPNOTSUPP. */
int label_check(const struct Spec *spec, Error *e);
/** label_make() - what skep-init is to write, and where, before it executes the payload
 * @ret_file: a file of proc as seen inside, static; NULL = no label
 * @ret_text: new string
 * Return: 0 or -ENOMEM. */
int label_make(const struct Spec *spec, const char **ret_file, char **ret_text);
