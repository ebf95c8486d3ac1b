/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.Machine: pieces that are not all in one file. */
#pragma once

#include "machined/front.h"
#include "machined/varlink-who.h"

extern const char varlink_machine_description[];
extern const JsonShape varlink_list_shape;
/** varlink_list() - io.systemd.Machine.List() */
int varlink_list(VarlinkLink *link, void *parameters, Error *e);

extern const JsonShape varlink_register_shape;
/** varlink_register() - io.systemd.Machine.Register() */
int varlink_register(VarlinkLink *link, void *parameters, Error *e);
