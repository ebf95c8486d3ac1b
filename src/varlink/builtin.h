/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.varlink.service: what every service says of itself. */
#pragma once

#include "varlink/server.h"

/** varlink_find_method() - of the interfaces of a service, or the one that comes by itself
 * Return: 1; 0 the interface has no such method; -ENOENT no such interface. */
int varlink_find_method(const VarlinkService *service, const char *interface, const char *method,
                        const VarlinkMethod **ret);
/** varlink_service_of() - what the server of a connection serves */
const VarlinkService *varlink_service_of(VarlinkLink *link);
