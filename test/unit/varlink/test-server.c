/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "varlink/server.h"

static VarlinkLink *waiting; /* the call of Wait() */
static unsigned n_gone;

static int echo(VarlinkLink *link, void *parameters, Error *e) {
        return varlink_reply(link, "{\"echo\":1}");
}

static int refuse(VarlinkLink *link, void *parameters, Error *e) {
        return error_set(e, EBUSY, "busy");
}

static int count(VarlinkLink *link, void *parameters, Error *e) {
        assert_int_equal(varlink_continue(link, "{\"n\":1}"), 0);
        return varlink_reply(link, "{\"n\":2}");
}

static int wait_for_it(VarlinkLink *link, void *parameters, Error *e) {
        waiting = link;
        return 0;
}

static int give(VarlinkLink *link, void *parameters, Error *e) {
        return varlink_reply_fd(link, NULL, STDIN_FILENO);
}

static const VarlinkMethod methods[] = {
        { "Echo", NULL, echo, false },  { "Fail", NULL, refuse, false },
        { "Count", NULL, count, true }, { "Wait", NULL, wait_for_it, false },
        { "Give", NULL, give, false },
};
static const VarlinkInterface interface = { "t.t", "interface t.t\n", methods,
                                            ELEMENTSOF(methods) };
static const VarlinkInterface *const interfaces[] = { &interface, NULL };

static void on_fail(VarlinkLink *link, int r, const Error *e) {
        assert_int_equal(r, -EBUSY);
        (void) varlink_error(link, "t.t.Busy", NULL);
}

static void on_gone(VarlinkLink *link) {
        n_gone++;
}

static const VarlinkService service = { "v", "p", "1", "u", interfaces, on_fail, on_gone };

typedef struct Bed {
        sd_event *event;
        VarlinkServer *server;
        int fd; /* the client's end */
} Bed;

static void bed_done(Bed *b) {
        fd_close(b->fd);
        varlink_server_free(b->server);
        sd_event_unref(b->event);
}

static int connect_one(Bed *b) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        int r = varlink_server_add(b->server, fds[1]);
        if (r < 0) {
                fd_close(fds[0]);
                fd_close(fds[1]);
                return r;
        }
        return fds[0];
}

static Bed bed(void) {
        Bed b = { .fd = -EBADF };

        n_gone = 0;
        waiting = NULL;
        assert_true(sd_event_new(&b.event) >= 0);
        assert_int_equal(varlink_server_new(b.event, &service, NULL, &b.server), 0);
        b.fd = connect_one(&b);
        assert_true(b.fd >= 0);
        return b;
}

static void turn(Bed *b) {
        for (unsigned i = 0; i < 50; i++)
                assert_true(sd_event_run(b->event, 0) >= 0);
}

/* All that was answered, with '|' where a message ends. */
static const char *ask(Bed *b, const char *text, size_t n) {
        static char answer[4096];

        assert_true(send(b->fd, text, n, MSG_NOSIGNAL) == (ssize_t) n);
        turn(b);
        ssize_t got = recv(b->fd, answer, sizeof answer - 1, MSG_DONTWAIT);
        if (got < 0)
                return "";
        for (ssize_t i = 0; i < got; i++)
                if (answer[i] == '\0')
                        answer[i] = '|';
        answer[got] = '\0';
        return got == 0 ? "closed" : answer;
}
#define ASK(bed, text) ask(bed, text, sizeof(text)) /* with its NUL */

