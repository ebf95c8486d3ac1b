/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 128-bit identifiers, see id128.h. */
#include "base/id128.h"

#include <sys/random.h>

#include "base/text.h"

int id128_parse(const char *s, Id128 *ret) {
        static const uint8_t groups[] = { 8, 4, 4, 4, 12 };
        char digits[33], *p = digits;

        if (strlen(s) != 36)
                return hex_parse(s, ret->bytes, sizeof ret->bytes);
        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                if (i > 0 && *s++ != '-')
                        return -EINVAL;
                p = mempcpy(p, s, groups[i]);
                s += groups[i];
        }
        *p = '\0';
        return hex_parse(digits, ret->bytes, sizeof ret->bytes);
}

bool id128_is_null(const Id128 *id) {
        return id128_equal(id, &(Id128){});
}

bool id128_equal(const Id128 *a, const Id128 *b) {
        return memcmp(a, b, sizeof *a) == 0;
}

int id128_random(Id128 *ret) {
        Id128 id;

        ssize_t n = getrandom(&id, sizeof id, 0);

        if (n != sizeof id)
                return n < 0 ? -errno : -EIO;
        id.bytes[6] = (id.bytes[6] & 0x0f) | 0x40;
        id.bytes[8] = (id.bytes[8] & 0x3f) | 0x80;
        *ret = id;
        return 0;
}

const char *id128_format(const Id128 *id, char text[static ID128_TEXT_MAX]) {
        for (size_t i = 0; i < 16; i++)
                (void) snprintf(text + 2 * i, 3, "%02x", id->bytes[i]);
        return text;
}

const char *id128_format_uuid(const Id128 *id, char text[static ID128_TEXT_MAX]) {
        char *p = text;

        for (size_t i = 0; i < 16; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *p++ = '-';
                (void) snprintf(p, 3, "%02x", id->bytes[i]);
                p += 2;
        }
        return text;
}
