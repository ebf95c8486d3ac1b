/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is heard on the bus, from messages written down here by hand in both byte orders. */
#include "spawn/bus-watch.h"

#include <byteswap.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "check.h"

#define MANAGER 3

/* Writes messages the way the bus does. */
typedef struct Writer {
        Buf b;
        size_t start; /* of the message that alignment counts from */
        bool swapped;
} Writer;

static void put(Writer *w, const void *p, size_t n) {
        assert_int_equal(buf_append(&w->b, p, n), 0);
}

static void align(Writer *w, size_t to) {
        while ((w->b.n - w->start) % to != 0)
                put(w, "", 1);
}

static void put_u32(Writer *w, uint32_t v) {
        align(w, 4);
        v = w->swapped ? bswap_32(v) : v;
        put(w, &v, sizeof v);
}

static void put_string(Writer *w, const char *s) {
        put_u32(w, (uint32_t) strlen(s));
        put(w, s, strlen(s) + 1);
}

static void put_field(Writer *w, char code, const char *type, const char *value) {
        align(w, 8);
        put(w, &code, 1);
        put(w, "\1", 1);
        put(w, type, 2);
        put_string(w, value);
}

static void set_u32(Writer *w, size_t at, uint32_t v) {
        v = w->swapped ? bswap_32(v) : v;
        memcpy(w->b.p + at, &v, sizeof v);
}

/* A signal whose body is @body, a vector of strings; NULL = none. */
static void put_signal(Writer *w, const char *sender, const char *interface, const char *member,
                       char *const *body) {
        const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
        const char start[4] = { little != w->swapped ? 'l' : 'B', 4, 0, 1 };

        w->start = w->b.n;
        put(w, start, sizeof start);
        put_u32(w, 0);
        put_u32(w, 1);
        put_u32(w, 0);
        size_t fields = w->b.n;
        put_field(w, 1, "o", "/org/freedesktop/systemd1/unit/x");
        put_field(w, 2, "s", interface);
        put_field(w, 3, "s", member);
        put_field(w, 7, "s", sender);
        set_u32(w, w->start + 12, (uint32_t) (w->b.n - fields));
        align(w, 8);
        size_t body_at = w->b.n;
        STRV_FOREACH(s, body)
                put_string(w, *s);
        set_u32(w, w->start + 4, (uint32_t) (w->b.n - body_at));
}

/* Feeds all that was written through a socket, @step bytes at a time. */
static bool hear(Writer *w, BusWatch *watch, size_t step) {
        bool stop = false;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        watch->fd = pair[0];
        for (size_t at = 0; at < w->b.n; at += step) {
                size_t n = MIN(step, w->b.n - at);

                assert_int_equal(write(pair[1], w->b.p + at, n), n);
                for (ssize_t left = 1; watch->fd >= 0 && left > 0;) {
                        char byte;
                        stop = bus_watch_read(watch) || stop;
                        left = recv(pair[0], &byte, 1, MSG_PEEK | MSG_DONTWAIT);
                }
        }
        (void) close(pair[0]);
        (void) close(pair[1]);
        buf_done(&w->b);
        return stop;
}

static void test_stop(void **state) {
        static const struct {
                const char *sender, *interface, *member;
                bool stop;
        } rows[] = {
                { ":1.3", "org.freedesktop.systemd1.Scope", "RequestStop", true },
                { ":1.4", "org.freedesktop.systemd1.Scope", "RequestStop", false },
                { ":1.31", "org.freedesktop.systemd1.Scope", "RequestStop", false },
                { "org.freedesktop.DBus", "org.freedesktop.systemd1.Scope", "RequestStop", false },
                { ":1.3", "org.freedesktop.systemd1.Unit", "RequestStop", false },
                { ":1.3", "org.freedesktop.systemd1.Scope", "RequestStart", false },
        };
        static const size_t steps[] = { 1, 7, 4096 };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (size_t j = 0; j < ELEMENTSOF(steps) * 2; j++) {
                        BusWatch watch = { .manager = MANAGER };
                        Writer w = { .swapped = j % 2 };

                        put_signal(&w, "org.freedesktop.DBus", "org.freedesktop.DBus",
                                   "NameAcquired", (char *[]){ (char *) ":1.9", NULL });
                        put_signal(&w, rows[i].sender, rows[i].interface, rows[i].member, NULL);
                        CHECK_EQ(hear(&w, &watch, steps[j / 2]), rows[i].stop, "row %zu/%zu", i, j);
                }
}

/* The service manager has a new name after it was executed anew; nobody else can say so. */
static void test_new_manager(void **state) {
        static const struct {
                const char *sender, *name;
                uint64_t manager;
        } rows[] = {
                { "org.freedesktop.DBus", "org.freedesktop.systemd1", 77 },
                { "org.freedesktop.DBus", "org.freedesktop.login1", MANAGER },
                { ":1.5", "org.freedesktop.systemd1", MANAGER },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                BusWatch watch = { .manager = MANAGER };
                Writer w = { .swapped = i % 2 };

                put_signal(&w, rows[i].sender, "org.freedesktop.DBus", "NameOwnerChanged",
                           (char *[]){ (char *) rows[i].name, (char *) "", (char *) ":1.77",
                                       NULL });
                assert_false(hear(&w, &watch, 4096));
                CHECK_EQ(watch.manager, rows[i].manager, "row %zu", i);
        }
}

/* Long messages are passed over, and what follows them is heard. */
static void test_long(void **state) {
        _cleanup_free_ char *text = calloc(1, 20000);
        BusWatch watch = { .manager = MANAGER };
        Writer w = {};

        memset(text, 'x', 19999);
        put_signal(&w, ":1.3", "a.b", "C", (char *[]){ text, NULL });
        put_signal(&w, ":1.3", "org.freedesktop.systemd1.Scope", "RequestStop", NULL);
        assert_true(hear(&w, &watch, 4096));
}

static void test_nonsense(void **state) {
        BusWatch watch = { .manager = MANAGER };
        Writer w = {};

        put(&w, "this is not a message of the bus", 32);
        assert_false(hear(&w, &watch, 4096));
        assert_true(watch.fd < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stop),
                cmocka_unit_test(test_new_manager),
                cmocka_unit_test(test_long),
                cmocka_unit_test(test_nonsense),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