static void test_answers(void **state) {
        static const struct {
                const char *call, *answer;
        } rows[] = {
                { "{\"method\":\"t.t.Echo\"}", "{\"parameters\":{\"echo\":1}}|" },
                { "{\"method\":\"t.t.Echo\",\"oneway\":true}", "" },
                { "{\"method\":\"t.t.Fail\"}", "{\"parameters\":{},\"error\":\"t.t.Busy\"}|" },
                { "{\"method\":\"t.t.Count\",\"more\":true}",
                  "{\"parameters\":{\"n\":1},\"continues\":true}|{\"parameters\":{\"n\":2}}|" },
                { "{\"method\":\"t.t.Count\"}",
                  "{\"parameters\":{},\"error\":\"org.varlink.service.ExpectedMore\"}|" },
                { "{\"method\":\"t.t.None\"}",
                  "{\"parameters\":{\"method\":\"t.t.None\"},\"error\":\"org.varlink.service.MethodNotFound\"}|" },
                { "{\"method\":\"x.None\"}",
                  "{\"parameters\":{\"interface\":\"x\"},\"error\":\"org.varlink.service.InterfaceNotFound\"}|" },
                { "{\"method\":\"t.t.Echo\",\"upgrade\":true}",
                  "{\"parameters\":{\"method\":\"t.t.Echo\"},"
                  "\"error\":\"org.varlink.service.MethodNotImplemented\"}|" },
                { "{\"method\":\"t.t.Echo\",\"parameters\":{\"a\":1}}",
                  "{\"parameters\":{\"parameter\":\"a\",\"message\":\"a: no such parameter\"},"
                  "\"error\":\"org.varlink.service.InvalidParameter\"}|" },
                { "{\"method\":\"org.varlink.service.GetInfo\"}",
                  "{\"parameters\":{\"vendor\":\"v\",\"product\":\"p\",\"version\":\"1\",\"url\":\"u\","
                  "\"interfaces\":[\"org.varlink.service\",\"t.t\"]}}|" },
                { "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
                  "\"parameters\":{\"interface\":\"t.t\"}}",
                  "{\"parameters\":{\"description\":\"interface t.t\\n\"}}|" },
                { "rubbish", "closed" },
        };
        _cleanup_(bed_done) Bed b = bed();

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_STR(ask(&b, rows[i].call, strlen(rows[i].call) + 1), rows[i].answer,
                          "row %zu", i);
        CHECK_EQ(n_gone, 1, "connections that are gone");
}

static void test_pieces_and_pipelines(void **state) {
        _cleanup_(bed_done) Bed b = bed();

        CHECK_STR(ask(&b, "{\"method\":\"t.t", 14), "", "a piece");
        CHECK_STR(ask(&b, ".Echo\"}\0{\"method\":\"t.t.Fail\"}", 29),
                  "{\"parameters\":{\"echo\":1}}|", "the rest, and another but for its end");
        CHECK_STR(ask(&b, "", 1), "{\"parameters\":{},\"error\":\"t.t.Busy\"}|", "its end");
}

static void test_calls_wait_for_each_other(void **state) {
        _cleanup_(bed_done) Bed b = bed();

        CHECK_STR(ASK(&b, "{\"method\":\"t.t.Wait\"}"), "", "waits");
        assert_non_null(waiting);
        CHECK_STR(ASK(&b, "{\"method\":\"t.t.Echo\"}"), "", "behind it");
        assert_int_equal(varlink_reply(waiting, "{\"w\":1}"), 0);
        assert_int_equal(varlink_reply(waiting, NULL), -EALREADY);
        CHECK_STR(ask(&b, "", 0), "{\"parameters\":{\"w\":1}}|{\"parameters\":{\"echo\":1}}|",
                  "both");
}

static void test_caller_goes(void **state) {
        _cleanup_(bed_done) Bed b = bed();

        CHECK_STR(ASK(&b, "{\"method\":\"t.t.Wait\"}"), "", "waits");
        b.fd = fd_close(b.fd);
        turn(&b);
        CHECK_EQ(n_gone, 1, "the call is dropped with its connection");
}

static void test_descriptors(void **state) {
        _cleanup_(bed_done) Bed b = bed();
        char text[64];
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        struct iovec iov = { text, sizeof text };
        struct msghdr m = { .msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control };

        assert_true(send(b.fd, "{\"method\":\"t.t.Give\"}", 22, 0) == 22);
        turn(&b);
        assert_true(recvmsg(b.fd, &m, MSG_CMSG_CLOEXEC) == 18);
        const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        int fd = -EBADF;
        if (!c || c->cmsg_type != SCM_RIGHTS) {
                fail_msg("no descriptor came");
                return;
        }
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        assert_true(fd > STDIN_FILENO);
        fd_close(fd);
}

static void test_limits(void **state) {
        _cleanup_(bed_done) Bed b = bed();
        static char junk[64 * 1024];
        struct rlimit limit;
        unsigned n = 0;

        memset(junk, ' ', sizeof junk);
        for (size_t i = 0; i < 2 * VARLINK_MESSAGE_MAX / sizeof junk; i++) {
                if (send(b.fd, junk, sizeof junk, MSG_NOSIGNAL) < 0)
                        break;
                turn(&b);
        }
        CHECK_EQ(n_gone, 1, "who sends too much");

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (limit.rlim_cur < 3 * VARLINK_LINKS_MAX)
                skip();
        for (int fd = 0; fd >= 0; n++) {
                fd = connect_one(&b);
                fd_close(fd);
        }
        CHECK_EQ(n - 1, getuid() == 0 ? VARLINK_LINKS_MAX : VARLINK_LINKS_PER_USER_MAX,
                 "connections");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_pieces_and_pipelines),
                cmocka_unit_test(test_calls_wait_for_each_other),
                cmocka_unit_test(test_caller_goes),
                cmocka_unit_test(test_descriptors),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
