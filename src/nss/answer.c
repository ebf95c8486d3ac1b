/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the machine manager's answers, see answer.h. It runs in whatever process looks up a name, so it
 * believes nothing: what is no address of the kind that was asked for is an error or passed over, and
 * nothing is allocated that grows with the answer. */
#include "nss/answer.h"

#include <strings.h>

#include "base/json.h"

#define TYPE_A    1
#define TYPE_AAAA 28
#define CLASS_IN  1

#define RECORD_MAX 512 /* bytes of a record: two names at most, and little else */

/* Whether a member is there, and not null. */
static bool has_member(const char *object, const char *name, const char **ret) {
        return json_member(object, name, ret) >= 0 && !str_skip_prefix(*ret, "null");
}

/* Next entry of an array. @at: the array at first, then what this left there. Return: NULL = no more. */
static const char *next_entry(const char **at, bool first) {
        const char *p = *at;

        if (first && *p != '[')
                return NULL;
        p = json_space(first ? p + 1 : json_skip(p));
        if (!first && *p == ',')
                p = json_space(p + 1);
        *at = p;
        return *p == ']' ? NULL : p;
}

/* Takes an address that one can send something to. */
static void take(HostAddresses *all, const Ip *ip) {
        if (all->n == HOST_ADDRESSES_MAX || !ip_is_host(ip))
                return;
        for (size_t i = 0; i < all->n; i++)
                if (ip_equal(&all->v[i].ip, ip))
                        return;
        all->v[all->n++] = (HostAddress){ .ip = *ip };
}

/* The parameters of a reply. Return: 0; ANSWER_NONE; -EPROTO; -EBADMSG. */
static int open_reply(const char *reply, const char **ret) {
        const char *error;

        if (json_check(reply) < 0)
                return -EBADMSG;
        reply = json_space(reply);
        if (*reply != '{')
                return -EBADMSG;
        if (has_member(reply, "error", &error)) {
                _cleanup_free_ char *name = NULL;

                if (json_string(error, &name) < 0)
                        return -EBADMSG;
                return str_has_suffix(name, ".NoSuchMachine") ? ANSWER_NONE : -EPROTO;
        }
        if (!has_member(reply, "parameters", ret))
                return ANSWER_NONE;
        return **ret == '{' ? 0 : -EBADMSG;
}

static int finish(HostAddresses *all, HostAddresses *ret) {
        if (all->n == 0)
                return ANSWER_NONE;
        *ret = *all;
        return 0;
}

/* {"family": 2, "address": [192, 0, 2, 1]}; families that we do not know are passed over. */
static int read_address(const char *entry, HostAddresses *all) {
        const char *value, *byte;
        uint64_t family, v;
        size_t n = 0, size;
        Ip ip = {};

        if (*entry != '{' || json_member(entry, "family", &value) < 0 ||
            json_unsigned(value, &family) < 0)
                return -EBADMSG;
        if (family != AF_INET && family != AF_INET6)
                return 0;
        ip.family = (int) family;
        size = ip_bits(ip.family) / 8;
        if (json_member(entry, "address", &value) < 0 || *value != '[')
                return -EBADMSG;
        for (bool first = true; (byte = next_entry(&value, first)); first = false) {
                if (n == size || json_unsigned(byte, &v) < 0 || v > UINT8_MAX)
                        return -EBADMSG;
                ip.bytes[n++] = (uint8_t) v;
        }
        if (n != size)
                return -EBADMSG;
        take(all, &ip);
        return 0;
}

int answer_list(const char *reply, const char *name, HostAddresses *ret) {
        const char *parameters, *value, *entry;
        _cleanup_free_ char *told = NULL;
        HostAddresses all = {};
        int r = open_reply(reply, &parameters);

        if (r != 0)
                return r;
        if (json_member(parameters, "name", &value) < 0 || json_string(value, &told) < 0 ||
            strcasecmp(told, name) != 0)
                return -EBADMSG;
        if (!has_member(parameters, "addresses", &value))
                return ANSWER_NONE;
        if (*value != '[')
                return -EBADMSG;
        for (bool first = true; (entry = next_entry(&value, first)); first = false) {
                r = read_address(entry, &all);
                if (r < 0)
                        return r;
        }
        return finish(&all, ret);
}

