/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "bus/wire.h"

#define ROWS 300

typedef struct Bed {
        sd_bus *client, *server;
        size_t rows; /* to answer with */
        int sent;    /* what came of it */
        sd_bus_message *reply;
} Bed;

static const char *text_of(size_t row) {
        static const char text[] = "abcdefgh";

        return text + row % (sizeof text);
}

static void write_rows(Wire *w, size_t n) {
        size_t list = wire_open_array(w, 8);

        for (size_t i = 0; i < n; i++) {
                wire_struct(w);
                wire_text(w, text_of(i));
                wire_number(w, (uint32_t) i);
                wire_text(w, i % 2 ? "/org/example" : "/");
        }
        wire_close_array(w, list, 8);
}

static int on_call(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        _cleanup_(wire_done) Wire w = {};
        Bed *bed = userdata;

        if (!sd_bus_message_is_method_call(call, NULL, "List"))
                return 0;
        write_rows(&w, bed->rows);
        bed->sent = wire_reply(call, "a(suo)", &w);
        return bed->sent == 0 ? sd_bus_reply_method_return(call, "s", "by the library") : 1;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        ((Bed *) userdata)->reply = sd_bus_message_ref(reply);
        return 1;
}

static int setup(void **state) {
        Bed *bed = calloc(1, sizeof *bed);
        sd_id128_t id = {};
        int pair[2];

        assert_non_null(bed);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                         0);
        assert_return_code(sd_bus_new(&bed->client), 0);
        assert_return_code(sd_bus_new(&bed->server), 0);
        assert_return_code(sd_bus_set_fd(bed->client, pair[0], pair[0]), 0);
        assert_return_code(sd_bus_set_fd(bed->server, pair[1], pair[1]), 0);
        assert_return_code(sd_bus_set_server(bed->server, true, id), 0);
        assert_return_code(sd_bus_set_anonymous(bed->client, true), 0);
        assert_return_code(sd_bus_set_anonymous(bed->server, true), 0);
        assert_return_code(sd_bus_add_filter(bed->server, NULL, on_call, bed), 0);
        assert_return_code(sd_bus_start(bed->client), 0);
        assert_return_code(sd_bus_start(bed->server), 0);
        *state = bed;
        return 0;
}

static int teardown(void **state) {
        Bed *bed = *state;

        sd_bus_message_unref(bed->reply);
        sd_bus_close_unref(bed->client);
        sd_bus_close_unref(bed->server);
        free(bed);
        return 0;
}

static void call(Bed *bed, const char *member) {
        bed->reply = sd_bus_message_unref(bed->reply);
        assert_return_code(sd_bus_call_method_async(bed->client, NULL, NULL, "/", NULL, member,
                                                    on_reply, bed, NULL),
                           0);
        for (unsigned i = 0; i < 100000 && !bed->reply; i++) {
                assert_return_code(sd_bus_process(bed->client, NULL), 0);
                assert_return_code(sd_bus_process(bed->server, NULL), 0);
        }
        assert_non_null(bed->reply);
}

static void test_what_was_written_can_be_read(void **state) {
        static const size_t numbers[] = { 0, 1, 2, ROWS };
        Bed *bed = *state;

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                const char *text, *path;
                uint32_t number, n = 0;

                bed->rows = numbers[i];
                call(bed, "List");
                CHECK_EQ(bed->sent, 1, "%zu rows", bed->rows);
                assert_false(sd_bus_message_is_method_error(bed->reply, NULL));
                assert_true(sd_bus_message_has_signature(bed->reply, "a(suo)"));
                assert_return_code(sd_bus_message_enter_container(bed->reply, 'a', "(suo)"), 0);
                while (sd_bus_message_read(bed->reply, "(suo)", &text, &number, &path) > 0) {
                        CHECK_STR(text, text_of(n), "row %u", n);
                        CHECK_EQ(number, n, "row %u", n);
                        CHECK_STR(path, n % 2 ? "/org/example" : "/", "row %u", n);
                        n++;
                }
                CHECK_EQ(n, bed->rows, "all rows");
        }
        /* The library goes on as if it had sent them. */
        call(bed, "Ping");
        assert_true(sd_bus_message_is_method_error(bed->reply, NULL));
}

/* Too much for the socket at once: not a byte of it is sent. */
static void test_the_library_answers_where_there_is_no_room(void **state) {
        Bed *bed = *state;
        const char *text = NULL;
        int fd = sd_bus_get_fd(bed->server), small = 1;

        bed->rows = ROWS;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
        call(bed, "List");
        CHECK_EQ(bed->sent, 0, "the socket is small");
        assert_return_code(sd_bus_message_read(bed->reply, "s", &text), 0);
        CHECK_STR(text, "by the library", "the answer");
}

static void test_who_waits_for_nothing_gets_nothing(void **state) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Bed *bed = *state;

        bed->rows = 1;
        bed->sent = -1;
        call(bed, "Ping");
        assert_return_code(sd_bus_message_new_method_call(bed->client, &m, NULL, "/", NULL, "List"),
                           0);
        assert_return_code(sd_bus_message_set_expect_reply(m, false), 0);
        assert_return_code(sd_bus_send(bed->client, m, NULL), 0);
        call(bed, "Ping");
        CHECK_EQ(bed->sent, 1, "called");
        assert_true(sd_bus_message_is_method_error(bed->reply, NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_was_written_can_be_read, setup, teardown),
                cmocka_unit_test_setup_teardown(test_the_library_answers_where_there_is_no_room,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_who_waits_for_nothing_gets_nothing, setup,
                                                teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
