/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading and checking of what --network-address= is given, see address.h. What the host has is not looked
 * at here. */
#include "net/address.h"

#include "base/parse.h"

static const char *const kinds[_ADDRESS_KIND_MAX] = {
        [ADDRESS_AUTO] = "auto",
        [ADDRESS_AUTO4] = "auto4",
        [ADDRESS_AUTO6] = "auto6",
};

bool address_has_family(const Address *a, int family) {
        switch (a->kind) {
        case ADDRESS_FIXED:
                return a->prefix.ip.family == family;
        case ADDRESS_AUTO4:
                return family == AF_INET;
        case ADDRESS_AUTO6:
                return family == AF_INET6;
        default:
                return family == AF_INET || family == AF_INET6;
        }
}

static int parse_what(const char *text, Address *a, Error *e) {
        for (AddressKind k = ADDRESS_AUTO; k < _ADDRESS_KIND_MAX; k++)
                if (streq(text, kinds[k])) {
                        a->kind = k;
                        return 0;
                }

        int r = ip_prefix_parse(text, &a->prefix);
        if (r == -ERANGE || (r >= 0 && a->prefix.length == 0))
                return error_set(e, EINVAL, "'%.60s': no subnet has a prefix of that length", text);
        if (r < 0)
                return error_set(e, EINVAL,
                                 "'%.60s' is neither auto, auto4, auto6 nor ADDRESS/LENGTH", text);
        if (!ip_is_host(&a->prefix.ip))
                return error_set(e, EINVAL, "'%.60s' is no address that an interface can have",
                                 text);
        if (!ip_prefix_is_usable(&a->prefix))
                return error_set(e, EINVAL, "'%.60s' is the %s itself and not an address in it",
                                 text,
                                 a->prefix.ip.family == AF_INET ? "network or broadcast address"
                                                                : "subnet");
        a->kind = ADDRESS_FIXED;
        return 0;
}

static int parse_gateway(const char *value, Address *a, Error *e) {
        if (a->gateway_mode != ADDRESS_GATEWAY_DEFAULT)
                return error_set(e, EINVAL, "the gateway is given twice");
        if (streq(value, "none")) {
                a->gateway_mode = ADDRESS_GATEWAY_NONE;
                return 0;
        }
        if (ip_parse(value, &a->gateway) < 0 || !ip_is_host(&a->gateway))
                return error_set(e, EINVAL, "'%.60s' is not the address of a gateway", value);
        a->gateway_mode = ADDRESS_GATEWAY_FIXED;
        return 0;
}

static int parse_dns(const char *value, Address *a, Error *e) {
        bool host = streq(value, "host"), none = streq(value, "none");

        if (host || none) {
                if (a->dns_mode != ADDRESS_DNS_HOST || a->n_dns > 0)
                        return error_set(e, EINVAL, "dns=%s goes with no other dns=", value);
                a->dns_mode = host ? ADDRESS_DNS_HOST : ADDRESS_DNS_NONE;
                return 0;
        }
        if (a->dns_mode == ADDRESS_DNS_NONE)
                return error_set(e, EINVAL, "dns=none goes with no other dns=");
        if (a->n_dns == ADDRESS_DNS_MAX)
                return error_set(e, EINVAL, "there can be no more than %d name servers",
                                 ADDRESS_DNS_MAX);
        if (ip_parse(value, a->dns + a->n_dns) < 0 || !ip_is_host(a->dns + a->n_dns))
                return error_set(e, EINVAL, "'%.60s' is not the address of a name server", value);
        a->dns_mode = ADDRESS_DNS_FIXED;
        a->n_dns++;
        return 0;
}

static int parse_link(const char *value, Address *a, Error *e) {
        size_t n = strlen(value);

        if (n == 0 || n >= sizeof a->link || streq(value, ".") || streq(value, "..") ||
            strpbrk(value, "/: \t\n%,"))
                return error_set(e, EINVAL, "'%.60s' is not the name of a link", value);
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) value[i] <= ' ' || (unsigned char) value[i] >= 127)
                        return error_set(e, EINVAL, "the name of a link has odd characters in it");
        memcpy(a->link, value, n + 1);
        return 0;
}

static int parse_nat(const char *value, Address *a, Error *e) {
        bool on;

        if (parse_bool(value, &on) < 0)
                return error_set(e, EINVAL, "nat='%.60s' is neither yes nor no", value);
        a->nat = on;
        return 0;
}

static int parse_word(const char *word, unsigned position, Address *a, Error *e) {
        static const struct {
                const char *key;
                int (*parse)(const char *value, Address *a, Error *e);
        } keys[] = { { "gateway=", parse_gateway },
                     { "dns=", parse_dns },
                     { "link=", parse_link },
                     { "nat=", parse_nat } };

        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                const char *value = str_skip_prefix(word, keys[i].key);
                if (value)
                        return keys[i].parse(value, a, e);
        }
        if (strchr(word, '='))
                return error_set(e, EINVAL,
                                 "'%.60s': there is gateway=, dns=, link= and nat=", word);
        if (!*word && position == 0)
                return 0;
        return position == 0 ? parse_gateway(word, a, e) : parse_dns(word, a, e);
}

