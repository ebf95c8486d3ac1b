/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers past the library, see wire.h. Only what has the whole of its room in the socket is sent, so no
 * message is ever cut short where the library would go on with one of its own. */
#include "bus/wire.h"

#include <endian.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/text.h"

#define FIRST_SIZE 4096

/* What the specification allows, and less than what any bus does. */
#define ARRAY_MAX ((size_t) 1 << 26)

enum {
        TYPE_RETURN = 2,
        FLAG_NO_REPLY = 1,
        VERSION = 1,
        FIELD_REPLY_SERIAL = 5,
        FIELD_DESTINATION = 6,
        FIELD_SIGNATURE = 8,
};

void wire_done(Wire *w) {
        free(w->p);
        *w = (Wire){};
}

void wire_clear(Wire *w) {
        w->n = 0;
        w->failed = false;
}

static bool reserve(Wire *w, size_t n) {
        if (w->failed || w->size - w->n >= n)
                return !w->failed;

        size_t size = w->size ? w->size * 2 : FIRST_SIZE;
        while (size - w->n < n)
                size *= 2;
        char *p = size > ARRAY_MAX ? NULL : realloc(w->p, size);
        w->failed = !p;
        if (!p)
                return false;
        w->p = p;
        w->size = size;
        return true;
}

static void align(Wire *w, size_t to) {
        size_t n = (to - w->n % to) % to;

        if (n == 0 || !reserve(w, n))
                return;
        memset(w->p + w->n, 0, n);
        w->n += n;
}

static void add(Wire *w, const void *data, size_t n) {
        if (n == 0 || !reserve(w, n))
                return;
        memcpy(w->p + w->n, data, n);
        w->n += n;
}

void wire_number(Wire *w, uint32_t v) {
        align(w, sizeof v);
        add(w, &v, sizeof v);
}

void wire_text(Wire *w, const char *s) {
        size_t n = s ? strlen(s) : 0;

        if (!reserve(w, 2 * sizeof(uint32_t) + n))
                return;
        wire_number(w, (uint32_t) n);
        add(w, s ? s : "", n + 1);
}

void wire_struct(Wire *w) {
        align(w, 8);
}

size_t wire_open_array(Wire *w, size_t alignment) {
        wire_number(w, 0);
        size_t opened = w->n;
        align(w, alignment);
        return opened;
}

/* What is between the length and the first element does not count. */
void wire_close_array(Wire *w, size_t opened, size_t alignment) {
        uint32_t n = (uint32_t) (w->n - (opened + (alignment - opened % alignment) % alignment));

        if (!w->failed)
                memcpy(w->p + opened - sizeof n, &n, sizeof n);
}

static void signature(Wire *w, const char *types) {
        uint8_t n = (uint8_t) strlen(types);

        add(w, &n, 1);
        add(w, types, n + 1u);
}

static void field(Wire *w, uint8_t code, const char *type) {
        wire_struct(w);
        add(w, &code, 1);
        signature(w, type);
}

static int write_head(Wire *w, sd_bus_message *call, const char *types, size_t n_body) {
        const char first[] = { __BYTE_ORDER == __LITTLE_ENDIAN ? 'l' : 'B', TYPE_RETURN,
                               FLAG_NO_REPLY, VERSION };
        const char *sender = sd_bus_message_get_sender(call);
        uint64_t cookie;
        int r = sd_bus_message_get_cookie(call, &cookie);

        if (r < 0)
                return r;
        add(w, first, sizeof first);
        wire_number(w, (uint32_t) n_body);
        /* Nobody answers an answer, so its own number is of no use; the library counts up from one. */
        wire_number(w, UINT32_MAX);
        size_t fields = wire_open_array(w, 8);
        field(w, FIELD_REPLY_SERIAL, "u");
        wire_number(w, (uint32_t) cookie);
        if (sender) {
                field(w, FIELD_DESTINATION, "s");
                wire_text(w, sender);
        }
        field(w, FIELD_SIGNATURE, "g");
        signature(w, types);
        wire_close_array(w, fields, 8);
        align(w, 8);
        return w->failed ? -ENOMEM : 0;
}

/* The kernel counts pages and its own records against the limit too, so twice the size is asked for. */
static bool has_room(int fd, size_t n) {
        int queued, limit;
        socklen_t length = sizeof limit;

        return ioctl(fd, SIOCOUTQ, &queued) >= 0 &&
               getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &limit, &length) >= 0 &&
               (size_t) queued + 2 * n < (size_t) limit;
}

int wire_reply(sd_bus_message *call, const char *types, const Wire *w) {
        _cleanup_(wire_done) Wire head = {};
        sd_bus *bus = sd_bus_message_get_bus(call);
        int fd = sd_bus_get_fd(bus), events = sd_bus_get_events(bus);

        if (w->failed)
                return -ENOMEM;
        if (sd_bus_message_get_expect_reply(call) == 0)
                return 1;
        if (fd < 0 || events < 0 || events & POLLOUT)
                return 0;
        int r = write_head(&head, call, types, w->n);
        if (r < 0)
                return r;
        if (!has_room(fd, head.n + w->n))
                return 0;

        struct iovec parts[] = { { head.p, head.n }, { w->p, w->n } };
        const struct msghdr m = { .msg_iov = parts, .msg_iovlen = ELEMENTSOF(parts) };
        ssize_t n = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if ((size_t) n < head.n + w->n) {
                /* Not to be mended, and the kernel had said that there is room. The loop ends with the
                 * connection, and who serves the bus is started again. */
                (void) shutdown(fd, SHUT_RDWR);
                return -ECONNRESET;
        }
        return 1;
}
