/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The values of --port=, see port.h. What becomes of them, port-rules.c says to the packet filter. */
#include "net/port.h"

#include "base/parse.h"

#define TEXT_MAX 128 /* longer than the longest value that makes sense */

static const struct {
        const char *name;
        int protocol;
} protocols[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP } };

const char *port_protocol_name(int protocol) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (protocols[i].protocol == protocol)
                        return protocols[i].name;
        return "?";
}

static int protocol_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (streq(protocols[i].name, name))
                        return protocols[i].protocol;
        return -EINVAL;
}

/* Cuts the protocol off either end. */
static int take_protocol(char **text, int *ret, Error *e) {
        char *slash = strchr(*text, '/'), *colon = strchr(*text, ':');
        int before = -EINVAL, after = -EINVAL;

        if (slash) {
                *slash++ = '\0';
                after = protocol_find(slash);
                if (after < 0)
                        return error_set(e, EINVAL, "'%s' is not tcp, udp or sctp", slash);
        }
        if (colon && **text >= 'a' && **text <= 'z' && (!slash || colon < slash)) {
                *colon = '\0';
                before = protocol_find(*text);
                if (before < 0)
                        return error_set(e, EINVAL,
                                         "'%s' is neither tcp, udp or sctp, nor an address in"
                                         " numbers",
                                         *text);
                *text = colon + 1;
        }
        if (before >= 0 && after >= 0 && before != after)
                return error_set(e, EINVAL, "it names two protocols");
        *ret = before >= 0 ? before : after >= 0 ? after : IPPROTO_TCP;
        return 0;
}

static bool is_any(const Ip *ip) {
        static const Ip none;

        return memcmp(ip->bytes, none.bytes, sizeof none.bytes) == 0;
}

/* Neither a group of hosts, nor one family's address in the other. */
static bool is_of_one_host(const Ip *ip) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

        if (ip->family == AF_INET)
                return ip->bytes[0] < 224;
        return ip->bytes[0] != 0xff && memcmp(ip->bytes, mapped, sizeof mapped) != 0;
}

/* Cuts the host's address off the front, if there is one. */
static int take_address(char **text, Port *p, Error *e) {
        char *start = *text, *end = strchr(start, ':');
        bool is_bracketed = *start == '[';

        if (is_bracketed) {
                end = strchr(++start, ']');
                if (!end || end[1] != ':')
                        return error_set(e, EINVAL, "after '[' come an address, ']' and ':'");
                *end++ = '\0';
        } else if (!end || !memchr(start, '.', (size_t) (end - start)))
                return 0;
        *end = '\0';
        if (ip_parse(start, &p->address) < 0 ||
            p->address.family != (is_bracketed ? AF_INET6 : AF_INET))
                return error_set(e, EINVAL, "'%s' is not an IPv%c address", start,
                                 is_bracketed ? '6' : '4');
        if (!is_of_one_host(&p->address))
                return error_set(e, EINVAL, "'%s' is not an address of one host", start);
        p->family = p->address.family;
        if (is_any(&p->address))
                p->address = (Ip){};
        *text = end + 1;
        return 0;
}

/* "80" or "80-89". */
static int parse_range(char *text, uint16_t *ret_first, uint32_t *ret_n, Error *e) {
        char *dash = strchr(text, '-');
        uint64_t first = 0, last = 0;
        int r;

        if (dash)
                *dash = '\0';
        r = parse_u64(text, 1, UINT16_MAX, &first);
        if (r >= 0)
                r = dash ? parse_u64(dash + 1, 1, UINT16_MAX, &last) : ((last = first), 0);
        if (r < 0)
                return error_set(e, EINVAL, "'%s%s%s' is not a port from 1 to 65535, nor a range",
                                 text, dash ? "-" : "", dash ? dash + 1 : "");
        if (last < first)
                return error_set(e, EINVAL, "the range '%s-%s' ends before it begins", text,
                                 dash + 1);
        *ret_first = (uint16_t) first;
        *ret_n = (uint32_t) (last - first + 1);
        return 0;
}

