/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine's /etc/resolv.conf. */
#pragma once

#include "spawn/run.h"

/** resolv_conf_wants() - whether there is anything to do: not with a network of its own, unless asked for */
bool resolv_conf_wants(const Spec *spec);
/** resolv_conf_apply() - PHASE_BUILD: let the image's /etc/resolv.conf be as spec->resolv_conf says
 * @etc_fd: /etc of the image, O_PATH
 * Return: 0; -errno. With RESOLV_CONF_AUTO that is no reason not to start. */
int resolv_conf_apply(const Spec *spec, const Run *run, int etc_fd, Error *e);
