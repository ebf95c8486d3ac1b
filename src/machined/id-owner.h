/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose a user or group ID of the host is: that of a machine which has it mapped. */
#pragma once

#include "machined/registry.h"

/* Numbers below belong to the host, whoever has mapped them. */
#define ID_OWNER_MIN 0x10000U

/** id_owner_find() - the container that maps an ID; those that map all IDs to themselves are none
 * @file:       "uid_map" or "gid_map"
 * @ret_inside: what the ID is in there
 * Return: the machine; NULL = none. */
const Machine *id_owner_find(const Registry *r, const char *file, uint32_t outside,
                             uint32_t *ret_inside);
/** id_owner_map() - what an ID of a container is outside
 * Return: 0; -ENXIO = not mapped; -EOPNOTSUPP = no container; -errno. */
int id_owner_map(const Machine *m, const char *file, uint32_t inside, uint32_t *ret_outside);
/** id_owner_is_shifted() - whether a container's IDs are not simply those of the host */
bool id_owner_is_shifted(const Machine *m, const char *file);
