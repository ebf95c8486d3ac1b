/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listens on the system bus, see bus-watch.h. Only what is needed of the format is read here: the names in
 * the header of a message, and the three strings by which the bus tells of a new owner of a name. Any
 * user of the host may send us signals, so the sender, which the bus vouches for, is compared. */
#include "spawn/bus-watch.h"

#include <byteswap.h>
#include <sys/socket.h>

#include "base/parse.h"
#include "base/text.h"

#define MESSAGE_MAX (128U * 1024 * 1024) /* the bus carries no longer ones */

enum { TYPE_SIGNAL = 4 };
enum { FIELD_INTERFACE = 2, FIELD_MEMBER = 3, FIELD_SENDER = 7 };

typedef struct Reader {
        const uint8_t *p;
        size_t at, n; /* at: offset from the start of the message, which alignment counts from */
        bool swapped;
} Reader;

static bool reader_align(Reader *r, size_t to) {
        r->at = (r->at + to - 1) / to * to;
        return r->at <= r->n;
}

static bool read_u8(Reader *r, uint8_t *ret) {
        if (r->at >= r->n)
                return false;
        *ret = r->p[r->at++];
        return true;
}

static bool read_u32(Reader *r, uint32_t *ret) {
        uint32_t v;

        if (!reader_align(r, 4) || r->n - r->at < 4)
                return false;
        memcpy(&v, r->p + r->at, sizeof v);
        r->at += 4;
        *ret = r->swapped ? bswap_32(v) : v;
        return true;
}

/* @n bytes and a NUL. */
static bool read_bytes(Reader *r, size_t n, const char **ret) {
        if (n >= r->n - r->at || memchr(r->p + r->at, '\0', n + 1) != r->p + r->at + n)
                return false;
        *ret = (const char *) r->p + r->at;
        r->at += n + 1;
        return true;
}

static bool read_string(Reader *r, const char **ret) {
        uint32_t n;

        return read_u32(r, &n) && read_bytes(r, n, ret);
}

static bool read_signature(Reader *r, const char **ret) {
        uint8_t n;

        return read_u8(r, &n) && read_bytes(r, n, ret);
}

/* One field: its code, and a variant that is a string, an object path, a signature or a number. */
static bool read_field(Reader *r, BusMessage *m) {
        const char *type, *text = NULL;
        uint32_t number;
        uint8_t code;

        if (!reader_align(r, 8) || !read_u8(r, &code) || !read_signature(r, &type))
                return false;
        if (streq(type, "s") || streq(type, "o")) {
                if (!read_string(r, &text))
                        return false;
        } else if (streq(type, "g")) {
                if (!read_signature(r, &text))
                        return false;
        } else if (!streq(type, "u") || !read_u32(r, &number))
                return false;

        if (code == FIELD_INTERFACE)
                m->interface = text;
        else if (code == FIELD_MEMBER)
                m->member = text;
        else if (code == FIELD_SENDER)
                m->sender = text;
        return true;
}

ssize_t bus_message_parse(const uint8_t *p, size_t n, BusMessage *ret) {
        const bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
        BusMessage m = {};
        Reader r = { .p = p, .at = 4, .n = n };
        uint32_t n_body, serial, n_fields;

        if (n < 16)
                return 0;
        if ((p[0] != 'l' && p[0] != 'B') || p[3] != 1)
                return -EBADMSG;
        m.type = p[1];
        m.swapped = r.swapped = (p[0] == 'B') != big;
        if (!read_u32(&r, &n_body) || !read_u32(&r, &serial) || !read_u32(&r, &n_fields) ||
            n_body > MESSAGE_MAX || n_fields > MESSAGE_MAX)
                return -EBADMSG;

        size_t header = (16 + (size_t) n_fields + 7) / 8 * 8;
        if (header + n_body > n)
                return (ssize_t) (header + n_body);
        r.n = 16 + n_fields;
        while (r.at < r.n)
                if (!read_field(&r, &m))
                        return -EBADMSG;
        m.body = p + header;
        m.n_body = n_body;
        *ret = m;
        return (ssize_t) (header + n_body);
}

int bus_name_parse(const char *name, uint64_t *ret) {
        const char *number = str_skip_prefix(name, ":1.");

        return number ? parse_u64(number, 0, UINT64_MAX, ret) : -EINVAL;
}

/* The service manager was executed anew and has another name now. */
static void follow_manager(BusWatch *w, const BusMessage *m) {
        Reader r = { .p = m->body, .n = m->n_body, .swapped = m->swapped };
        const char *name, *before, *after;
        uint64_t manager;

        if (read_string(&r, &name) && read_string(&r, &before) && read_string(&r, &after) &&
            streq(name, "org.freedesktop.systemd1") && bus_name_parse(after, &manager) >= 0)
                w->manager = manager;
}

static bool is_stop(BusWatch *w, const BusMessage *m) {
        uint64_t sender;

        if (m->type != TYPE_SIGNAL || !m->sender || !m->interface || !m->member)
                return false;
        if (streq(m->sender, "org.freedesktop.DBus") && streq(m->member, "NameOwnerChanged"))
                follow_manager(w, m);
        return streq(m->interface, "org.freedesktop.systemd1.Scope") &&
               streq(m->member, "RequestStop") && bus_name_parse(m->sender, &sender) >= 0 &&
               sender == w->manager;
}

/* Takes whole messages off the front of the buffer. */
static bool take_messages(BusWatch *w) {
        bool stop = false;
        size_t at = 0;

        while (w->fd >= 0) {
                BusMessage m = {};
                ssize_t length = bus_message_parse(w->bytes + at, w->n - at, &m);

                if (length < 0)
                        w->fd = -EBADF;
                if (length <= 0)
                        break;
                if ((size_t) length > sizeof w->bytes) {
                        w->skip = (size_t) length - (w->n - at);
                        at = w->n;
                        break;
                }
                if ((size_t) length > w->n - at)
                        break;
                stop = is_stop(w, &m) || stop;
                at += (size_t) length;
        }
        memmove(w->bytes, w->bytes + at, w->n - at);
        w->n -= at;
        return stop;
}

bool bus_watch_read(BusWatch *w) {
        size_t room = sizeof w->bytes - w->n;
        ssize_t n = recv(w->fd, w->bytes + w->n, w->skip > 0 ? MIN(w->skip, room) : room,
                         MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (n <= 0) {
                w->fd = -EBADF;
                return false;
        }
        if (w->skip > 0) {
                w->skip -= (size_t) n;
                return false;
        }
        w->n += (size_t) n;
        return take_messages(w);
}
