/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of system calls, sets and address families, see seccomp-list.h. What a filter makes of them is in
 * seccomp-plan.c. */
#include "spawn/seccomp-list.h"

#include <sys/socket.h>

#define SEPARATORS " ,\t\n"

static void set_bit(uint64_t *bits, size_t i) {
        bits[i / 64] |= UINT64_C(1) << i % 64;
}

static bool has_bit(const uint64_t *bits, size_t i) {
        return bits[i / 64] >> i % 64 & 1;
}

const char *seccomp_call_name(size_t i) {
        return seccomp_call_names + seccomp_calls[i].name;
}

int seccomp_call_find(const char *name) {
        size_t low = 0, high = seccomp_n_calls;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int c = strcmp(name, seccomp_call_name(middle));

                if (c == 0)
                        return (int) middle;
                if (c < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return -ENOENT;
}

static int add_set(const char *name, uint64_t *bits, Error *e) {
        for (size_t i = 0; i < seccomp_n_sets; i++) {
                if (!streq(name, seccomp_sets[i].name))
                        continue;
                for (size_t j = 0; j < seccomp_sets[i].n; j++)
                        set_bit(bits, seccomp_set_members[seccomp_sets[i].first + j]);
                return 0;
        }
        if (!streq(name, "@known"))
                return error_set(e, EINVAL, "'%.60s' is not a set of system calls", name);
        for (size_t i = 0; i < seccomp_n_calls; i++)
                set_bit(bits, i);
        return 0;
}

static int add_word(const char *word, uint64_t *bits, Error *e) {
        if (word[0] == '@')
                return add_set(word, bits, e);
        int i = seccomp_call_find(word);
        if (i < 0)
                return error_set(e, EINVAL, "'%.60s' is not a system call", word);
        set_bit(bits, (size_t) i);
        return 0;
}

int seccomp_list_parse(const char *s, SeccompList *list, Error *e) {
        _cleanup_strv_ char **words = NULL;
        SeccompList new = *list;
        bool deny = s[0] == '~';

        if (!*s) {
                *list = (SeccompList){};
                return 0;
        }
        if (str_split(s + deny, SEPARATORS, &words) < 0)
                return error_oom(e);
        STRV_FOREACH(word, words) {
                int r = add_word(*word, deny ? new.deny : new.allow, e);
                if (r < 0)
                        return r;
        }
        *list = new;
        return 0;
}

static int format_bits(const uint64_t *bits, Buf *out) {
        for (size_t i = 0; i < seccomp_n_calls; i++)
                if (has_bit(bits, i) &&
                    buf_printf(out, "%s%s", out->n > 1 ? " " : "", seccomp_call_name(i)) < 0)
                        return -ENOMEM;
        return 0;
}

int seccomp_list_format(const SeccompList *list, Buf *allow, Buf *deny) {
        int r = allow ? format_bits(list->allow, allow) : 0;

        if (r >= 0 && deny)
                r = buf_puts(deny, "~");
        if (r >= 0 && deny)
                r = format_bits(list->deny, deny);
        return r;
}

bool seccomp_list_only_denies(const char *s) {
        return s[0] == '~';
}

int seccomp_list_help(Buf *out) {
        for (size_t i = 0; i < seccomp_n_sets; i++)
                if (buf_printf(out, "%s\n", seccomp_sets[i].name) < 0)
                        return -ENOMEM;
        return buf_puts(out, "@known\n");
}

/* No pointers: nothing to relocate. */
static const struct {
        char name[12];
        uint8_t number;
} families[] = {
#define ROW(x)                                                                                     \
        { #x, AF_##x }
        ROW(UNIX),      ROW(LOCAL),      ROW(INET),      ROW(INET6),   ROW(NETLINK),  ROW(PACKET),
        ROW(AX25),      ROW(IPX),        ROW(APPLETALK), ROW(NETROM),  ROW(BRIDGE),   ROW(ATMPVC),
        ROW(X25),       ROW(ROSE),       ROW(DECnet),    ROW(NETBEUI), ROW(SECURITY), ROW(KEY),
        ROW(ROUTE),     ROW(ASH),        ROW(ECONET),    ROW(ATMSVC),  ROW(RDS),      ROW(SNA),
        ROW(IRDA),      ROW(PPPOX),      ROW(WANPIPE),   ROW(LLC),     ROW(IB),       ROW(MPLS),
        ROW(CAN),       ROW(TIPC),       ROW(BLUETOOTH), ROW(IUCV),    ROW(RXRPC),    ROW(ISDN),
        ROW(PHONET),    ROW(IEEE802154), ROW(CAIF),      ROW(ALG),     ROW(NFC),      ROW(VSOCK),
        ROW(KCM),       ROW(QIPCRTR),    ROW(SMC),       ROW(XDP),
#undef ROW
        { "MCTP", 45 }, /* younger than the headers of Debian 12 may be */
};

static int find_family(const char *word) {
        const char *name = str_skip_prefix(word, "AF_");

        for (size_t i = 0; name && i < ELEMENTSOF(families); i++)
                if (streq(name, families[i].name))
                        return families[i].number;
        return -EINVAL;
}

int family_list_parse(const char *s, FamilyList *list, Error *e) {
        _cleanup_strv_ char **words = NULL;
        FamilyList new = *list;
        bool against = s[0] == '~';
        FamilyMode mode = against ? FAMILIES_ALL_BUT : FAMILIES_ONLY;

        if (!*s) {
                *list = (FamilyList){};
                return 0;
        }
        if (streq(s, "none")) {
                *list = (FamilyList){ .mode = FAMILIES_ONLY };
                return 0;
        }
        if (str_split(s + against, SEPARATORS, &words) < 0)
                return error_oom(e);
        if (new.mode == FAMILIES_ALL)
                new.mode = mode;
        STRV_FOREACH(word, words) {
                int family = find_family(*word);
                if (family < 0)
                        return error_set(e, EINVAL, "'%.60s' is not an address family", *word);
                if (new.mode == mode)
                        new.mask |= UINT64_C(1) << family;
                else
                        new.mask &= ~(UINT64_C(1) << family);
        }
        *list = new;
        return 0;
}

uint64_t family_list_allows(const FamilyList *list) {
        return list->mode == FAMILIES_ONLY ? list->mask : ~list->mask;
}

FamilyList family_list_both(const FamilyList *a, const FamilyList *b) {
        if (a->mode == FAMILIES_ONLY)
                return (FamilyList){ FAMILIES_ONLY, a->mask & family_list_allows(b) };
        if (b->mode == FAMILIES_ONLY)
                return (FamilyList){ FAMILIES_ONLY, b->mask & family_list_allows(a) };
        return (FamilyList){ MAX(a->mode, b->mode), a->mask | b->mask };
}

int family_list_format(const FamilyList *list, Buf *out) {
        int r = 0;

        if (list->mode == FAMILIES_ONLY && list->mask == 0)
                return buf_puts(out, "none");
        if (list->mode == FAMILIES_ALL_BUT)
                r = buf_puts(out, "~");
        for (size_t i = 0; i < ELEMENTSOF(families) && r >= 0; i++)
                if (list->mask >> families[i].number & 1)
                        r = buf_printf(out, "%sAF_%s", out->n > 1 ? " " : "", families[i].name);
        return r;
}

int family_list_help(Buf *out) {
        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (buf_printf(out, "AF_%s\n", families[i].name) < 0)
                        return -ENOMEM;
        return 0;
}
