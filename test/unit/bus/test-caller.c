/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One end is the service; the other plays the bus, which says who calls when it feels like it. */
#include "check.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "base/text.h"
#include "bus/caller.h"

typedef struct Bed {
        sd_bus *service, *bus;
        Callers *callers;
        sd_bus_message *question;
        unsigned n_questions;
        Buf log; /* what was answered, in its order */
        uid_t uid;
        pid_t pid;
} Bed;

/* The service: "Who" wants to know who calls, "What" does not. */
static int on_call(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        Bed *bed = userdata;
        Error e = {};
        int r = 1;

        if (!sd_bus_message_is_method_call(call, "org.example", NULL))
                return 0;
        if (streq(sd_bus_message_get_member(call), "Who"))
                r = callers_find(bed->callers, call, &bed->uid, &bed->pid, &e);
        if (r < 0)
                return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "%s", e.text);
        return r == 0 ? 1 : sd_bus_reply_method_return(call, NULL);
}

static int on_question(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Bed *bed = userdata;

        if (!sd_bus_message_is_method_call(m, "org.freedesktop.DBus", "GetConnectionCredentials"))
                return 0;
        bed->n_questions++;
        bed->question = sd_bus_message_unref(bed->question);
        bed->question = sd_bus_message_ref(m);
        return 1;
}

static int setup(void **state) {
        Bed *bed = calloc(1, sizeof *bed);
        sd_id128_t id = {};
        int pair[2];

        assert_non_null(bed);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                         0);
        assert_return_code(sd_bus_new(&bed->service), 0);
        assert_return_code(sd_bus_new(&bed->bus), 0);
        assert_return_code(sd_bus_set_fd(bed->service, pair[0], pair[0]), 0);
        assert_return_code(sd_bus_set_fd(bed->bus, pair[1], pair[1]), 0);
        assert_return_code(sd_bus_set_server(bed->bus, true, id), 0);
        assert_return_code(sd_bus_set_anonymous(bed->service, true), 0);
        assert_return_code(sd_bus_set_anonymous(bed->bus, true), 0);
        assert_return_code(sd_bus_negotiate_fds(bed->service, true), 0);
        assert_return_code(sd_bus_negotiate_fds(bed->bus, true), 0);
        assert_return_code(callers_new(bed->service, &bed->callers), 0);
        assert_return_code(sd_bus_add_fallback(bed->service, NULL, "/", on_call, bed), 0);
        assert_return_code(sd_bus_add_filter(bed->bus, NULL, on_question, bed), 0);
        assert_return_code(sd_bus_start(bed->service), 0);
        assert_return_code(sd_bus_start(bed->bus), 0);
        *state = bed;
        return 0;
}

static int teardown(void **state) {
        Bed *bed = *state;

        sd_bus_message_unref(bed->question);
        (void) callers_free(bed->callers);
        sd_bus_close_unref(bed->service);
        sd_bus_close_unref(bed->bus);
        buf_done(&bed->log);
        free(bed);
        return 0;
}

typedef struct Sent {
        Bed *bed;
        const char *name;
} Sent;

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Sent *sent = userdata;
        const sd_bus_error *failed = sd_bus_message_get_error(reply);

        assert_return_code(buf_printf(&sent->bed->log, "%s%s;", sent->name,
                                      failed ? failed->message : ""),
                           0);
        return 1;
}

static void send_call(Sent *sent, const char *sender, const char *member) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;

        assert_return_code(sd_bus_message_new_method_call(sent->bed->bus, &m, NULL, "/x",
                                                          "org.example", member),
                           0);
        assert_return_code(sd_bus_message_set_sender(m, sender), 0);
        assert_return_code(sd_bus_call_async(sent->bed->bus, NULL, m, on_reply, sent, 0), 0);
}

static void run(Bed *bed) {
        for (unsigned i = 0; i < 200; i++) {
                assert_return_code(sd_bus_process(bed->service, NULL), 0);
                assert_return_code(sd_bus_process(bed->bus, NULL), 0);
        }
}

