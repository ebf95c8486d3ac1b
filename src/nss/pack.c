/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers as the C library wants them, see pack.h. The buffer may begin anywhere. */
#include "nss/pack.h"

typedef struct Room {
        char *p;
        size_t left;
} Room;

/* Takes aligned bytes out of the buffer. Return: NULL if it has no more. */
static void *take(Room *room, size_t n, size_t align) {
        size_t over = (uintptr_t) room->p % align, pad = over > 0 ? align - over : 0;
        char *p;

        if (room->left < pad || room->left - pad < n)
                return NULL;
        p = room->p + pad;
        room->p = p + n;
        room->left -= pad + n;
        return p;
}

static char *take_string(Room *room, const char *s) {
        size_t n = strlen(s) + 1;
        char *p = take(room, n, 1);

        return p ? memcpy(p, s, n) : NULL;
}

int pack_tuples(const char *name, const HostAddresses *all, struct gaih_addrtuple **pat,
                char *buffer, size_t n) {
        Room room = { buffer, n };
        struct gaih_addrtuple *tuples = take(&room, all->n * sizeof(*tuples),
                                             _Alignof(struct gaih_addrtuple));
        char *host = take_string(&room, name);

        if (!tuples || !host)
                return -ERANGE;
        for (size_t i = 0; i < all->n; i++) {
                const HostAddress *a = all->v + i;

                tuples[i] = (struct gaih_addrtuple){
                        .next = i + 1 < all->n ? tuples + i + 1 : NULL,
                        .name = host,
                        .family = a->ip.family,
                        .scopeid = a->scope,
                };
                memcpy(tuples[i].addr, a->ip.bytes, sizeof(a->ip.bytes));
        }
        if (*pat)
                **pat = *tuples;
        else
                *pat = tuples;
        return 0;
}

int pack_host(const char *name, int family, const HostAddresses *all, struct hostent *host,
              char *buffer, size_t n) {
        size_t size = ip_bits(family) / 8, count = 0, used = 0;
        Room room = { buffer, n };

        for (size_t i = 0; i < all->n; i++)
                count += all->v[i].ip.family == family;
        if (count == 0)
                return -ENODATA;

        char **pointers = take(&room, (count + 2) * sizeof(char *), _Alignof(char *));
        char *bytes = take(&room, count * size, _Alignof(uint32_t));
        char *copy = take_string(&room, name);
        if (!pointers || !bytes || !copy)
                return -ERANGE;
        for (size_t i = 0; i < all->n; i++) {
                if (all->v[i].ip.family != family)
                        continue;
                pointers[used] = memcpy(bytes + used * size, all->v[i].ip.bytes, size);
                used++;
        }
        pointers[used] = NULL;
        pointers[used + 1] = NULL;
        *host = (struct hostent){
                .h_name = copy,
                .h_aliases = pointers + used + 1,
                .h_addrtype = family,
                .h_length = (int) size,
                .h_addr_list = pointers,
        };
        return 0;
}
