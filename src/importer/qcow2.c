/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Header and tables of qcow2, see qcow2.h. Every number in them is somebody else's: each is checked before it is
 * reckoned with. */
#include "importer/qcow2.h"

#include <endian.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define MAGIC            "QFI\xfb"
#define HEADER_SIZE_2    72
#define HEADER_SIZE_3    104
#define L1_SIZE_MAX      ((uint64_t) 32 * 1024 * 1024)
#define CLUSTER_BITS_MIN 9
#define CLUSTER_BITS_MAX 21
#define OFFSET_MASK      UINT64_C(0x00fffffffffffe00)
#define IS_PACKED        (UINT64_C(1) << 62)
#define IS_ZERO          UINT64_C(1)
#define PARTS            32
/* Entries that are read at once. */
#define ENTRIES_AT_ONCE 1024

static uint32_t get32(const uint8_t *p) {
        uint32_t v;

        memcpy(&v, p, sizeof v);
        return be32toh(v);
}

static uint64_t get64(const uint8_t *p) {
        uint64_t v;

        memcpy(&v, p, sizeof v);
        return be64toh(v);
}

bool qcow2_detect(const void *data, size_t n) {
        return n >= QCOW2_MAGIC_SIZE && memcmp(data, MAGIC, QCOW2_MAGIC_SIZE) == 0;
}

static int damaged(Error *e, const char *what) {
        return error_set(e, EBADMSG, "the qcow2 image is damaged: %s", what);
}

static int refused(Error *e, const char *what) {
        return error_set(e, EOPNOTSUPP, "the qcow2 image %s", what);
}

/* All of it, or it is damaged. */
static int read_at(const Qcow2 *q, void *data, size_t n, uint64_t offset, const char *what,
                   Error *e) {
        uint8_t *p = data;

        if (offset > q->file_size || n > q->file_size - offset)
                return damaged(e, what);
        while (n > 0) {
                ssize_t k = pread(q->fd, p, n, (off_t) offset);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return error_set(e, errno, "cannot read the qcow2 image: %m");
                if (k == 0)
                        return damaged(e, what);
                p += k;
                n -= (size_t) k;
                offset += (uint64_t) k;
        }
        return 0;
}

