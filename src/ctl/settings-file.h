/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings file of a machine, NAME.nspawn: where it is, where a changed one goes, and whether the spawner
 * would take it. */
#pragma once

#include "base/error.h"
#include "base/text.h"

typedef struct SettingsFile {
        char *name; /* "web.nspawn" */
        char *from; /* where it is read; NULL = it is nowhere */
        char *to;   /* where it goes once it is changed */
} SettingsFile;

void settings_file_done(SettingsFile *f);
/** settings_file_find() - look for the settings of a machine, as the spawner does
 * @word: name of a machine, with or without ".nspawn"; or an absolute path, which is that file alone
 * Return: 0; -EINVAL it can be neither; -ENOMEM. */
int settings_file_find(const char *word, SettingsFile *ret, Error *e);
/** settings_file_drop_ins() - paths of what is added to the settings of a machine, in their order
 * Return: 0 or -ENOMEM. */
int settings_file_drop_ins(const SettingsFile *f, char ***ret);
/** settings_file_try() - whether the spawner takes a file for settings that count wholly
 * @path: of it; the error names that and the line
 * Return: 0; -EINVAL it does not; -errno. */
int settings_file_try(const char *path, Error *e);
