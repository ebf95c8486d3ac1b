/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signing with the caller's own key: by gpg, as the caller, with the caller's environment, so that it is their
 * keyring and their agent that are asked. */
#pragma once

#include "base/error.h"

/** sign_detached() - a signature of a text, in ASCII
 * @key: which of the caller's keys, as gpg understands it; "" = the one that gpg takes by default
 * @ret: new, with a NUL behind it
 * Return: 0; -ENOKEY gpg could not sign, and why; -errno. */
int sign_detached(const void *text, size_t n, const char *key, char **ret, size_t *ret_n, Error *e);