static void test_nobody_waits(void **state) {
        Bed *bed = *state;
        Sent a = { bed, "a" }, b = { bed, "b" }, c = { bed, "c" }, d = { bed, "d" };

        send_call(&a, ":1.5", "Who");
        send_call(&b, ":1.5", "What");
        send_call(&c, ":1.6", "What");
        run(bed);
        CHECK_EQ(bed->n_questions, 1, "asked about one");
        CHECK_STR(strempty(bed->log.p), "c;", "somebody else is answered meanwhile");

        assert_return_code(sd_bus_reply_method_return(bed->question, "a{sv}", 3,
                                                      "LinuxSecurityLabel", "s", "?", "UnixUserID",
                                                      "u", 1000, "ProcessID", "u", 77),
                           0);
        run(bed);
        CHECK_STR(bed->log.p, "c;a;b;", "in the order that they were sent in");
        CHECK_EQ(bed->uid, 1000, "who");
        CHECK_EQ(bed->pid, 77, "which process");

        send_call(&d, ":1.5", "Who");
        run(bed);
        CHECK_STR(bed->log.p, "c;a;b;d;", "known by now");
        CHECK_EQ(bed->n_questions, 1, "so the bus is not asked again");
}

static void test_nobody_knows(void **state) {
        Bed *bed = *state;
        Sent a = { bed, "a " }, b = { bed, "b " };

        send_call(&a, ":1.5", "Who");
        run(bed);
        assert_return_code(sd_bus_reply_method_errorf(bed->question, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                                                      "gone"),
                           0);
        run(bed);
        CHECK_STR(bed->log.p, "a cannot find out who is calling: gone;", "told so");

        /* Without a user it is nobody, and by no means root. */
        send_call(&b, ":1.5", "Who");
        run(bed);
        CHECK_EQ(bed->n_questions, 2, "asked again");
        assert_return_code(sd_bus_reply_method_return(bed->question, "a{sv}", 1, "ProcessID", "u",
                                                      77),
                           0);
        buf_done(&bed->log);
        run(bed);
        assert_ptr_equal(strstr(bed->log.p, "b cannot find out who is calling"), bed->log.p);
}

/* The connection of a process that has ended is somebody else's by now, and so may be its number. */
static void test_a_process_that_has_ended(void **state) {
        Bed *bed = *state;
        Sent a = { bed, "a " }, b = { bed, "b" };
        siginfo_t info;
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        _cleanup_fd_ int fd = proc_pidfd_open(pid);
        assert_return_code(fd, 0);
        assert_return_code(proc_wait(fd, &info), 0);
        send_call(&a, ":1.5", "Who");
        run(bed);
        assert_return_code(sd_bus_reply_method_return(bed->question, "a{sv}", 3, "UnixUserID", "u",
                                                      65533, "ProcessID", "u", pid, "ProcessFD",
                                                      "h", fd),
                           0);
        run(bed);
        CHECK_STR(bed->log.p, "a cannot find out who is calling: No such process;", "told so");

        /* Root needs nobody to be asked. */
        send_call(&b, ":1.6", "Who");
        run(bed);
        assert_return_code(sd_bus_reply_method_return(bed->question, "a{sv}", 3, "UnixUserID", "u",
                                                      0, "ProcessID", "u", pid, "ProcessFD", "h",
                                                      fd),
                           0);
        run(bed);
        assert_non_null(strstr(bed->log.p, ";b;"));
        CHECK_EQ(bed->uid, 0, "who");
        CHECK_EQ(bed->pid, 0, "no process");
}

static void test_one_caller_cannot_have_everything_kept(void **state) {
        static Sent sent[200];
        Bed *bed = *state;

        for (size_t i = 0; i < ELEMENTSOF(sent); i++) {
                sent[i] = (Sent){ bed, "x " };
                send_call(sent + i, ":1.5", i == 0 ? "Who" : "What");
                run(bed);
        }
        assert_non_null(strstr(bed->log.p, "too many calls at once"));
}

static void test_a_peer_is_known(void **state) {
        Bed *bed = *state;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Error e = {};
        uid_t uid = 0;

        assert_return_code(sd_bus_message_new_method_call(bed->bus, &m, NULL, "/", NULL, "Who"), 0);
        CHECK_EQ(callers_find(bed->callers, m, &uid, NULL, &e), -EACCES, "of nobody");
        assert_return_code(callers_add_peer(bed->callers, bed->bus, 7, 0, 0), 0);
        CHECK_EQ(callers_find(bed->callers, m, &uid, NULL, &e), 1, "of a peer");
        CHECK_EQ(uid, 7, "of a peer");
        callers_remove_peer(bed->callers, bed->bus);
        CHECK_EQ(callers_find(bed->callers, m, &uid, NULL, &e), -EACCES, "of one that has left");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_nobody_waits, setup, teardown),
                cmocka_unit_test_setup_teardown(test_nobody_knows, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_process_that_has_ended, setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_caller_cannot_have_everything_kept, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_a_peer_is_known, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
