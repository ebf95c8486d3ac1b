/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of the table of translations, see nat.h.
 *
 * Who is behind a translation can call out and is answered, and takes no calls but those to a port that is
 * passed on. Where the host forwards only because we switched that on, it does so for machines and for
 * nobody else. */
#include "net/nat.h"

#include "net/nft.h"

bool nat_is_wanted(const MemberList *l) {
        for (size_t i = 0; i < l->n; i++)
                for (size_t j = 0; j < l->v[i].n; j++)
                        if (l->v[i].v[j].nat)
                                return true;
        return false;
}

static int format_sources(const MemberList *l, int family, Buf *out) {
        const char *separator = "  elements = { ";
        char text[IP_TEXT_MAX];
        int r = buf_printf(out, " set sources%s {\n  type ipv%s_addr;\n",
                           family == AF_INET ? "4" : "6", family == AF_INET ? "4" : "6");

        for (size_t i = 0; i < l->n; i++)
                for (size_t j = 0; j < l->v[i].n && r >= 0; j++) {
                        const MemberAddress *a = l->v[i].v + j;
                        if (!a->nat || a->address.ip.family != family)
                                continue;
                        r = buf_printf(out, "%s%s", separator, ip_format(&a->address.ip, text));
                        separator = ", ";
                }
        if (r >= 0 && streq(separator, ", "))
                r = buf_puts(out, " }\n");
        return r < 0 ? r : buf_puts(out, " }\n");
}

/* Of what else the kernel lets an interface be called, some would mean something in there. */
static bool name_is_plain(const char *name) {
        return !name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "-_.:@+")];
}

static int format_names(const char *set, char *const *names, char *const *except, Buf *out) {
        const char *separator = "  elements = { ";
        int r = buf_printf(out, " set %s {\n  type ifname;\n", set);

        STRV_FOREACH(n, names)
                if (r >= 0 && name_is_plain(*n) && !strv_contains(except, *n)) {
                        r = buf_printf(out, "%s\"%s\"", separator, *n);
                        separator = ", ";
                }
        if (r >= 0 && streq(separator, ", "))
                r = buf_puts(out, " }\n");
        return r < 0 ? r : buf_puts(out, " }\n");
}

static int find_links(const MemberList *l, char ***names) {
        for (size_t i = 0; i < l->n; i++)
                for (size_t j = 0; j < l->v[i].n; j++)
                        if (!strv_contains(*names, l->v[i].v[j].link) &&
                            strv_append(names, l->v[i].v[j].link) < 0)
                                return -ENOMEM;
        return 0;
}

int nat_format(const MemberList *l, char *const *opened, Buf *out) {
        static const char chains[] = " chain postrouting {\n"
                                     "  type nat hook postrouting priority 100;\n"
                                     "  ip saddr @sources4 oifname != @links masquerade\n"
                                     "  ip6 saddr @sources6 oifname != @links masquerade\n"
                                     " }\n"
                                     " chain forward {\n"
                                     "  type filter hook forward priority 0;\n"
                                     "  ct state established,related accept\n"
                                     "  ct status dnat accept\n" /* to a port that is passed on */
                                     "  iifname @links accept\n"
                                     "  iifname \"ve-*\" accept\n"
                                     "  iifname \"vz-*\" accept\n"
                                     "  ip daddr @sources4 drop\n"
                                     "  ip6 daddr @sources6 drop\n"
                                     "  iifname @opened oifname @opened drop\n"
                                     " }\n"
                                     "}\n";
        _cleanup_strv_ char **links = NULL;
        int r = buf_puts(out, "add table inet " NAT_TABLE "\ndelete table inet " NAT_TABLE "\n");

        if (r < 0 || (!nat_is_wanted(l) && !opened))
                return r;
        r = find_links(l, &links);
        if (r >= 0)
                r = buf_puts(out, "table inet " NAT_TABLE " {\n");
        if (r >= 0)
                r = format_sources(l, AF_INET, out);
        if (r >= 0)
                r = format_sources(l, AF_INET6, out);
        if (r >= 0)
                r = format_names("links", links, NULL, out);
        if (r >= 0)
                r = format_names("opened", opened, links, out);
        return r < 0 ? r : buf_puts(out, chains);
}

int nat_apply(const MemberList *l, char *const *opened, char **ret_chains, Error *e) {
        _cleanup_(buf_done) Buf text = {};

        if (nat_format(l, opened, &text) < 0 ||
            (ret_chains && buf_puts(&text, "list chains\n") < 0))
                return error_oom(e);
        int r = nft_run(text.p, ret_chains, e);
        return r < 0 ? error_wrap(e, r, "cannot set up the translation of addresses") : 0;
}
