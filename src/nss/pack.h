/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers in the forms that the C library wants them in: structures whose pointers lead into a buffer of the
 * caller's. Pure. */
#pragma once

#include <netdb.h>
#include <nss.h>

#include "nss/answer.h"

/** pack_tuples() - a list of addresses
 * @pat: what the C library gives: either a first entry to fill, or NULL to be set
 * Return: 0; -ERANGE the buffer is too small. */
int pack_tuples(const char *name, const HostAddresses *all, struct gaih_addrtuple **pat,
                char *buffer, size_t n);
/** pack_host() - the addresses of one family
 * Return: 0; -ENODATA there is none of that family; -ERANGE. */
int pack_host(const char *name, int family, const HostAddresses *all, struct hostent *host,
              char *buffer, size_t n);
