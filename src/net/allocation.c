/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Picking of subnets and addresses, see allocation.h. A name is hashed into a range; who finds its place
 * taken goes on to the next one that follows from the name, and after some of those in another range. */
#include "net/allocation.h"

#include "base/siphash.h"

#define SUBNET_TRIES 256  /* in each range */
#define HOSTS_MAX    1024 /* addresses of a subnet that are picked from */

static const uint8_t key_subnet[16] = "skep net subnet", key_address[16] = "skep net host 01",
                     key_prefix[16] = "skep net prefix";

/* In this order: the first is where the fewest networks are that come out of somebody's box. */
static const IpPrefix ranges4[] = {
        { { AF_INET, { 10, 192 } }, 10 },
        { { AF_INET, { 172, 16 } }, 12 },
        { { AF_INET, { 192, 168 } }, 16 },
};

int allocation_add(AllocationTaken *t, const IpPrefix *p) {
        IpPrefix *v = reallocarray(t->v, t->n + 1, sizeof *v);

        if (!v)
                return -ENOMEM;
        t->v = v;
        t->v[t->n++] = *p;
        return 0;
}

void allocation_done(AllocationTaken *t) {
        free(t->v);
        *t = (AllocationTaken){};
}

static uint64_t hash(const uint8_t key[static 16], const char *name) {
        return siphash24(name, strlen(name), key);
}

static bool is_taken(const AllocationTaken *taken, const IpPrefix *p) {
        for (size_t i = 0; i < taken->n; i++)
                if (ip_prefix_overlaps(taken->v + i, p))
                        return true;
        return false;
}

/* The @n-th subnet of @length bits in @range. */
static IpPrefix nth_subnet(const IpPrefix *range, unsigned length, uint64_t n) {
        IpPrefix subnet = { range->ip, length };

        for (unsigned bit = length; bit > range->length; bit--, n >>= 1)
                if (n & 1)
                        subnet.ip.bytes[(bit - 1) / 8] |= (uint8_t) (0x80 >> ((bit - 1) % 8));
        return subnet;
}

/* fdXX:XXXX:XXXX::/48, whose forty bits are those of this host. */
static IpPrefix host_prefix(const Id128 *host_id) {
        IpPrefix p = { { AF_INET6, { 0xfd } }, 48 };
        uint64_t h = siphash24(host_id, sizeof *host_id, key_prefix);

        for (size_t i = 1; i < 6; i++, h >>= 8)
                p.ip.bytes[i] = (uint8_t) h;
        return p;
}

static int pick_subnet(const IpPrefix *range, const char *name, unsigned length,
                       const AllocationTaken *taken, IpPrefix *ret) {
        uint64_t h = hash(key_subnet, name);

        if (length <= range->length)
                return -ENOSPC;
        for (unsigned i = 0; i < SUBNET_TRIES; i++) {
                /* Each try goes by the name, so that two who met once do not meet again. */
                uint64_t n = h;
                if (i > 0) {
                        n = siphash24(&h, sizeof h, key_subnet) + i;
                        n = siphash24(&n, sizeof n, key_subnet);
                }
                IpPrefix p = nth_subnet(range, length, n);
                if (is_taken(taken, &p))
                        continue;
                *ret = p;
                return 0;
        }
        return -ENOSPC;
}

int allocation_subnet(int family, const char *name, const Id128 *host_id, unsigned length,
                      const AllocationTaken *taken, IpPrefix *ret) {
        int r = -ENOSPC;

        if (family == AF_INET6) {
                IpPrefix range = host_prefix(host_id);
                return pick_subnet(&range, name, 64, taken, ret);
        }
        for (size_t i = 0; i < ELEMENTSOF(ranges4) && r == -ENOSPC; i++)
                r = pick_subnet(ranges4 + i, name, length, taken, ret);
        return r;
}

/* How many addresses there are to pick from, counted from the second. */
static uint64_t count_hosts(const IpPrefix *subnet) {
        unsigned left = ip_bits(subnet->ip.family) - subnet->length;
        uint64_t n = left >= 16 ? HOSTS_MAX : (UINT64_C(1) << left);

        if (subnet->ip.family == AF_INET && left < 16)
                n--; /* broadcast */
        return n < 2 ? 0 : n - 2;
}

/* Which address of a subnet it is, as ip_prefix_nth() counts; 0 if it is not among the first of them. */
static uint64_t number_of(const IpPrefix *subnet, const Ip *ip) {
        unsigned bytes = ip_bits(subnet->ip.family) / 8, left = bytes * 8 - subnet->length;
        uint64_t n = 0;

        if (ip->family != subnet->ip.family || left > 64)
                left = 64;
        for (unsigned i = bytes - MIN(bytes, 8U); i < bytes; i++)
                n = n << 8 | ip->bytes[i];
        if (left < 64)
                n &= (UINT64_C(1) << left) - 1;
        Ip same = ip_prefix_nth(subnet, n);
        return ip_equal(&same, ip) ? n : 0;
}

int allocation_address(const IpPrefix *subnet, const char *name, const AllocationTaken *taken,
                       IpPrefix *ret) {
        uint64_t n = count_hosts(subnet), first = n > 0 ? hash(key_address, name) % n : 0;
        bool used[HOSTS_MAX] = {};

        for (size_t i = 0; i < taken->n; i++) {
                const IpPrefix *p = taken->v + i;
                uint64_t number = p->length == ip_bits(p->ip.family) ? number_of(subnet, &p->ip)
                                                                     : 0;
                if (number >= 2 && number - 2 < n)
                        used[number - 2] = true;
        }
        for (uint64_t i = 0; i < n; i++)
                if (!used[(first + i) % n]) {
                        *ret = (IpPrefix){ ip_prefix_nth(subnet, 2 + (first + i) % n),
                                           subnet->length };
                        return 0;
                }
        return -ENOSPC;
}
