/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether somebody whose key the administrator or the vendor trusts has signed a text. gpg(1) looks at it, in a
 * process that has no network, no user of the host's and nothing to write to. */
#pragma once

#include "base/text.h"

/** openpgp_is_inline() - whether a text has its signature in it */
bool openpgp_is_inline(const char *text, size_t n);
/** openpgp_verify() - check a signature
 * The keys are those of $SYSTEMD_OPENPGP_KEYRING, or else of the vendor and of the administrator.
 * @text:       @n_text bytes
 * @signature:  @n_signature bytes; NULL = it is in the text
 * @ret:        the text that was signed, NUL-terminated
 * Return: 0; -EKEYREJECTED it is not by one of the keys, or of another text; -ENOKEY there are no keys at all;
 * -ENOPKG there is no gpg; -errno. */
int openpgp_verify(const char *text, size_t n_text, const char *signature, size_t n_signature,
                   char **ret, size_t *ret_n, Error *e);
/** openpgp_status_check() - read what gpg says with --status-fd
 * Return: 0 a good signature, and no bad one; -EKEYREJECTED. */
int openpgp_status_check(const char *status, Error *e);
