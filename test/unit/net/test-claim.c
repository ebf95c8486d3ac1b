/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine gets of what it asks for, and who is named when it gets nothing. */
#include "check.h"

#include "net/claim.h"

static const Id128 host_id = { { 1, 2, 3 } };

static IpPrefix prefix(const char *text) {
        IpPrefix p = {};

        assert_int_equal(ip_prefix_parse(text, &p), 0);
        return p;
}

/* The host: 192.0.2.9/24 and 2001:db8::9/64 on link 7, and a bridge with 203.0.113.1/24, link 5. */
typedef struct Host {
        RouteAddress addresses[3];
        Route routes[4];
        RouteList list;
        MemberList members;
} Host;

static void host_init(Host *h) {
        *h = (Host){
                .addresses = { { prefix("192.0.2.9/24"), 7, true },
                               { prefix("2001:db8::9/64"), 7, true },
                               { prefix("203.0.113.1/24"), 5, true } },
                .routes = { { prefix("192.0.2.0/24"), {}, 7 },
                            { prefix("2001:db8::/64"), {}, 7 },
                            { prefix("203.0.113.0/24"), {}, 5 },
                            { prefix("0.0.0.0/0"), {}, 7 } },
        };
        h->list = (RouteList){ h->routes, 4, h->addresses, 3 };
}

static void add_machine(Host *h, const char *name, const char *text) {
        _cleanup_free_ char *copy = str_format("maker skep 1 2\naddress %s\n", text);

        h->members.v = reallocarray(h->members.v, h->members.n + 1, sizeof *h->members.v);
        assert_non_null(h->members.v);
        assert_int_equal(member_parse(name, copy, h->members.v + h->members.n++), 0);
}

static int make(const Host *h, const ClaimEnd *ends, size_t n_ends, const char *wanted, Member *m,
                Error *e) {
        _cleanup_(address_list_done) AddressList l = {};
        _cleanup_strv_ char **words = NULL;

        assert_int_equal(str_split(wanted, " ", &words), 0);
        STRV_FOREACH(w, words) {
                Address a;
                assert_int_equal(address_parse(*w, &a, e), 0);
                assert_int_equal(address_list_add(&l, &a), 0);
        }
        const ClaimFacts f = { &l, ends, n_ends, &h->members, &h->list, host_id, true };
        (void) snprintf(m->name, sizeof m->name, "web");
        (void) snprintf(m->maker, sizeof m->maker, "x");
        return claim_make(&f, m, e);
}

static const ClaimEnd alone = { CLAIM_OURS, "host0", "ve-web", 0, false },
                      zone = { CLAIM_OURS, "host0", "vz-z", 0, true },
                      bridge = { CLAIM_BRIDGE, "host0", "br0", 5, false },
                      bare = { CLAIM_BRIDGE, "host0", "br1", 6, false },
                      other = { CLAIM_OTHER, "mv-eth0", "", 0, false };

