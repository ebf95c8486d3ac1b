/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests to the kernel's routing netlink, see netlink.h. A start makes three or four of them, so this
 * is no library: one request is out at a time, and there are no events. */
#include "net/netlink.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

/* The answer, or its first part, is there when a request has been sent. This is for a kernel that is not ours. */
#define ANSWER_MSEC 2000

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
        size_t at = NLMSG_ALIGN(q->n);

        if (q->too_long || n > sizeof q->bytes || at + NLMSG_ALIGN(n) > sizeof q->bytes) {
                q->too_long = true;
                return NULL;
        }
        q->n = at + n;
        return q->bytes + at;
}

void netlink_request_init(NetlinkRequest *q, uint16_t type, uint16_t flags, const void *header,
                          size_t n) {
        memset(q, 0, sizeof *q);
        q->n = NLMSG_HDRLEN;
        q->header.nlmsg_type = type;
        q->header.nlmsg_flags = (uint16_t) (NLM_F_REQUEST | NLM_F_ACK | flags);
        netlink_put_header(q, header, n);
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

void netlink_put_u32(NetlinkRequest *q, uint16_t type, uint32_t value) {
        netlink_put(q, type, &value, sizeof value);
}

void netlink_put_string(NetlinkRequest *q, uint16_t type, const char *s) {
        netlink_put(q, type, s, strlen(s) + 1);
}

size_t netlink_nest(NetlinkRequest *q, uint16_t type) {
        size_t at = NLMSG_ALIGN(q->n);

        netlink_put(q, type, NULL, 0);
        return at;
}

void netlink_unnest(NetlinkRequest *q, size_t at) {
        if (!q->too_long)
                ((struct rtattr *) (q->bytes + at))->rta_len = (unsigned short) (q->n - at);
}

void netlink_put_header(NetlinkRequest *q, const void *header, size_t n) {
        void *p = extend(q, n);

        if (p && header && n > 0)
                memcpy(p, header, n);
}

static int send_request(int sock, NetlinkRequest *q) {
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        ssize_t n;

        if (q->too_long)
                return -E2BIG;
        /* No number that a request of somebody else who had this socket before us can have had. */
        q->header.nlmsg_seq = (uint32_t) now_usec();
        q->header.nlmsg_len = (uint32_t) q->n;
        do
                n = sendto(sock, q->bytes, q->n, 0, (struct sockaddr *) &kernel, sizeof kernel);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

/* One datagram. Who waited for an answer that is lost would wait for ever.
 * Return: how many bytes came, which may be more than @n; -errno, -ETIMEDOUT among them. */
static ssize_t receive_one(int sock, void *buffer, size_t n, struct sockaddr_nl *from) {
        struct pollfd answer = { .fd = sock, .events = POLLIN };
        socklen_t size = sizeof *from;
        ssize_t got;

        while ((got = recvfrom(sock, buffer, n, MSG_TRUNC | MSG_DONTWAIT, (struct sockaddr *) from,
                               &size)) < 0 &&
               (errno == EINTR || errno == EAGAIN))
                if (errno == EAGAIN && poll(&answer, 1, ANSWER_MSEC) == 0)
                        return -ETIMEDOUT;
        return got < 0 ? -errno : got;
}

/* Takes the next part of the answer to @q, and passes over what is left of answers that nobody took: whoever
 * asked was killed, or the kernel had no memory; and what does not come from the kernel: in a namespace of a
 * machine's, its root may send to our socket as well. Return: how many bytes came; -errno. */
static ssize_t receive(int sock, const NetlinkRequest *q, void *buffer, size_t n) {
        const struct nlmsghdr *h = buffer;
        struct sockaddr_nl from = { .nl_pid = 0 };
        ssize_t got;

        do
                got = receive_one(sock, buffer, n, &from);
        while ((got >= 0 && from.nl_pid != 0) ||
               (got >= (ssize_t) sizeof *h && h->nlmsg_seq != q->header.nlmsg_seq));
        if (got < 0)
                return got;
        return (size_t) got > n || !NLMSG_OK(h, (uint32_t) got) ? -EBADMSG : got;
}

/* What a message says that is none but the end of an exchange. Return: 0 or -errno. */
static int error_of(const struct nlmsghdr *h) {
        if (h->nlmsg_len < NLMSG_LENGTH(sizeof(int)))
                return -EBADMSG;
        return *(const int *) NLMSG_DATA(h);
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
                r = (int) receive(sock, q, &answer, sizeof answer);
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

int netlink_ask(int sock, NetlinkRequest *q, void *answer, size_t n, size_t header) {
        const struct nlmsghdr *h = answer;
        int r;

        q->header.nlmsg_flags &=
                (uint16_t) ~NLM_F_ACK; /* the answer is enough, no acknowledgement after it */
        r = send_request(sock, q);
        if (r >= 0)
                r = (int) receive(sock, q, answer, n);
        if (r < 0)
                return r;
        if (h->nlmsg_type == NLMSG_ERROR)
                r = error_of(h);
        return r < 0                                                                 ? r
               : h->nlmsg_type == NLMSG_ERROR || h->nlmsg_len < NLMSG_LENGTH(header) ? -EBADMSG
                                                                                     : 0;
}

typedef struct Dump {
        size_t header;
        NetlinkEach each;
        void *data;
        int result; /* of the first that did not return 0; nothing is handed out after that */
} Dump;

/* Goes through what came at once. Return: 1 that was the last of it; 0 there is more; -errno. */
static int take_part(const struct nlmsghdr *h, size_t n, Dump *d) {
        for (; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
                if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
                        int r = error_of(h);
                        return r < 0 ? r : 1;
                }
                if (d->result == 0 && h->nlmsg_len >= NLMSG_SPACE(d->header))
                        d->result = d->each(h, d->data);
        }
        return 0;
}

int netlink_dump(int sock, NetlinkRequest *q, size_t header, NetlinkEach each, void *data) {
        const size_t size = 64 * 1024;
        _cleanup_free_ void *buffer = malloc(size);
        Dump d = { .header = header, .each = each, .data = data };
        int r;

        if (!buffer)
                return -ENOMEM;
        q->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        r = send_request(sock, q);
        /* To its end, or the next answer on the socket would be one to this. */
        while (r == 0) {
                ssize_t n = receive(sock, q, buffer, size);
                r = n < 0 ? (int) n : take_part(buffer, (size_t) n, &d);
        }
        return r < 0 ? r : d.result;
}

const struct rtattr *netlink_find(const struct nlmsghdr *message, size_t header, uint16_t type) {
        const struct rtattr *a = (const void *) ((const char *) NLMSG_DATA(message) +
                                                 NLMSG_ALIGN(header));
        size_t left = message->nlmsg_len - NLMSG_SPACE(header);

        if (message->nlmsg_len < NLMSG_SPACE(header))
                return NULL;
        for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
                if ((a->rta_type & NLA_TYPE_MASK) == type)
                        return a;
        return NULL;
}

const char *netlink_string(const struct nlmsghdr *message, size_t header, uint16_t type) {
        const struct rtattr *a = netlink_find(message, header, type);

        return a && RTA_PAYLOAD(a) > 0 && !((const char *) RTA_DATA(a))[RTA_PAYLOAD(a) - 1]
                       ? RTA_DATA(a)
                       : NULL;
}

uint32_t netlink_u32(const struct nlmsghdr *message, size_t header, uint16_t type) {
        const struct rtattr *a = netlink_find(message, header, type);
        uint32_t v = 0;

        if (a && RTA_PAYLOAD(a) == sizeof v)
                memcpy(&v, RTA_DATA(a), sizeof v);
        return v;
}
