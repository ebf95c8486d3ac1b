/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table by which ports of the host lead into machines, see port-rules.h.
 *
 * There is one for all machines. What differs between them are elements of maps, which are looked up by a
 * hash of protocol, address and port: so the first packet of a connection costs the same with two hundred
 * machines as with one, those that follow go by the connection's entry and never come here, and a machine that
 * comes, goes or changes its address exchanges its elements in one transaction and touches no rule. (A
 * table per machine, which the kernel would remove with its owner, costs every new connection of the host
 * three hooks per machine.)
 *
 * "any" maps are for ports at all addresses of the host, "at" maps for those at one. Only packets to the
 * host itself are looked up, be they from elsewhere (prerouting) or its own (output).
 *
 * Packets whose answers would not come back to us get our address as their source: what comes from the host
 * itself, be it from a loopback address, which nobody can answer; and what leaves over the interface that it
 * came in by, a machine that uses its own port or that of its neighbour on a bridge. All others keep theirs:
 * a machine sees who talks to it.
 *
 * For packets from 127.0.0.0/8 to leave the host at all, the interface towards the machine must be exempt
 * from the kernel's rule that they do not (route_localnet). "guard" puts that rule back for all that does
 * not come out of an address translation: before the translation of answers, nothing from behind that interface
 * may be from or to such an address. Without it a machine could talk to services that listen at 127.0.0.1. */
#include "net/port-rules.h"

static const char frame[] = "add table " PORT_RULES_TABLE "\n"
                            "add map " PORT_RULES_TABLE " any4 { type inet_proto . inet_service"
                            " : ipv4_addr . inet_service; }\n"
                            "add map " PORT_RULES_TABLE " any6 { type inet_proto . inet_service"
                            " : ipv6_addr . inet_service; }\n"
                            "add map " PORT_RULES_TABLE
                            " at4 { type inet_proto . ipv4_addr . inet_service"
                            " : ipv4_addr . inet_service; }\n"
                            "add map " PORT_RULES_TABLE
                            " at6 { type inet_proto . ipv6_addr . inet_service"
                            " : ipv6_addr . inet_service; }\n"
                            "add set " PORT_RULES_TABLE " links { type ifname; }\n"
                            "add set " PORT_RULES_TABLE " turns { type ifname . ifname; }\n"
                            "add chain " PORT_RULES_TABLE " guard"
                            " { type filter hook prerouting priority raw; policy accept; }\n"
                            "add chain " PORT_RULES_TABLE " lookup\n"
                            "add chain " PORT_RULES_TABLE " prerouting"
                            " { type nat hook prerouting priority dstnat + 1; policy accept; }\n"
                            "add chain " PORT_RULES_TABLE " output"
                            " { type nat hook output priority -99; policy accept; }\n"
                            "add chain " PORT_RULES_TABLE " postrouting"
                            " { type nat hook postrouting priority srcnat + 1; policy accept; }\n"
                            /* Adding a rule that is there would make it two. */
                            "flush table " PORT_RULES_TABLE "\n"
                            "add rule " PORT_RULES_TABLE
                            " guard iifname @links ip daddr 127.0.0.0/8 drop\n"
                            "add rule " PORT_RULES_TABLE
                            " guard iifname @links ip saddr 127.0.0.0/8 drop\n"
                            "add rule " PORT_RULES_TABLE " lookup"
                            " dnat ip to meta l4proto . ip daddr . th dport map @at4\n"
                            "add rule " PORT_RULES_TABLE " lookup"
                            " dnat ip6 to meta l4proto . ip6 daddr . th dport map @at6\n"
                            "add rule " PORT_RULES_TABLE
                            " lookup dnat ip to meta l4proto . th dport map @any4\n"
                            "add rule " PORT_RULES_TABLE
                            " lookup dnat ip6 to meta l4proto . th dport map @any6\n"
                            "add rule " PORT_RULES_TABLE
                            " prerouting fib daddr type local jump lookup\n"
                            "add rule " PORT_RULES_TABLE
                            " output fib daddr type local jump lookup\n"
                            "add rule " PORT_RULES_TABLE
                            " postrouting ct status dnat oifname @links"
                            " fib saddr type local masquerade\n"
                            "add rule " PORT_RULES_TABLE
                            " postrouting ct status dnat iifname . oifname @turns"
                            " masquerade\n";

int port_rules_frame(Buf *out) {
        return buf_puts(out, frame);
}

bool port_rules_can_name(const char *link) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "._-";

        return *link && link[strspn(link, plain)] == '\0';
}

static int put_link(const char *verb, const char *link, Buf *out) {
        return buf_printf(out,
                          "%s element " PORT_RULES_TABLE " links { \"%s\" }\n"
                          "%s element " PORT_RULES_TABLE " turns { \"%s\" . \"%s\" }\n",
                          verb, link, verb, link, link);
}

/* The elements of one value in the map of one family. */
static int put_port(const char *verb, const Port *p, const Ip *inside, bool with_data, Buf *out) {
        char at[IP_TEXT_MAX] = "", to[IP_TEXT_MAX];
        bool is_bound = p->address.family != AF_UNSPEC;

        if (is_bound)
                (void) ip_format(&p->address, at);
        (void) ip_format(inside, to);
        int r = buf_printf(out, "%s element " PORT_RULES_TABLE " %s%c {", verb,
                           is_bound ? "at" : "any", inside->family == AF_INET ? '4' : '6');
        for (unsigned i = 0; i < p->n && r >= 0; i++) {
                r = buf_printf(out, "%s %d . %s%s%u", i > 0 ? "," : "", p->protocol, at,
                               is_bound ? " . " : "", (unsigned) p->host + i);
                if (r >= 0 && with_data)
                        r = buf_printf(out, " : %s . %u", to, (unsigned) p->inside + i);
        }
        return r < 0 ? r : buf_puts(out, " }\n");
}

static int put_ports(const char *verb, const PortTargets *t, bool with_data, Buf *out) {
        int r = 0;

        for (size_t f = 0; f < ELEMENTSOF(t->inside); f++)
                for (size_t i = 0; i < t->ports->n && r >= 0; i++)
                        if (t->inside[f].family != AF_UNSPEC &&
                            port_has_family(t->ports->v + i, t->inside[f].family))
                                r = put_port(verb, t->ports->v + i, t->inside + f, with_data, out);
        return r;
}

int port_rules_put(const PortTargets *t, Buf *out) {
        int r = t->link ? put_link("add", t->link, out) : 0;

        return r < 0 ? r : put_ports("add", t, true, out);
}

/* There is no way to delete what may not be there in all kernels; but adding it first is always right. */
int port_rules_drop(const PortTargets *t, bool with_link, Buf *out) {
        int r = put_ports("add", t, true, out);

        if (r >= 0)
                r = put_ports("delete", t, false, out);
        if (r >= 0 && t->link && with_link) {
                r = put_link("add", t->link, out);
                if (r >= 0)
                        r = put_link("delete", t->link, out);
        }
        return r;
}

int port_rules_clear(Buf *out) {
        return buf_puts(out, "add table " PORT_RULES_TABLE "\n"
                             "delete table " PORT_RULES_TABLE "\n");
}
