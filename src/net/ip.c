/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on addresses and subnets, see ip.h. Bits are counted from the first one on the wire. */
#include "net/ip.h"

#include <arpa/inet.h>

#include "base/parse.h"

unsigned ip_bits(int family) {
        return family == AF_INET ? 32 : family == AF_INET6 ? 128 : 0;
}

int ip_parse(const char *s, Ip *ret) {
        Ip ip = { .family = strchr(s, ':') ? AF_INET6 : AF_INET };

        if (inet_pton(ip.family, s, ip.bytes) != 1)
                return -EINVAL;
        *ret = ip;
        return 0;
}

const char *ip_format(const Ip *ip, char text[static IP_TEXT_MAX]) {
        if (!inet_ntop(ip->family, ip->bytes, text, IP_TEXT_MAX))
                text[0] = '\0';
        return text;
}

bool ip_equal(const Ip *a, const Ip *b) {
        return a->family == b->family && memcmp(a->bytes, b->bytes, ip_bits(a->family) / 8) == 0;
}

bool ip_is_host(const Ip *ip) {
        static const IpPrefix never[] = {
                { { AF_INET, { 0 } }, 8 },
                { { AF_INET, { 127 } }, 8 },
                { { AF_INET, { 224 } }, 3 }, /* multicast, and what comes after it */
                { { AF_INET6, { 0 } }, 96 }, /* zero, loopback, IPv4 of old */
                { { AF_INET6, { [10] = 0xff, 0xff } }, 96 },
                { { AF_INET6, { 0xff } }, 8 },
        };

        for (size_t i = 0; i < ELEMENTSOF(never); i++)
                if (ip_prefix_has(never + i, ip))
                        return false;
        return ip->family != AF_UNSPEC;
}

bool ip_is_link_local(const Ip *ip) {
        static const IpPrefix v4 = { { AF_INET, { 169, 254 } }, 16 },
                              v6 = { { AF_INET6, { 0xfe, 0x80 } }, 10 };

        return ip_prefix_has(&v4, ip) || ip_prefix_has(&v6, ip);
}

int ip_prefix_parse(const char *s, IpPrefix *ret) {
        char address[IP_TEXT_MAX];
        const char *slash = strchr(s, '/');
        IpPrefix p;
        uint64_t n;

        if (!slash || (size_t) (slash - s) >= sizeof address)
                return -EINVAL;
        memcpy(address, s, (size_t) (slash - s));
        address[slash - s] = '\0';
        int r = ip_parse(address, &p.ip);
        if (r < 0)
                return r;
        /* Plain decimal, as everybody writes it. */
        if (slash[1 + strspn(slash + 1, "0123456789")] || (slash[1] == '0' && slash[2]))
                return -EINVAL;
        r = parse_u64(slash + 1, 0, ip_bits(p.ip.family), &n);
        if (r < 0)
                return r;
        p.length = (unsigned) n;
        *ret = p;
        return 0;
}

const char *ip_prefix_format(const IpPrefix *p, char text[static IP_PREFIX_TEXT_MAX]) {
        char address[IP_TEXT_MAX];

        (void) snprintf(text, IP_PREFIX_TEXT_MAX, "%s/%u", ip_format(&p->ip, address),
                        p->length & 0xff);
        return text;
}

/* Sets the bits from @from on to 0, or to 1. */
static void fill_bits(Ip *ip, unsigned from, bool ones) {
        for (unsigned i = from; i < ip_bits(ip->family); i++) {
                uint8_t bit = (uint8_t) (0x80 >> (i % 8));
                if (ones)
                        ip->bytes[i / 8] |= bit;
                else
                        ip->bytes[i / 8] &= (uint8_t) ~bit;
        }
}

IpPrefix ip_prefix_subnet(const IpPrefix *p) {
        IpPrefix subnet = *p;

        fill_bits(&subnet.ip, p->length, false);
        return subnet;
}

bool ip_prefix_has(const IpPrefix *p, const Ip *ip) {
        IpPrefix other = { *ip, p->length };

        if (p->ip.family != ip->family || p->length > ip_bits(ip->family))
                return false;
        IpPrefix a = ip_prefix_subnet(p), b = ip_prefix_subnet(&other);
        return ip_equal(&a.ip, &b.ip);
}

bool ip_prefix_overlaps(const IpPrefix *a, const IpPrefix *b) {
        return a->length <= b->length ? ip_prefix_has(a, &b->ip) : ip_prefix_has(b, &a->ip);
}

Ip ip_prefix_nth(const IpPrefix *p, uint64_t n) {
        IpPrefix subnet = ip_prefix_subnet(p);
        unsigned bits = ip_bits(p->ip.family), left = bits - p->length;

        if (left < 64 && n >> left != 0)
                return (Ip){};
        for (unsigned i = bits / 8; i > 0 && n > 0; i--, n >>= 8)
                subnet.ip.bytes[i - 1] |= (uint8_t) n;
        return subnet.ip;
}

bool ip_prefix_is_usable(const IpPrefix *p) {
        unsigned bits = ip_bits(p->ip.family);
        IpPrefix first = ip_prefix_subnet(p);
        Ip last = first.ip;

        if (p->length + 1 >= bits)
                return true;
        fill_bits(&last, p->length, true);
        return !ip_equal(&p->ip, &first.ip) &&
               !(p->ip.family == AF_INET && ip_equal(&p->ip, &last));
}
