/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's /etc/localtime. */
#pragma once

#include "spawn/run.h"

/** timezone_wants() - whether there is anything to do */
bool timezone_wants(const Spec *spec);
/** timezone_of_link() - name of the time zone that a symlink /etc/localtime with this content chooses
 * Return: within @target; NULL if it leads to no time zone. */
const char *timezone_of_link(const char *target);
/** timezone_apply() - PHASE_BUILD: let the image's /etc/localtime be as spec->timezone says
 * @etc_fd: /etc of the image, O_PATH
 * Return: 0; -errno. With TIMEZONE_AUTO that is no reason not to start. */
int timezone_apply(const Spec *spec, const Run *run, int etc_fd, Error *e);