static void test_fixed(void **state) {
        static const struct {
                const ClaimEnd *end;
                const char *wanted, *line; /* as a record says it; NULL = refused */
                const char *word;
        } rows[] = {
                { &alone, "10.0.0.2/24",
                  "10.0.0.2/24 link=ve-web inside=host0 host=10.0.0.1/24 gateway=10.0.0.1 nat",
                  NULL },
                { &alone, "10.0.0.1/24",
                  "10.0.0.1/24 link=ve-web inside=host0 host=10.0.0.2/24 gateway=10.0.0.2 nat",
                  NULL },
                { &alone, "10.0.0.2/31",
                  "10.0.0.2/31 link=ve-web inside=host0 host=10.0.0.3/31 gateway=10.0.0.3 nat",
                  NULL },
                { &alone, "10.0.0.2/24,10.0.0.9,nat=no",
                  "10.0.0.2/24 link=ve-web inside=host0 host=10.0.0.9/24 gateway=10.0.0.9", NULL },
                { &alone, "10.0.0.2/32,10.9.0.1",
                  "10.0.0.2/32 link=ve-web inside=host0 host=10.9.0.1/32 gateway=10.9.0.1 nat",
                  NULL },
                { &alone, "10.0.0.2/24,gateway=none", "10.0.0.2/24 link=ve-web inside=host0",
                  NULL },
                { &bridge, "203.0.113.7/24", "203.0.113.7/24 link=br0 inside=host0", NULL },
                { &bridge, "203.0.113.7/24,203.0.113.254",
                  "203.0.113.7/24 link=br0 inside=host0 gateway=203.0.113.254", NULL },
                { &other, "192.0.2.7/24,192.0.2.1",
                  "192.0.2.7/24 link=- inside=mv-eth0 gateway=192.0.2.1", NULL },
                { &alone, "10.0.0.2/32", NULL, "needs gateway=" },
                { &alone, "192.0.2.7/24", NULL, "has a route already" },
                { &alone, "192.0.2.9/32,10.1.1.1", NULL, "the host's own address" },
                { &alone, "10.0.0.2/24,link=host1", NULL, "no link 'host1'" },
                { &alone, "10.1.0.5/24", NULL, "of machine 'db'" },
                { &alone, "10.1.0.9/24", NULL, "subnet of machine 'db', on 've-db'" },
                { &alone, "10.1.0.9/16,10.1.0.5", NULL, "machine 'db' has it" },
                { &other, "auto", NULL, "mv-eth0" },
                { &bare, "auto", NULL, "br1" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(member_done) Member m = {};
                _cleanup_(buf_done) Buf out = {};
                Error e = {};
                Host h;

                host_init(&h);
                add_machine(&h, "db", "10.1.0.5/24 link=ve-db inside=host0 host=10.1.0.1/24");
                int r = make(&h, rows[i].end, 1, rows[i].wanted, &m, &e);
                CHECK_EQ(r == 0, rows[i].line != NULL, "row %zu %s (%s)", i, rows[i].wanted,
                         e.text);
                if (r < 0)
                        CHECK_EQ(strstr(e.text, rows[i].word) != NULL, true, "row %zu says '%s'", i,
                                 e.text);
                else {
                        _cleanup_free_ char *line = str_format("maker x\naddress %s\n",
                                                               rows[i].line);
                        assert_int_equal(member_format(&m, &out), 0);
                        CHECK_STR(out.p, line, "row %zu", i);
                }
                member_list_done(&h.members);
        }
}

static void test_picked(void **state) {
        _cleanup_(member_done) Member first = {}, again = {}, in_zone = {}, second = {}, at = {};
        Error e = {};
        Host h;

        (void) state;
        host_init(&h);
        assert_int_equal(make(&h, &alone, 1, "auto", &first, &e), 0);
        assert_int_equal(first.n, 2);
        for (size_t i = 0; i < 2; i++) {
                const MemberAddress *a = first.v + i;
                assert_true(a->picked && a->nat);
                assert_true(ip_equal(&a->gateway, &a->host.ip));
                assert_true(ip_prefix_has(&a->address, &a->host.ip));
        }
        assert_int_equal(make(&h, &alone, 1, "auto", &again, &e), 0);
        assert_true(ip_equal(&first.v[0].address.ip, &again.v[0].address.ip));

        /* Who comes second to a zone gets another address of the same subnet. */
        assert_int_equal(make(&h, &zone, 1, "auto", &in_zone, &e), 0);
        char text[IP_PREFIX_TEXT_MAX];
        _cleanup_free_ char *line = str_format("%s link=vz-z inside=host0 picked",
                                               ip_prefix_format(&in_zone.v[0].address, text));
        add_machine(&h, "db", line);
        assert_int_equal(make(&h, &zone, 1, "auto4", &second, &e), 0);
        assert_int_equal(second.n, 1);
        assert_true(ip_prefix_has(&in_zone.v[0].address, &second.v[0].address.ip));
        assert_false(ip_equal(&in_zone.v[0].address.ip, &second.v[0].address.ip));

        /* At a bridge the subnet is the bridge's, and it is the way out. */
        assert_int_equal(make(&h, &bridge, 1, "auto", &at, &e), 0);
        assert_int_equal(at.n, 1);
        assert_true(ip_prefix_has(&h.addresses[2].prefix, &at.v[0].address.ip));
        assert_true(ip_equal(&at.v[0].gateway, &h.addresses[2].prefix.ip));
        assert_int_equal(at.v[0].host.ip.family, AF_UNSPEC);
        assert_false(at.v[0].nat);
        member_list_done(&h.members);
}

static void test_several_links(void **state) {
        const ClaimEnd ends[] = { { CLAIM_OURS, "eth1", "ve1", 0, false }, alone };
        _cleanup_(member_done) Member m = {}, n = {};
        Error e = {};
        Host h;

        (void) state;
        host_init(&h);
        assert_int_equal(make(&h, ends, 2, "auto,link=eth1 auto", &m, &e), 0);
        assert_int_equal(m.n, 4);
        for (size_t i = 0; i < 4; i++) {
                assert_string_equal(m.v[i].inside, i < 2 ? "eth1" : "host0");
                /* One way out a family: the first. */
                CHECK_EQ(m.v[i].gateway.family != AF_UNSPEC, i < 2, "address %zu", i);
                for (size_t j = 0; j < i; j++)
                        assert_false(ip_prefix_overlaps(&m.v[i].address, &m.v[j].address));
        }
        assert_int_equal(make(&h, ends, 2, "auto4,link=eth1 10.0.0.2/24,10.0.0.1", &n, &e), 0);
        assert_int_equal(n.v[0].gateway.family, AF_UNSPEC);
        assert_int_equal(n.v[1].gateway.family, AF_INET);

        const ClaimEnd none[] = { ends[0], { CLAIM_OTHER, "x", "", 0, false } };
        _cleanup_(member_done) Member o = {};
        assert_int_equal(make(&h, none, 2, "auto", &o, &e), -EINVAL);
        assert_non_null(strstr(e.text, "link=NAME"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fixed),
                cmocka_unit_test(test_picked),
                cmocka_unit_test(test_several_links),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
