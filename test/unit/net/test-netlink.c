/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that the kernel answers, and one that it does not. */
#include "net/netlink.h"

#include <sys/socket.h>

#include "base/fd.h"
#include "check.h"

/* Asks for the loopback interface. */
static int ask(int sock, void *answer, size_t n) {
        const struct ifinfomsg header = { .ifi_index = 1 };
        NetlinkRequest q;

        netlink_request_init(&q, RTM_GETLINK, 0, &header, sizeof header);
        return netlink_ask(sock, &q, answer, n, sizeof header);
}

static void test_answers(void **state) {
        _cleanup_fd_ int sock = netlink_open();
        _Alignas(struct nlmsghdr) char answer[16 * 1024];
        const struct ifinfomsg nobody = { .ifi_index = INT32_MAX };
        NetlinkRequest q;

        CHECK_EQ(sock >= 0, true, "a socket");
        CHECK_EQ(ask(sock, answer, sizeof answer), 0, "loopback");
        CHECK_STR(netlink_string((void *) answer, sizeof(struct ifinfomsg), IFLA_IFNAME), "lo",
                  "its name");
        netlink_request_init(&q, RTM_GETLINK, 0, &nobody, sizeof nobody);
        CHECK_EQ(netlink_ask(sock, &q, answer, sizeof answer, sizeof nobody), -ENODEV,
                 "no such link");
        CHECK_EQ(ask(sock, answer, 64), -EBADMSG, "longer than there is room");
        CHECK_EQ(ask(sock, answer, sizeof answer), 0, "after that");
}

/* The kernel takes this type, and acknowledges it only to who asks for that. */
static void test_none(void **state) {
        _cleanup_fd_ int sock = netlink_open();
        _Alignas(struct nlmsghdr) char answer[16 * 1024];
        const struct ifinfomsg header = {};
        NetlinkRequest q;

        netlink_request_init(&q, NLMSG_NOOP, 0, &header, sizeof header);
        CHECK_EQ(netlink_ask(sock, &q, answer, sizeof answer, sizeof header), -ETIMEDOUT,
                 "no answer");
        CHECK_EQ(ask(sock, answer, sizeof answer), 0, "the next is answered");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),
                cmocka_unit_test(test_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
