/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers in buffers of each size and alignment: complete or -ERANGE, and never a byte outside. */
#include "nss/pack.h"

#include "check.h"

#define GUARD 0x5a

static const HostAddresses two = {
        .v = { { .ip = { AF_INET, { 10, 0, 0, 1 } } },
               { .ip = { AF_INET6, { 0xfe, 0x80, [15] = 1 } }, .scope = 7 },
               { .ip = { AF_INET, { 10, 0, 0, 2 } } } },
        .n = 3,
};

static void check_guard(const char *buffer, size_t from, size_t n, size_t total) {
        for (size_t i = 0; i < total; i++)
                if (i < from || i >= from + n)
                        assert_int_equal(buffer[i], GUARD);
}

static void check_tuples(const struct gaih_addrtuple *t) {
        for (size_t i = 0; i < two.n; i++, t = t->next) {
                assert_non_null(t);
                assert_string_equal(t->name, "web");
                assert_int_equal(t->family, two.v[i].ip.family);
                assert_int_equal(t->scopeid, two.v[i].scope);
                assert_memory_equal(t->addr, two.v[i].ip.bytes, ip_bits(t->family) / 8);
        }
        assert_null(t);
}

static void test_tuples(void **state) {
        for (size_t from = 0; from < 16; from++) {
                bool fits = false;

                for (size_t n = 0; n < 256; n++) {
                        _Alignas(16) char buffer[320];
                        struct gaih_addrtuple first = {}, *mine = &first, *none = NULL;

                        memset(buffer, GUARD, sizeof(buffer));
                        int r = pack_tuples("web", &two, &none, buffer + from, n);
                        check_guard(buffer, from, n, sizeof(buffer));
                        assert_true(r == 0 || (r == -ERANGE && !fits && !none));
                        fits = r == 0;
                        if (!fits)
                                continue;
                        check_tuples(none);
                        assert_int_equal(pack_tuples("web", &two, &mine, buffer + from, n), 0);
                        assert_ptr_equal(mine, &first);
                        check_tuples(mine);
                }
                assert_true(fits);
        }
}

static void test_host(void **state) {
        for (size_t from = 0; from < 16; from++) {
                bool fits = false;

                for (size_t n = 0; n < 128; n++) {
                        _Alignas(16) char buffer[160];
                        struct hostent host;

                        memset(buffer, GUARD, sizeof(buffer));
                        int r = pack_host("web", AF_INET, &two, &host, buffer + from, n);
                        check_guard(buffer, from, n, sizeof(buffer));
                        assert_true(r == 0 || (r == -ERANGE && !fits));
                        fits = r == 0;
                        if (!fits)
                                continue;
                        assert_string_equal(host.h_name, "web");
                        assert_null(host.h_aliases[0]);
                        assert_int_equal(host.h_addrtype, AF_INET);
                        assert_int_equal(host.h_length, 4);
                        assert_memory_equal(host.h_addr_list[0], two.v[0].ip.bytes, 4);
                        assert_memory_equal(host.h_addr_list[1], two.v[2].ip.bytes, 4);
                        assert_null(host.h_addr_list[2]);
                }
                assert_true(fits);
        }
}

static void test_none_of_a_family(void **state) {
        const HostAddresses one = { .v = { two.v[0] }, .n = 1 };
        struct hostent host;
        char buffer[256];

        assert_int_equal(pack_host("web", AF_INET6, &one, &host, buffer, sizeof(buffer)), -ENODATA);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_tuples),
                cmocka_unit_test(test_host),
                cmocka_unit_test(test_none_of_a_family),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
