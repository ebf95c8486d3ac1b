/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes disks in place, see sink-direct.h. Disks in other forms than raw would have to be somewhere else first, so there
 * are none. */
#include "importer/sink-direct.h"

#include <unistd.h>

#include "importer/qcow2.h"
#include "importer/sparse.h"

#define FIRST_SIZE ((size_t) 4096)

typedef struct Sink {
        Stage stage;
        SinkDirect direct;
        uint64_t n; /* bytes that came */
        uint8_t first[FIRST_SIZE];
} Sink;

static int cannot_write(const Sink *s, int r, Error *e) {
        return r == -ENOSPC || r == -EDQUOT
                       ? error_set(e, r, "'%s' is full", s->direct.place)
                       : error_set(e, r, "cannot write to '%s': %m", s->direct.place);
}

static int write_all(const Sink *s, const uint8_t *data, size_t n, uint64_t at, Error *e) {
        int r = 0;

        if (s->direct.is_fresh)
                r = sparse_write(s->direct.fd, data, n, at, NULL);
        while (!s->direct.is_fresh && n > 0 && r >= 0) {
                ssize_t k = pwrite(s->direct.fd, data, n, (off_t) at);

                if (k < 0 && errno != EINTR)
                        r = -errno;
                if (k == 0)
                        r = -EIO;
                if (k > 0) {
                        data += k;
                        n -= (size_t) k;
                        at += (uint64_t) k;
                }
        }
        return r < 0 ? cannot_write(s, r, e) : 0;
}

/* From here on what was there is gone. */
static int clear(const Sink *s, Error *e) {
        return s->direct.is_fresh && ftruncate(s->direct.fd, 0) < 0 ? cannot_write(s, -errno, e)
                                                                    : 0;
}

/* The first block is complete, and more follows. */
static int begin(Sink *s, Error *e) {
        static const uint8_t zeroes[FIRST_SIZE];

        if (qcow2_detect(s->first, FIRST_SIZE))
                return error_set(e, EOPNOTSUPP,
                                 "this is a qcow2 image, which --direct does not unpack: import it "
                                 "without, or have qemu-img convert write it");
        int r = clear(s, e);
        return r < 0 ? r : write_all(s, zeroes, FIRST_SIZE, s->direct.offset, e);
}

static int sink_push(Stage *stage, const void *data, size_t n, Error *e) {
        Sink *s = (Sink *) stage;
        const uint8_t *p = data;
        int r = 0;

        if (n > s->direct.limit - MIN(s->n, s->direct.limit) || s->n + n > (uint64_t) INT64_MAX / 2)
                return error_set(e, EFBIG, "it is longer than the %llu bytes that '%s' has for it",
                                 (unsigned long long) s->direct.limit, s->direct.place);
        if (s->n < FIRST_SIZE) {
                size_t k = MIN(n, FIRST_SIZE - (size_t) s->n);

                memcpy(s->first + s->n, p, k);
                p += k;
                n -= k;
                s->n += k;
                if (s->n == FIRST_SIZE)
                        r = begin(s, e);
        }
        if (r >= 0 && n > 0)
                r = write_all(s, p, n, s->direct.offset + s->n, e);
        s->n += n;
        return r;
}

static int sink_end(Stage *stage, Error *e) {
        Sink *s = (Sink *) stage;

        if (s->n == 0)
                return error_set(e, ENODATA, "there is nothing in it");
        if (s->direct.sync && fdatasync(s->direct.fd) < 0)
                return cannot_write(s, -errno, e);
        int r = s->n < FIRST_SIZE ? clear(s, e) : 0;
        if (r >= 0)
                r = write_all(s, s->first, (size_t) MIN(s->n, (uint64_t) FIRST_SIZE),
                              s->direct.offset, e);
        if (r >= 0 && s->direct.is_fresh &&
            ftruncate(s->direct.fd, (off_t) (s->direct.offset + s->n)) < 0)
                r = cannot_write(s, -errno, e);
        return r;
}

static void sink_free(Stage *stage) {
        free(stage);
}

static const StageOps sink_ops = { .push = sink_push, .end = sink_end, .free = sink_free };

int sink_direct_new(const SinkDirect *direct, Stage **ret, Error *e) {
        Sink *s = calloc(1, sizeof *s);

        if (!s)
                return error_oom(e);
        s->stage.ops = &sink_ops;
        s->direct = *direct;
        *ret = &s->stage;
        return 0;
}