int port_parse(const char *text, Port *ret, Error *e) {
        char copy[TEXT_MAX], *at = copy, *colon;
        uint32_t n_host = 0, n_inside = 0;
        Port p = { .family = AF_UNSPEC };
        int r;

        size_t length = strlen(text);
        if (length >= sizeof copy)
                return error_set(e, EINVAL, "it is too long for a port");
        memcpy(copy, text, length + 1);
        r = take_protocol(&at, &p.protocol, e);
        if (r >= 0)
                r = take_address(&at, &p, e);
        if (r < 0)
                return r;

        colon = strchr(at, ':');
        if (colon)
                *colon++ = '\0';
        if (colon && strchr(colon, ':'))
                return error_set(e, EINVAL,
                                 "there are too many colons; an IPv6 address is put in brackets");
        r = parse_range(at, &p.host, &n_host, e);
        p.inside = p.host;
        n_inside = n_host;
        if (r >= 0 && colon)
                r = parse_range(colon, &p.inside, &n_inside, e);
        if (r < 0)
                return r;
        if (n_host != n_inside)
                return error_set(e, EINVAL, "%u ports of the host cannot lead to %u of the machine",
                                 n_host, n_inside);
        p.n = (uint16_t) n_host;
        *ret = p;
        return 0;
}

static int format_range(uint16_t first, uint16_t n, Buf *out) {
        return n == 1 ? buf_printf(out, "%u", first)
                      : buf_printf(out, "%u-%u", first, first + n - 1);
}

int port_format(const Port *p, Buf *out) {
        char text[IP_TEXT_MAX];
        int r = buf_printf(out, "%s:", port_protocol_name(p->protocol));

        if (r >= 0 && p->family == AF_INET)
                r = buf_printf(out, "%s:",
                               is_any(&p->address) ? "0.0.0.0" : ip_format(&p->address, text));
        if (r >= 0 && p->family == AF_INET6)
                r = buf_printf(out,
                               "[%s]:", is_any(&p->address) ? "::" : ip_format(&p->address, text));
        if (r >= 0)
                r = format_range(p->host, p->n, out);
        if (r >= 0 && p->inside != p->host) {
                r = buf_puts(out, ":");
                if (r >= 0)
                        r = format_range(p->inside, p->n, out);
        }
        return r;
}

bool port_has_family(const Port *p, int family) {
        return p->family == AF_UNSPEC || p->family == family;
}

bool port_has_loopback(const Port *p, int family) {
        static const uint8_t loopback6[16] = { [15] = 1 };

        if (!port_has_family(p, family))
                return false;
        if (p->address.family == AF_UNSPEC)
                return true;
        return family == AF_INET ? p->address.bytes[0] == 127
                                 : memcmp(p->address.bytes, loopback6, sizeof loopback6) == 0;
}

bool port_overlaps(const Port *a, const Port *b) {
        if (a->protocol != b->protocol || a->host + a->n <= b->host || b->host + b->n <= a->host)
                return false;
        if (a->family != AF_UNSPEC && b->family != AF_UNSPEC && a->family != b->family)
                return false;
        return a->address.family == AF_UNSPEC || b->address.family == AF_UNSPEC ||
               ip_equal(&a->address, &b->address);
}

int port_list_add(PortList *l, const Port *p, Error *e) {
        size_t sum = p->n;

        for (size_t i = 0; i < l->n; i++) {
                _cleanup_(buf_done) Buf other = {};

                sum += l->v[i].n;
                if (!port_overlaps(l->v + i, p))
                        continue;
                return port_format(l->v + i, &other) < 0
                               ? error_oom(e)
                               : error_set(e, EEXIST, "'%s' is taken by this machine already",
                                           other.p);
        }
        if (sum > PORTS_MAX)
                return error_set(e, E2BIG, "these are more than %u ports", PORTS_MAX);
        Port *v = reallocarray(l->v, l->n + 1, sizeof *v);
        if (!v)
                return error_oom(e);
        l->v = v;
        l->v[l->n++] = *p;
        return 0;
}

void port_list_done(PortList *l) {
        free(l->v);
        *l = (PortList){};
}
