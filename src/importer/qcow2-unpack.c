/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing out the disk that is in a qcow2 image, see qcow2.h. Threads take stretches of the disk one after another:
 * each reads, unpacks and writes its own, at its place. */
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <zstd.h>

#include "base/fd.h"
#include "importer/deflate.h"
#include "importer/parallel.h"
#include "importer/qcow2.h"
#include "importer/sparse.h"

#define STRETCH_SIZE ((uint64_t) 4 * 1024 * 1024)
#define READ_SIZE    ((size_t) 512 * 1024)

typedef struct Unpack {
        const Qcow2 *q;
        int to;
        const Qcow2Progress *progress;
        uint64_t stretch; /* a multiple of the cluster size */
        _Atomic uint64_t written;
        _Atomic uint64_t next;  /* stretch that nobody has taken yet */
        _Atomic bool can_share; /* as far as is known */
        _Atomic bool stopped;
        pthread_mutex_t lock;
        int result; /* the first failure */
        Error error;
} Unpack;

/* One thread. */
typedef struct Hand {
        Unpack *u;
        uint8_t *in, *out; /* of a packed cluster, before and after; or of data */
        size_t size_in;
        Inflater *inflater;
        ZSTD_DCtx *zstd;
} Hand;

static int cannot_write(int r, Error *e) {
        return r == -ENOSPC || r == -EDQUOT
                       ? error_set(e, r, "the file system of the image is full")
                       : error_set(e, r, "cannot write the disk: %m");
}

static int put(Hand *h, const void *data, size_t n, uint64_t at, Error *e) {
        Unpack *u = h->u;
        int r = sparse_write(u->to, data, n, at, &u->written);

        if (r < 0)
                return cannot_write(r, e);
        uint64_t written = atomic_load_explicit(&u->written, memory_order_relaxed);
        if (u->progress->written)
                atomic_store_explicit(u->progress->written, written, memory_order_relaxed);
        if (written > u->progress->max_written)
                return error_set(e, EFBIG,
                                 "much more comes out of it than there is in it (see "
                                 "--max-ratio=)");
        return 0;
}

/* Up to @n bytes; less at the end of the file. */
static ssize_t fetch(const Qcow2 *q, uint8_t *into, size_t n, uint64_t offset, Error *e) {
        size_t have = 0;

        while (have < n) {
                ssize_t k = pread(q->fd, into + have, n - have, (off_t) (offset + have));

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return error_set(e, errno, "cannot read the qcow2 image: %m");
                if (k == 0)
                        break;
                have += (size_t) k;
        }
        return (ssize_t) have;
}

static bool share(Hand *h, const Qcow2Piece *p) {
        Unpack *u = h->u;
        struct file_clone_range range = { .src_fd = u->q->fd,
                                          .src_offset = p->offset,
                                          .src_length = p->n,
                                          .dest_offset = p->at };

        if (!atomic_load_explicit(&u->can_share, memory_order_relaxed))
                return false;
        if (p->n % SPARSE_BLOCK == 0 && p->offset % SPARSE_BLOCK == 0 &&
            ioctl(u->to, FICLONERANGE, &range) >= 0)
                return true;
        if (p->n % SPARSE_BLOCK == 0 && p->offset % SPARSE_BLOCK == 0)
                atomic_store_explicit(&u->can_share, false, memory_order_relaxed);
        return false;
}

static int put_data(Hand *h, const Qcow2Piece *p, Error *e) {
        /* Only what is there: zeroes behind the end of the file are no data. */
        if (p->offset + p->n <= h->u->q->file_size && share(h, p))
                return 0;
        for (uint64_t i = 0; i < p->n;) {
                size_t k = (size_t) MIN((uint64_t) READ_SIZE, p->n - i);
                ssize_t n = fetch(h->u->q, h->in, k, p->offset + i, e);
                int r = n <= 0 ? (int) n : put(h, h->in, (size_t) n, p->at + i, e);

                if (r < 0)
                        return r;
                if ((size_t) n < k)
                        break;
                i += k;
        }
        return 0;
}

/* Return: whether a whole cluster came out. */
static bool inflate_cluster(Hand *h, size_t n_in, size_t n_out) {
        if (!h->inflater && inflater_new(&h->inflater) < 0)
                return false;
        return inflater_fill(h->inflater, h->in, n_in, h->out, n_out) >= 0;
}