/* Return: how many bytes; -EBADMSG if it is no base64, or more than @size. */
static ssize_t read_base64(const char *s, uint8_t *bytes, size_t size) {
        static const char
                digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        uint32_t bits = 0;
        size_t n = 0, i;

        for (i = 0; s[i] && s[i] != '='; i++) {
                const char *digit = strchr(digits, s[i]);

                if (!digit)
                        return -EBADMSG;
                bits = bits << 6 | (uint32_t) (digit - digits);
                if (i % 4 == 0)
                        continue;
                if (n == size)
                        return -EBADMSG;
                bytes[n++] = (uint8_t) (bits >> (6 - 2 * (i % 4)));
        }
        /* What is left over of the last digit is no byte, and what fills up is '='. */
        return i % 4 == 1 || strspn(s + i, "=") != strlen(s + i) ? -EBADMSG : (ssize_t) n;
}

/* Steps over the name at the beginning of a record, which is to be @name.
 * Return: where it ends; 0 it is another; -EBADMSG. */
static ssize_t skip_name(const uint8_t *p, size_t n, const char *name) {
        bool is_other = false;
        size_t i = 0;

        for (;;) {
                size_t length = i < n ? p[i++] : SIZE_MAX;

                if (length == 0)
                        return is_other || *name ? 0 : (ssize_t) i;
                /* Neither a pointer nor what some day may be something else. */
                if (length > 63 || length > n - i)
                        return -EBADMSG;
                is_other = is_other || strnlen(name, length) < length ||
                           strncasecmp(name, (const char *) p + i, length) != 0 ||
                           (name[length] && name[length] != '.');
                if (!is_other)
                        name += length + (name[length] == '.');
                i += length;
        }
}

/* A record as it is on the wire: name, type, class, time to live, length, data. */
static int read_record(const uint8_t *p, size_t n, const char *name, HostAddresses *all) {
        ssize_t at = skip_name(p, n, name);
        Ip ip = {};

        if (at <= 0)
                return (int) at;
        p += at;
        n -= (size_t) at;
        if (n < 10 || n - 10 != ((size_t) p[8] << 8 | p[9]))
                return -EBADMSG;

        unsigned type = (unsigned) p[0] << 8 | p[1], class = (unsigned) p[2] << 8 | p[3];
        if (class != CLASS_IN || (type != TYPE_A && type != TYPE_AAAA))
                return 0;
        ip.family = type == TYPE_A ? AF_INET : AF_INET6;
        if (n - 10 != ip_bits(ip.family) / 8)
                return -EBADMSG;
        memcpy(ip.bytes, p + 10, n - 10);
        take(all, &ip);
        return 0;
}

int answer_record(const char *reply, const char *name, HostAddresses *ret) {
        const char *parameters, *value, *entry;
        HostAddresses all = {};
        uint64_t code;
        int r = open_reply(reply, &parameters);

        if (r != 0)
                return r;
        /* No code: it is for others to answer. Any but success: there is no such name. */
        if (!has_member(parameters, "rcode", &value))
                return ANSWER_NONE;
        if (json_unsigned(value, &code) < 0)
                return -EBADMSG;
        if (code != 0 || !has_member(parameters, "answer", &value))
                return ANSWER_NONE;
        if (*value != '[')
                return -EBADMSG;
        for (bool first = true; (entry = next_entry(&value, first)); first = false) {
                _cleanup_free_ char *text = NULL;
                uint8_t bytes[RECORD_MAX];
                const char *raw;

                if (*entry != '{' || json_member(entry, "raw", &raw) < 0 ||
                    json_string(raw, &text) < 0)
                        return -EBADMSG;
                ssize_t n = read_base64(text, bytes, sizeof(bytes));
                r = n < 0 ? (int) n : read_record(bytes, (size_t) n, name, &all);
                if (r < 0)
                        return r;
        }
        return finish(&all, ret);
}
