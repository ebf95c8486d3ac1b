/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests to the kernel's routing netlink, see netlink.h. A start makes three or four of them, so this
 * is no library: no dumps, no multi-part answers, no events. */
#include "spawn/netlink.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

int netlink_open(void) {
        const int on = 1;
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        if (fd < 0)
                return -errno;
        /* Errors in words, and without the request copied back. Kernels that know neither still work. */
        (void) setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
        (void) setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
        return TAKE_FD(fd);
}

/* Room for @n bytes at the end of the request, aligned and zeroed; NULL when it is full. */
static void *extend(NetlinkRequest *q, size_t n) {
        size_t at = NLMSG_ALIGN(q->header.nlmsg_len);

        if (q->too_long || n > sizeof q->bytes || at + NLMSG_ALIGN(n) > sizeof q->bytes) {
                q->too_long = true;
                return NULL;
        }
        q->header.nlmsg_len = (uint32_t) (at + n);
        return q->bytes + at;
}

void netlink_request_init(NetlinkRequest *q, uint16_t type, uint16_t flags, int index) {
        memset(q, 0, sizeof *q);
        q->header.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg));
        q->header.nlmsg_type = type;
        q->header.nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags);
        netlink_link(q)->ifi_index = index;
}

struct ifinfomsg *netlink_link(NetlinkRequest *q) {
        return NLMSG_DATA(&q->header);
}

void netlink_put(NetlinkRequest *q, uint16_t type, const void *data, size_t n) {
        struct rtattr *a = extend(q, RTA_LENGTH(n));

        if (!a)
                return;
        a->rta_type = type;
        a->rta_len = (unsigned short) RTA_LENGTH(n);
        if (n > 0)
                memcpy(RTA_DATA(a), data, n);
}

void netlink_put_string(NetlinkRequest *q, uint16_t type, const char *s) {
        netlink_put(q, type, s, strlen(s) + 1);
}

size_t netlink_nest(NetlinkRequest *q, uint16_t type) {
        size_t at = NLMSG_ALIGN(q->header.nlmsg_len);

        netlink_put(q, type, NULL, 0);
        return at;
}

void netlink_unnest(NetlinkRequest *q, size_t at) {
        if (!q->too_long)
                ((struct rtattr *) (q->bytes + at))
                        ->rta_len = (unsigned short) (q->header.nlmsg_len - at);
}

void netlink_put_zero(NetlinkRequest *q, size_t n) {
        (void) extend(q, n);
}

static int send_request(int sock, NetlinkRequest *q) {
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        ssize_t n;

        if (q->too_long)
                return -E2BIG;
        q->header.nlmsg_seq++;
        do
                n = sendto(sock, q->bytes, q->header.nlmsg_len, 0, (struct sockaddr *) &kernel,
                           sizeof kernel);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

static int receive(int sock, void *buffer, size_t n) {
        ssize_t got;

        do
                got = recv(sock, buffer, n, MSG_TRUNC);
        while (got < 0 && errno == EINTR);
        if (got < 0)
                return -errno;
        return (size_t) got > n || !NLMSG_OK((struct nlmsghdr *) buffer, (uint32_t) got) ? -EBADMSG
                                                                                         : 0;
}

/* The sentence that some of the kernel's refusals come with. */
static const char *kernel_words(const struct nlmsghdr *h) {
        const struct nlmsgerr *error = NLMSG_DATA(h);
        size_t skip = NLMSG_ALIGN(sizeof *error);

        if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
                return NULL;
        if (!(h->nlmsg_flags & NLM_F_CAPPED))
                skip += NLMSG_ALIGN(error->msg.nlmsg_len - sizeof error->msg);
        if (NLMSG_LENGTH(skip) > h->nlmsg_len)
                return NULL;

        const struct rtattr *a = (const void *) ((const char *) error + skip);
        size_t left = h->nlmsg_len - NLMSG_LENGTH(skip);
        for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
                if ((a->rta_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG && RTA_PAYLOAD(a) > 0 &&
                    !((const char *) RTA_DATA(a))[RTA_PAYLOAD(a) - 1])
                        return RTA_DATA(a);
        return NULL;
}

int netlink_call(int sock, NetlinkRequest *q, Error *e) {
        union {
                struct nlmsghdr header;
                char bytes[4096];
        } answer;
        int r = send_request(sock, q);

        if (r >= 0)
                r = receive(sock, &answer, sizeof answer);
        if (r < 0)
                return error_set(e, r, "cannot talk to the kernel over netlink: %m");

        const struct nlmsgerr *error = NLMSG_DATA(&answer.header);
        if (answer.header.nlmsg_type != NLMSG_ERROR ||
            answer.header.nlmsg_len < NLMSG_LENGTH(sizeof *error))
                return error_set(e, EBADMSG, "the kernel's answer over netlink makes no sense");
        if (error->error == 0)
                return 0;

        const char *words = kernel_words(&answer.header);
        return words ? error_set(e, error->error, "%m (%s)", words)
                     : error_set(e, error->error, "%m");
}

int netlink_get_link(int sock, NetlinkRequest *q, void *answer, size_t n) {
        const struct nlmsghdr *h = answer;
        int r;

        q->header.nlmsg_flags =
                NLM_F_REQUEST; /* the answer is enough, no acknowledgement after it */
        r = send_request(sock, q);
        if (r < 0)
                return r;
        r = receive(sock, answer, n);
        if (r < 0)
                return r;
        if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
                return ((const struct nlmsgerr *) NLMSG_DATA(h))->error;
        if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
                return -EBADMSG;
        return 0;
}

const struct rtattr *netlink_find(const void *answer, uint16_t type) {
        const struct nlmsghdr *h = answer;
        const struct rtattr *a = IFLA_RTA(NLMSG_DATA(h));
        size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(struct ifinfomsg));

        for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
                if ((a->rta_type & NLA_TYPE_MASK) == type)
                        return a;
        return NULL;
}