/* What only shows when all of it is read. */
static int check(const Address *a, Error *e) {
        if (a->gateway_mode != ADDRESS_GATEWAY_FIXED)
                return 0;
        if (a->kind != ADDRESS_FIXED)
                return error_set(e, EINVAL,
                                 "%s picks the gateway too (name servers come after an empty word:"
                                 " %s,,ADDRESS)",
                                 kinds[a->kind], kinds[a->kind]);
        if (a->gateway.family != a->prefix.ip.family)
                return error_set(e, EINVAL, "the gateway is not of the address's family");
        if (ip_equal(&a->gateway, &a->prefix.ip))
                return error_set(e, EINVAL, "the gateway is the address itself");
        if (!ip_prefix_has(&a->prefix, &a->gateway) && !ip_is_link_local(&a->gateway) &&
            a->prefix.length != ip_bits(a->prefix.ip.family))
                return error_set(e, EINVAL, "the gateway does not lie in the subnet");
        return 0;
}

int address_parse(const char *text, Address *ret, Error *e) {
        _cleanup_free_ char *copy = strdup(text);
        Address a = { .nat = -1 };
        unsigned position = 0;
        char *rest = copy;

        if (!copy)
                return error_oom(e);
        int r = parse_what(strsep(&rest, ","), &a, e);
        for (char *word; r >= 0 && (word = strsep(&rest, ","));) {
                r = parse_word(word, position, &a, e);
                position += !strchr(word, '=');
        }
        if (r >= 0)
                r = check(&a, e);
        if (r >= 0)
                *ret = a;
        return r;
}

int address_format(const Address *a, Buf *out) {
        char text[IP_PREFIX_TEXT_MAX];
        int r = buf_puts(out, a->kind == ADDRESS_FIXED ? ip_prefix_format(&a->prefix, text)
                                                       : kinds[a->kind]);

        if (r >= 0 && a->gateway_mode != ADDRESS_GATEWAY_DEFAULT)
                r = buf_printf(out, ",gateway=%s",
                               a->gateway_mode == ADDRESS_GATEWAY_NONE
                                       ? "none"
                                       : ip_format(&a->gateway, text));
        if (r >= 0 && a->dns_mode == ADDRESS_DNS_NONE)
                r = buf_puts(out, ",dns=none");
        for (size_t i = 0; i < a->n_dns && r >= 0; i++)
                r = buf_printf(out, ",dns=%s", ip_format(a->dns + i, text));
        if (r >= 0 && a->link[0])
                r = buf_printf(out, ",link=%s", a->link);
        if (r >= 0 && a->nat >= 0)
                r = buf_printf(out, ",nat=%s", a->nat ? "yes" : "no");
        return r;
}

int address_list_add(AddressList *l, const Address *a) {
        Address *p = reallocarray(l->v, l->n + 1, sizeof *p);

        if (!p)
                return -ENOMEM;
        l->v = p;
        l->v[l->n++] = *a;
        return 0;
}

void address_list_done(AddressList *l) {
        free(l->v);
        *l = (AddressList){};
}

bool address_list_picks(const AddressList *l, const Address *a, int family) {
        if (a->kind == ADDRESS_FIXED || !address_has_family(a, family))
                return false;
        for (size_t i = 0; i < l->n; i++)
                if (l->v[i].kind == ADDRESS_FIXED && streq(l->v[i].link, a->link) &&
                    address_has_family(l->v + i, family))
                        return false;
        return true;
}

static int check_pair(const AddressList *l, const Address *a, const Address *b, Error *e) {
        static const int families[] = { AF_INET, AF_INET6 };
        char text[IP_TEXT_MAX];

        if (a->kind == ADDRESS_FIXED && b->kind == ADDRESS_FIXED &&
            ip_equal(&a->prefix.ip, &b->prefix.ip))
                return error_set(e, EINVAL, "%s is given twice", ip_format(&a->prefix.ip, text));
        if (a->gateway_mode == ADDRESS_GATEWAY_FIXED && b->gateway_mode == ADDRESS_GATEWAY_FIXED &&
            a->gateway.family == b->gateway.family && !ip_equal(&a->gateway, &b->gateway))
                return error_set(e, EINVAL, "there are two gateways for %s, of which one is %s",
                                 a->gateway.family == AF_INET ? "IPv4" : "IPv6",
                                 ip_format(&b->gateway, text));
        for (size_t i = 0; i < ELEMENTSOF(families); i++)
                if (streq(a->link, b->link) && address_list_picks(l, a, families[i]) &&
                    address_list_picks(l, b, families[i]))
                        return error_set(e, EINVAL, "'%s' and '%s' both pick an %s address",
                                         kinds[a->kind], kinds[b->kind],
                                         families[i] == AF_INET ? "IPv4" : "IPv6");
        return 0;
}

int address_list_check(const AddressList *l, Error *e) {
        for (size_t i = 0; i < l->n; i++)
                for (size_t j = 0; j < i; j++) {
                        int r = check_pair(l, l->v + j, l->v + i, e);
                        if (r < 0)
                                return r;
                }
        return 0;
}
