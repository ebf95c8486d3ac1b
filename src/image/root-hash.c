/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and writes root hashes and signatures, see root-hash.h. Whether one fits is the kernel's to say. */
#include "image/root-hash.h"

#include "base/path.h"

int root_hash_parse(const char *text, RootHash *ret) {
        size_t n = strlen(text);
        RootHash h = { .n = n / 2 };

        if (n % 2 != 0 || h.n < ROOT_HASH_MIN || h.n > ROOT_HASH_MAX ||
            hex_parse(text, h.bytes, h.n) < 0)
                return -EINVAL;
        *ret = h;
        return 0;
}

const char *root_hash_format(const RootHash *h, char text[static ROOT_HASH_TEXT_MAX]) {
        text[0] = '\0';
        for (size_t i = 0; i < h->n; i++)
                (void) snprintf(text + 2 * i, 3, "%02x", h->bytes[i]);
        return text;
}

void root_hash_partitions(const RootHash *h, Id128 *ret_data, Id128 *ret_tree) {
        memcpy(ret_data->bytes, h->bytes, sizeof ret_data->bytes);
        memcpy(ret_tree->bytes, h->bytes + h->n - sizeof ret_tree->bytes, sizeof ret_tree->bytes);
}

static int base64_digit(char c) {
        static const char
                digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *p = c ? strchr(digits, c) : NULL;

        return p ? (int) (p - digits) : -1;
}

int signature_parse(const char *text, Buf *out) {
        unsigned bits = 0, value = 0, digits = 0, padding = 0;

        for (; *text; text++) {
                int d = base64_digit(*text);
                if (strchr(" \t\r\n", *text))
                        continue;
                if (*text == '=' && padding < 2) {
                        padding++;
                        continue;
                }
                if (d < 0 || padding > 0)
                        return -EINVAL;
                digits++;
                value = (value << 6 | (unsigned) d) & 0xffff;
                bits += 6;
                if (bits < 8)
                        continue;
                bits -= 8;
                uint8_t byte = (uint8_t) (value >> bits);
                if (out->n >= SIGNATURE_SIZE_MAX)
                        return -E2BIG;
                if (buf_append(out, &byte, 1) < 0)
                        return -ENOMEM;
        }
        return digits == 0 || (digits + padding) % 4 != 0 ? -EINVAL : 0;
}

int signature_check(const char *text, Error *e) {
        const char *base64 = str_skip_prefix(text, "base64:");
        _cleanup_(buf_done) Buf bytes = {};

        if (!base64)
                return *text == '/' && path_is_safe(text)
                               ? 0
                               : error_set(e, EINVAL,
                                           "'%.80s' is neither an absolute path nor 'base64:…'",
                                           text);
        int r = signature_parse(base64, &bytes);
        return r == -ENOMEM ? error_oom(e)
               : r < 0      ? error_set(e, r, "what follows 'base64:' is not Base64")
                            : 0;
}
