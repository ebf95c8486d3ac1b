/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SipHash-2-4: stable numbers from names (interface names, MAC addresses, UID ranges). */
#pragma once

#include "base/macro.h"

/** siphash24() - 64-bit SipHash-2-4 of @n bytes under a 16-byte key */
uint64_t siphash24(const void *data, size_t n, const uint8_t key[static 16]);
