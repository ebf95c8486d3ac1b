/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes disks that come as a stream, see sink-disk.h. */
#include "importer/sink-disk.h"

#include <sys/stat.h>
#include <unistd.h>

#include "importer/qcow2.h"
#include "importer/queue.h"
#include "importer/sparse.h"

/* A multiple of SPARSE_BLOCK, so that holes are where the file system has them. As much as comes at once as a rule: that
 * goes straight on. */
#define GATHER_SIZE QUEUE_BLOCK_SIZE
#define SECTOR_SIZE 512

typedef struct Sink {
        Stage stage;
        SinkDisk disk;
        bool decided, is_qcow2;
        int fd;      /* one of the two */
        uint64_t at; /* of the stream: where what was gathered begins */
        _Atomic uint64_t written;
        size_t n;
        uint8_t gathered[GATHER_SIZE];
} Sink;

uint64_t sink_disk_limit(unsigned max_ratio, uint64_t in) {
        return max_ratio == 0                                   ? UINT64_MAX
               : in > (UINT64_MAX - SINK_DISK_FREE) / max_ratio ? UINT64_MAX
                                                                : SINK_DISK_FREE + in * max_ratio;
}

int sink_disk_round(int fd) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size % SECTOR_SIZE == 0)
                return 0;
        return ftruncate(fd, st.st_size + SECTOR_SIZE - st.st_size % SECTOR_SIZE) < 0 ? -errno : 0;
}

static int cannot_write(const Sink *s, int r, Error *e) {
        return r == -ENOSPC || r == -EDQUOT
                       ? error_set(e, r, "the file system of %s is full", s->disk.place)
                       : error_set(e, r, "cannot write the disk: %m");
}

static int decide(Sink *s, Error *e) {
        if (s->decided)
                return 0;
        s->decided = true;
        s->is_qcow2 = qcow2_detect(s->gathered, s->n);
        s->fd = s->is_qcow2 ? s->disk.spool_fd : s->disk.fd;
        return s->fd >= 0
                       ? 0
                       : error_set(e, EOPNOTSUPP,
                                   "this is a qcow2 image, for which the file system of %s has no "
                                   "temporary files: give it as a file that is not packed",
                                   s->disk.place);
}

static int put(Sink *s, const void *data, size_t n, Error *e) {
        uint64_t in = s->disk.in ? atomic_load_explicit(s->disk.in, memory_order_relaxed) : 0;
        int r = sparse_write(s->fd, data, n, s->at, &s->written);

        if (r < 0)
                return cannot_write(s, r, e);
        s->at += n;
        if (s->at > (uint64_t) INT64_MAX / 2)
                return error_set(e, EFBIG, "there is no end to it");
        if (s->disk.in && atomic_load(&s->written) > sink_disk_limit(s->disk.max_ratio, in))
                return error_set(
                        e, EFBIG,
                        "more than %u bytes come out of each that it has (see --max-ratio=)",
                        s->disk.max_ratio);
        return 0;
}

static int sink_push(Stage *stage, const void *data, size_t n, Error *e) {
        Sink *s = (Sink *) stage;
        const uint8_t *p = data;

        while (n > 0) {
                /* Large blocks go straight on. */
                if (s->n == 0 && s->decided && n >= GATHER_SIZE) {
                        size_t k = n - n % SPARSE_BLOCK;
                        int r = put(s, p, k, e);
                        if (r < 0)
                                return r;
                        p += k;
                        n -= k;
                        continue;
                }
                size_t k = MIN(n, GATHER_SIZE - s->n);
                memcpy(s->gathered + s->n, p, k);
                s->n += k;
                p += k;
                n -= k;
                if (s->n < GATHER_SIZE)
                        continue;
                int r = decide(s, e);
                if (r >= 0)
                        r = put(s, s->gathered, s->n, e);
                if (r < 0)
                        return r;
                s->n = 0;
        }
        return 0;
}

static int unpack_spooled(Sink *s, Error *e) {
        _Atomic uint64_t written = 0;
        const Qcow2Progress progress = {
                .written = &written,
                .max_written = s->disk.in
                                       ? sink_disk_limit(s->disk.max_ratio, atomic_load(s->disk.in))
                                       : UINT64_MAX,
        };
        _cleanup_(qcow2_done) Qcow2 q = {};
        int r = qcow2_open(s->fd, &q, e);

        return r < 0 ? r : qcow2_unpack(&q, s->disk.fd, &progress, e);
}

static int sink_end(Stage *stage, Error *e) {
        Sink *s = (Sink *) stage;
        int r = decide(s, e);

        if (r >= 0)
                r = put(s, s->gathered, s->n, e);
        if (r < 0)
                return r;
        if (ftruncate(s->fd, (off_t) s->at) < 0)
                return cannot_write(s, -errno, e);
        if (s->is_qcow2)
                r = unpack_spooled(s, e);
        if (r < 0)
                return r;
        r = sink_disk_round(s->disk.fd);
        return r < 0 ? cannot_write(s, r, e) : 0;
}

static void sink_free(Stage *stage) {
        free(stage);
}

static const StageOps sink_disk_ops = { .push = sink_push, .end = sink_end, .free = sink_free };

int sink_disk_new(const SinkDisk *disk, Stage **ret, Error *e) {
        Sink *s = calloc(1, sizeof *s);

        if (!s)
                return error_oom(e);
        s->stage.ops = &sink_disk_ops;
        s->disk = *disk;
        s->fd = -EBADF;
        *ret = &s->stage;
        return 0;
}