static int check_features(uint64_t features, Error *e) {
        static const struct {
                uint64_t bit;
                const char *what;
        } rows[] = {
                { 1 << 0,
                  "was not closed by who wrote it last: have qemu-img check -r all look at it" },
                { 1 << 1, "is marked as corrupt" },
                { 1 << 2, "has its data in another file: have qemu-img convert put it into one" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (features & rows[i].bit)
                        return refused(e, rows[i].what);
        if (features & ~UINT64_C(0x1f))
                return refused(e, "has features that are not known here");
        return 0;
}

/* What version 3 adds. */
static int read_header_3(Qcow2 *q, const uint8_t h[static HEADER_SIZE_3 + 1], Error *e) {
        uint64_t features = get64(h + 72);
        uint32_t length = get32(h + 100);
        int r = check_features(features, e);

        if (r < 0)
                return r;
        if (length < HEADER_SIZE_3 || length > (UINT32_C(1) << q->cluster_bits))
                return damaged(e, "the length of its header");
        if (get32(h + 96) > 6)
                return damaged(e, "the size of its reference counts");
        uint8_t packing = length > HEADER_SIZE_3 ? h[HEADER_SIZE_3] : 0;
        if (packing > 1)
                return refused(e, "is packed in a way that is not known here");
        if ((packing != 0) != ((features & (1 << 3)) != 0))
                return damaged(e, "it does not know how it is packed");
        q->is_zstd = packing == 1;
        q->has_parts = features & (1 << 4);
        if (q->has_parts && q->cluster_bits < 14)
                return damaged(e, "its clusters are too small to have parts");
        return 0;
}

static int read_header(Qcow2 *q, uint64_t *ret_l1, Error *e) {
        uint8_t h[HEADER_SIZE_3 + 1] = {};
        int r = read_at(q, h, MIN((uint64_t) sizeof h, q->file_size), 0, "there is no header", e);

        if (r < 0)
                return r;
        if (q->file_size < HEADER_SIZE_2 || !qcow2_detect(h, sizeof h))
                return damaged(e, "there is no header");
        q->version = get32(h + 4);
        q->cluster_bits = get32(h + 20);
        q->size = get64(h + 24);
        q->n_l1 = get32(h + 36);
        *ret_l1 = get64(h + 40);
        if (q->version != 2 && q->version != 3)
                return refused(e, "is of a version that is neither 2 nor 3");
        if (q->cluster_bits < CLUSTER_BITS_MIN || q->cluster_bits > CLUSTER_BITS_MAX)
                return damaged(e, "the size of its clusters");
        if (get64(h + 8) != 0)
                return refused(
                        e, "is only what differs from a backing file: have qemu-img convert put "
                           "both into one");
        if (get32(h + 32) != 0)
                return refused(e, "is encrypted");
        if (q->version == 3)
                r = q->file_size >= HEADER_SIZE_3 ? read_header_3(q, h, e)
                                                  : damaged(e, "there is no header");
        if (r < 0)
                return r;
        if (q->size > (uint64_t) INT64_MAX - (UINT64_C(1) << CLUSTER_BITS_MAX))
                return damaged(e, "the size of its disk");
        uint64_t table = get64(h + 48), mask = (UINT64_C(1) << q->cluster_bits) - 1;
        if (table & mask || table > q->file_size)
                return damaged(e, "the place of its reference counts");
        q->l2_bits = q->cluster_bits - (q->has_parts ? 4 : 3);
        return 0;
}

static int read_l1(Qcow2 *q, uint64_t offset, Error *e) {
        unsigned bits = q->cluster_bits + q->l2_bits;
        uint64_t needed = (q->size >> bits) + ((q->size & ((UINT64_C(1) << bits) - 1)) != 0);
        uint64_t mask = (UINT64_C(1) << q->cluster_bits) - 1;

        if (q->n_l1 > L1_SIZE_MAX / sizeof(uint64_t) || needed > q->n_l1)
                return damaged(e, "the size of its table of the first level");
        if (offset & mask)
                return damaged(e, "the place of its table of the first level");
        q->n_l1 = needed;
        if (needed == 0)
                return 0;
        if (offset > q->file_size || needed * sizeof(uint64_t) > q->file_size - offset)
                return damaged(e, "its table of the first level is cut off");
        q->l1 = malloc(needed * sizeof(uint64_t));
        if (!q->l1)
                return error_oom(e);
        int r = read_at(q, q->l1, needed * sizeof(uint64_t), offset,
                        "its table of the first level is cut off", e);
        for (uint64_t i = 0; i < needed && r >= 0; i++) {
                q->l1[i] = be64toh(q->l1[i]) & OFFSET_MASK;
                if (q->l1[i] & mask || q->l1[i] >= q->file_size)
                        r = q->l1[i] == 0 ? 0
                                          : damaged(e, "the place of a table of the second level");
        }
        return r;
}

int qcow2_open(int fd, Qcow2 *ret, Error *e) {
        _cleanup_(qcow2_done) Qcow2 q = { .fd = fd };
        uint64_t l1;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at the qcow2 image: %m");
        q.file_size = (uint64_t) st.st_size;
        int r = read_header(&q, &l1, e);
        if (r >= 0)
                r = read_l1(&q, l1, e);
        if (r < 0)
                return r;
        *ret = q;
        q.l1 = NULL;
        return 0;
}

void qcow2_done(Qcow2 *q) {
        free(q->l1);
        q->l1 = NULL;
}

/* Pieces that are put together before they are handed on. */
typedef struct Joiner {
        int (*take)(void *context, const Qcow2Piece *piece, Error *e);
        void *context;
        Qcow2Piece last; /* .n 0 = none */
} Joiner;

static int flush(Joiner *j, Error *e) {
        int r = j->last.n > 0 ? j->take(j->context, &j->last, e) : 0;

        j->last.n = 0;
        return r;
}

static int add(Joiner *j, const Qcow2Piece *p, Error *e) {
        Qcow2Piece *l = &j->last;

        if (l->n > 0 && l->type == p->type && p->type != QCOW2_PACKED &&
            (p->type == QCOW2_HOLE || l->offset + l->n == p->offset)) {
                l->n += p->n;
                return 0;
        }
        int r = flush(j, e);
        *l = *p;
        return r;
}

static int check_data(const Qcow2 *q, uint64_t offset, Error *e) {
        if (offset & ((UINT64_C(1) << q->cluster_bits) - 1) || offset >= q->file_size)
                return damaged(e, "the place of a cluster");
        return 0;
}

/* A cluster of 32 parts, each of which is there, zeroes, or not there, which is the same to us. */
static int add_parts(const Qcow2 *q, Joiner *j, uint64_t offset, uint64_t bits, uint64_t at,
                     uint64_t n, Error *e) {
        uint64_t size = (UINT64_C(1) << q->cluster_bits) / PARTS;
        uint32_t there = (uint32_t) bits, zero = (uint32_t) (bits >> 32);
        int r = there & zero ? damaged(e, "parts of a cluster that are there and are not") : 0;

        if (r >= 0 && there)
                r = offset == 0 ? damaged(e, "the place of a cluster") : check_data(q, offset, e);
        for (unsigned i = 0; i < PARTS && i * size < n && r >= 0; i++) {
                bool is = there & (UINT32_C(1) << i);
                Qcow2Piece p = { .type = is ? QCOW2_DATA : QCOW2_HOLE,
                                 .at = at + i * size,
                                 .n = MIN(size, n - i * size),
                                 .offset = is ? offset + i * size : 0 };
                r = add(j, &p, e);
        }
        return r;
}

static int add_packed(const Qcow2 *q, Joiner *j, uint64_t entry, uint64_t at, uint64_t n,
                      Error *e) {
        unsigned bits = 62 - (q->cluster_bits - 8);
        uint64_t offset = entry & ((UINT64_C(1) << bits) - 1);
        uint64_t sectors = (entry & (IS_PACKED - 1)) >> bits;
        uint64_t size = (sectors + 1) * 512 - (offset & 511);

        if (offset >= q->file_size)
                return damaged(e, "the place of a packed cluster");
        /* The last one of a file need not fill its last sector. */
        Qcow2Piece p = { .type = QCOW2_PACKED,
                         .at = at,
                         .n = n,
                         .offset = offset,
                         .n_packed = (size_t) MIN(size, q->file_size - offset) };
        return add(j, &p, e);
}

/* One entry of the second level. */
static int add_entry(const Qcow2 *q, Joiner *j, const uint8_t *raw, uint64_t at, uint64_t n,
                     Error *e) {
        uint64_t entry = get64(raw), offset = entry & OFFSET_MASK;

        if (entry & IS_PACKED)
                return add_packed(q, j, entry, at, n, e);
        if (q->has_parts)
                return add_parts(q, j, offset, get64(raw + 8), at, n, e);
        bool hole = offset == 0 || (q->version >= 3 && entry & IS_ZERO);
        Qcow2Piece p = { .type = hole ? QCOW2_HOLE : QCOW2_DATA,
                         .at = at,
                         .n = n,
                         .offset = hole ? 0 : offset };
        int r = hole ? 0 : check_data(q, offset, e);
        return r < 0 ? r : add(j, &p, e);
}

/* Some entries of one table. Return: 0 or -errno. */
static int find_in_table(const Qcow2 *q, uint64_t table, uint64_t index, uint64_t at, uint64_t end,
                         Joiner *j, Error *e) {
        uint8_t entries[ENTRIES_AT_ONCE * sizeof(uint64_t)];
        size_t size = q->has_parts ? 16 : 8;
        uint64_t cluster = UINT64_C(1) << q->cluster_bits;

        while (at < end) {
                uint64_t n = MIN((end - at + cluster - 1) >> q->cluster_bits,
                                 (uint64_t) (sizeof entries / size));
                int r = read_at(q, entries, (size_t) n * size, table + index * size,
                                "a table of the second level is cut off", e);

                for (uint64_t i = 0; i < n && r >= 0; i++, at += cluster)
                        r = add_entry(q, j, entries + i * size, at, MIN(cluster, end - at), e);
                if (r < 0)
                        return r;
                index += n;
        }
        return 0;
}

int qcow2_find(const Qcow2 *q, uint64_t at, uint64_t end,
               int (*take)(void *context, const Qcow2Piece *piece, Error *e), void *context,
               Error *e) {
        Joiner j = { .take = take, .context = context };
        unsigned bits = q->cluster_bits + q->l2_bits;
        int r = 0;

        end = MIN(end, q->size);
        while (at < end && r >= 0) {
                uint64_t table = q->l1[at >> bits];
                uint64_t stop = MIN(((at >> bits) + 1) << bits, end);
                uint64_t index = (at >> q->cluster_bits) & ((UINT64_C(1) << q->l2_bits) - 1);

                if (table == 0)
                        r = add(&j, &(Qcow2Piece){ .type = QCOW2_HOLE, .at = at, .n = stop - at },
                                e);
                else
                        r = find_in_table(q, table, index, at, stop, &j, e);
                at = stop;
        }
        return r < 0 ? r : flush(&j, e);
}
