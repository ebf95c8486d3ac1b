/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports of this host that lead into machines, from the records that their supervisors keep. */
#pragma once

#include "ctl/client.h"
#include "ctl/property.h"

/** machine_ports() - the ports of a machine, as --port= takes them
 * @separator: between them
 * @ret:       NULL if there are none, or the machine is not of this host
 * Return: 0 or -ENOMEM. */
int machine_ports(Ctl *c, const char *machine, const char *separator, char **ret);
/** machine_ports_property() - add them to what the daemon says of a machine, which knows nothing of them, if
 * there are any
 * Return: 0 or -ENOMEM. */
int machine_ports_property(Ctl *c, const char *machine, Properties *p);
