/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes what comes, see sink-fd.h. Who opened the descriptor says what becomes of it. */
#include "importer/sink-fd.h"

#include "base/fd.h"

#define GATHER_SIZE ((size_t) 256 * 1024)

typedef struct SinkFd {
        Stage stage;
        int fd;
        const char *place; /* borrowed */
        size_t n;
        char gathered[GATHER_SIZE];
} SinkFd;

static int put(SinkFd *s, const void *data, size_t n, Error *e) {
        int r = fd_write_all(s->fd, data, n);

        if (r == -ENOSPC || r == -EDQUOT)
                return error_set(e, r, "the file system of '%s' is full", s->place);
        return r < 0 ? error_set(e, r, "cannot write to '%s': %m", s->place) : 0;
}

static int sink_push(Stage *stage, const void *data, size_t n, Error *e) {
        SinkFd *s = (SinkFd *) stage;

        if (s->n + n > GATHER_SIZE) {
                int r = put(s, s->gathered, s->n, e);
                if (r < 0)
                        return r;
                s->n = 0;
        }
        if (n >= GATHER_SIZE)
                return put(s, data, n, e);
        memcpy(s->gathered + s->n, data, n);
        s->n += n;
        return 0;
}

static int sink_end(Stage *stage, Error *e) {
        SinkFd *s = (SinkFd *) stage;

        return put(s, s->gathered, s->n, e);
}

static void sink_free(Stage *stage) {
        free(stage);
}

static const StageOps sink_fd_ops = { .push = sink_push, .end = sink_end, .free = sink_free };

int sink_fd_new(int fd, const char *place, Stage **ret, Error *e) {
        SinkFd *s = calloc(1, sizeof *s);

        if (!s)
                return error_oom(e);
        s->stage.ops = &sink_fd_ops;
        s->fd = fd;
        s->place = place;
        *ret = &s->stage;
        return 0;
}