static bool unzstd_cluster(Hand *h, size_t n_in, size_t n_out) {
        ZSTD_inBuffer in = { .src = h->in, .size = n_in };
        ZSTD_outBuffer out = { .dst = h->out, .size = n_out };

        if (!h->zstd)
                h->zstd = ZSTD_createDCtx();
        if (!h->zstd || ZSTD_isError(ZSTD_DCtx_reset(h->zstd, ZSTD_reset_session_only)))
                return false;
        while (out.pos < out.size) {
                size_t before = in.pos + out.pos;
                size_t r = ZSTD_decompressStream(h->zstd, &out, &in);

                if (ZSTD_isError(r) || r == 0 || in.pos + out.pos == before)
                        break;
        }
        return out.pos == out.size;
}

static int put_packed(Hand *h, const Qcow2Piece *p, Error *e) {
        const Qcow2 *q = h->u->q;
        size_t cluster = (size_t) 1 << q->cluster_bits;
        ssize_t n = fetch(q, h->in, MIN(p->n_packed, h->size_in), p->offset, e);

        if (n < 0)
                return (int) n;
        bool whole = q->is_zstd ? unzstd_cluster(h, (size_t) n, cluster)
                                : inflate_cluster(h, (size_t) n, cluster);
        if (!whole)
                return error_set(
                        e, EBADMSG,
                        "the qcow2 image is damaged: the packed cluster at byte %llu of the disk",
                        (unsigned long long) p->at);
        return put(h, h->out, (size_t) p->n, p->at, e);
}

static int take(void *context, const Qcow2Piece *p, Error *e) {
        Hand *h = context;
        int r = 0;

        if (atomic_load_explicit(&h->u->stopped, memory_order_relaxed))
                return -ECANCELED;
        if (p->type != QCOW2_HOLE)
                r = p->type == QCOW2_DATA ? put_data(h, p, e) : put_packed(h, p, e);
        if (r >= 0 && h->u->progress->done)
                (void) atomic_fetch_add_explicit(h->u->progress->done, p->n, memory_order_relaxed);
        return r;
}

static int work(Hand *h, Error *e) {
        Unpack *u = h->u;
        size_t cluster = (size_t) 1 << u->q->cluster_bits;
        int r = 0;

        h->size_in = MAX(READ_SIZE, cluster + 2 * 512);
        h->in = malloc(h->size_in);
        h->out = malloc(cluster);
        if (!h->in || !h->out)
                return error_oom(e);
        while (r >= 0) {
                uint64_t at = atomic_fetch_add(&u->next, 1) * u->stretch;

                if (at >= u->q->size)
                        break;
                r = qcow2_find(u->q, at, at + u->stretch, take, h, e);
        }
        return r;
}

static void *hand_run(void *context) {
        Unpack *u = context;
        Hand h = { .u = u };
        Error e = {};
        int r = work(&h, &e);

        free(h.in);
        free(h.out);
        (void) inflater_free(h.inflater);
        (void) ZSTD_freeDCtx(h.zstd);
        if (r < 0) {
                (void) pthread_mutex_lock(&u->lock);
                if (u->result == 0) {
                        u->result = r;
                        u->error = e;
                }
                (void) pthread_mutex_unlock(&u->lock);
                atomic_store(&u->stopped, true);
        }
        return NULL;
}

static size_t count_processors(void) {
        cpu_set_t set;
        int n = sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : CPU_COUNT(&set);

        return (size_t) MIN(MAX(n, 1), PARALLEL_THREADS_MAX);
}

int qcow2_unpack(const Qcow2 *q, int to, const Qcow2Progress *progress, Error *e) {
        Unpack u = { .q = q,
                     .to = to,
                     .progress = progress,
                     .stretch = MAX(STRETCH_SIZE, UINT64_C(1) << q->cluster_bits),
                     .can_share = true,
                     .lock = PTHREAD_MUTEX_INITIALIZER };
        pthread_t threads[PARALLEL_THREADS_MAX];
        size_t n = 0, wanted = count_processors();

        if (ftruncate(to, (off_t) q->size) < 0)
                return cannot_write(-errno, e);
        /* This one works, too. */
        while (n + 1 < wanted && pthread_create(threads + n, NULL, hand_run, &u) == 0)
                n++;
        (void) hand_run(&u);
        for (size_t i = 0; i < n; i++)
                (void) pthread_join(threads[i], NULL);
        (void) pthread_mutex_destroy(&u.lock);
        if (u.result < 0 && e)
                *e = u.error;
        return u.result;
}
