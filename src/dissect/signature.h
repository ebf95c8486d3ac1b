/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signature partitions: a root hash and a signature of it, as JSON. */
#pragma once

#include "image/dissection.h"

/** signature_prepare() - what would need more rights later; before the first signature_read() */
void signature_prepare(void);
/** signature_read() - read the partition that was added last
 * What makes no sense is as good as no signature.
 * Return: 0; -ENOMEM; -EIO. */
int signature_read(int fd, Dissection *d, Error *e);
