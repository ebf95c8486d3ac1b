/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of digests, as sha256sum(1), sha512sum(1), their --tag and cksum(1) of the BSDs write them. Anybody
 * may have written them; whether they are to be believed is not told here. */
#pragma once

#include "importer/digest.h"

#define CHECKSUM_LIST_MAX ((size_t) 4 * 1024 * 1024) /* bytes of such a file */

/** checksum_list_find() - the digest of a file
 *
 * Lines are "HEX  NAME", "HEX *NAME", "HEX NAME", "SHA256 (NAME) = HEX"; NAME may have a path before it that is
 * "./". A backslash at the start of the line means that one in NAME is escaped. Other lines (comments, an inline
 * signature's frame, digests of other kinds) are passed over.
 * @text:  @n bytes
 * @name:  of the file; NULL = the only one there is, as in "IMAGE.sha256" that has no name in it
 * Return: 0; -ENOENT; -EBADMSG there are two digests of one kind that differ; of two kinds, the longer is
 * told. */
int checksum_list_find(const char *text, size_t n, const char *name, Digest *ret, Error *e);
