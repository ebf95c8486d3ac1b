/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of transfers, see transfer-state.h. What they mean is in transfer.c. */
#include "importer/transfer-state.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/parse.h"

#define STATE_MAX (64 * 1024)

static const char *const results[] = {
        [RECORD_DONE] = "done",
        [RECORD_CANCELED] = "canceled",
        [RECORD_FAILED] = "failed",
};

static int put_text(Buf *b, const char *key, const char *value) {
        _cleanup_free_ char *escaped = value ? str_escape(value, "\"") : NULL;

        if (!value || !*value)
                return 0;
        return escaped ? buf_printf(b, "%s=%s\n", key, escaped) : -ENOMEM;
}

static int put_number(Buf *b, const char *key, uint64_t value, uint64_t unknown) {
        return value == unknown ? 0 : buf_printf(b, "%s=%llu\n", key, (unsigned long long) value);
}

static int put_end(Buf *b, const Transfer *t) {
        int r;

        if (t->ended == 0)
                return 0;
        r = put_number(b, "ENDED", t->ended, 0);
        if (r >= 0)
                r = put_number(b, "DONE", t->done, RECORD_UNKNOWN);
        if (r >= 0)
                r = put_text(b, "RESULT", transfer_result(t));
        return r < 0 ? r : put_text(b, "ERROR", t->error);
}

int transfer_state_write(int state_fd, const char *name, const Transfer *t) {
        const TransferRequest *q = &t->request;
        _cleanup_(buf_done) Buf b = {};
        int r = buf_printf(&b, "TYPE=%s\nCLASS=%s\nCANCELED=%d\n", transfer_kind_name(q->kind),
                           image_class_name(q->class), t->canceled);

        if (r >= 0)
                r = put_text(&b, "LOCAL", q->local);
        if (r >= 0)
                r = put_text(&b, "REMOTE", q->remote);
        if (r >= 0)
                r = put_text(&b, "VERIFY", q->verify);
        if (r >= 0)
                r = put_text(&b, "FORMAT", q->format);
        if (r >= 0)
                r = put_text(&b, "ROOT", q->root);
        if (r >= 0)
                r = put_number(&b, "FLAGS", (uint64_t) q->flags, 0);
        if (r >= 0)
                r = put_number(&b, "STARTED", t->started, 0);
        if (r >= 0)
                r = put_end(&b, t);
        return r < 0 ? r : file_write_atomic(state_fd, name, b.p, b.n, 0600);
}

static int take_text(char **p, const char *value) {
        free(*p);
        *p = NULL;
        return str_unescape(value, p);
}

static int take_result(Transfer *t, const char *value) {
        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                if (results[i] && streq(results[i], value)) {
                        t->result = (RecordType) i;
                        return 0;
                }
        return -EBADMSG;
}

static int take_choice(Transfer *t, const char *key, const char *value) {
        if (streq(key, "TYPE")) {
                t->request.kind = transfer_kind_parse(value);
                return t->request.kind < 0 ? -EBADMSG : 0;
        }
        if (streq(key, "CLASS")) {
                t->request.class = image_class_parse(value);
                return t->request.class < 0 ? -EBADMSG : 0;
        }
        if (streq(key, "FLAGS")) {
                uint32_t flags;
                int r = parse_u32(value, &flags);
                t->request.flags = r < 0 ? 0 : (TransferFlags) flags;
                return r;
        }
        if (streq(key, "CANCELED"))
                return parse_bool(value, &t->canceled);
        return streq(key, "RESULT") ? take_result(t, value) : 0;
}

/* Takes one line. */
static int take_line(Transfer *t, char *line) {
        const struct {
                const char *key;
                char **text;
                uint64_t *number;
        } plain[] = {
                { "LOCAL", &t->request.local, NULL },
                { "REMOTE", &t->request.remote, NULL },
                { "VERIFY", &t->request.verify, NULL },
                { "FORMAT", &t->request.format, NULL },
                { "ROOT", &t->request.root, NULL },
                { "ERROR", &t->error, NULL },
                { "STARTED", NULL, &t->started },
                { "ENDED", NULL, &t->ended },
                { "DONE", NULL, &t->done },
        };
        char *value = strchr(line, '=');

        if (!value)
                return -EBADMSG;
        *value++ = '\0';
        for (size_t i = 0; i < ELEMENTSOF(plain); i++)
                if (streq(line, plain[i].key))
                        return plain[i].text ? take_text(plain[i].text, value)
                                             : parse_u64(value, 0, RECORD_UNKNOWN, plain[i].number);
        return take_choice(t, line, value);
}

int transfer_state_read(int state_fd, const char *name, Transfer *t, Error *e) {
        _cleanup_strv_ char **lines = NULL;
        _cleanup_free_ char *text = NULL;
        int r = file_read(state_fd, name, STATE_MAX, &text, NULL);

        if (r >= 0)
                r = str_split(text, "\n", &lines);
        if (r < 0)
                return error_set(e, r, "cannot read the state of transfer %s: %m", name);
        t->request.kind = _TRANSFER_KIND_INVALID;
        STRV_FOREACH(line, lines)
                if (take_line(t, *line) < 0)
                        return error_set(e, EBADMSG, "the state of transfer %s makes no sense",
                                         name);
        if (t->request.kind < 0 ||
            (transfer_kind_way(t->request.kind) == TRANSFER_WAY_PULL ? !t->request.remote
                                                                     : !t->request.local))
                return error_set(e, EBADMSG, "the state of transfer %s does not say what it is",
                                 name);
        t->shown_remote = transfer_request_shown_remote(&t->request);
        return t->shown_remote ? 0 : error_oom(e);
}
