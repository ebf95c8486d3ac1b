/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Estimates, see estimate.h. Every number read here is somebody else's. */
#include "importer/estimate.h"

#include <endian.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>

#include "importer/filter.h"
#include "importer/qcow2.h"
#include "importer/sparse.h"

/* Of one file, no more places than that are looked at; the rest of it is taken to be as what was seen. */
#define STEPS_MAX 4096
/* Likewise of headers of blocks, for each of which the disk may have to be read. */
#define WALK_MAX 1024
/* For everything but the tables of xz. */
#define MEMORY_BASE ((uint64_t) 256 * 1024 * 1024)
/* Of the index of an xz file in memory. */
#define XZ_MEMORY_MAX   ((uint64_t) 32 * 1024 * 1024)
#define XZ_READ_SIZE    4096
#define ZSTD_MAGIC      0xfd2fb528u
#define ZSTD_HEADER_MAX 18 /* magic number included */
#define ZSTD_BLOCK_MAX  ((uint64_t) 128 * 1024)
/* Blocks do not say how long they are unpacked, and some writers make short ones. Few trees pack better than that. */
#define ZSTD_RATIO      4
#define LZ4_MAGIC       0x184d2204u
#define SKIPPABLE_MAGIC 0x184d2a50u
/* The most that deflate can make of a byte. */
#define DEFLATE_MAX 1032

typedef struct Part {
        int fd;
        uint64_t at, end;
} Part;

/* Return: 1 all of it was read; 0 it is not there, or cannot be read. */
static int get(const Part *p, uint64_t at, void *data, size_t n) {
        if (at < p->at || at > p->end || n > p->end - at)
                return 0;
        return pread(p->fd, data, n, (off_t) at) == (ssize_t) n;
}

static uint32_t le32(const uint8_t *p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 |
               (uint32_t) p[3] << 24;
}

static uint64_t add(uint64_t a, uint64_t b) {
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* What @seen bytes of @size were unpacked to says what all will be. */
static uint64_t extrapolate(uint64_t sum, uint64_t seen, uint64_t size) {
        return seen == 0 ? 0 : (uint64_t) MIN((double) sum / (double) seen * (double) size, 1e18);
}

static uint64_t guess(const Part *p) {
        uint64_t n = p->end - p->at;

        return add(n, n / 2);
}

static uint64_t unpacked_gzip(const Part *p) {
        uint64_t n = p->end - p->at, size;
        uint8_t tail[4];

        if (n < 18 || n > UINT32_MAX || !get(p, p->end - 4, tail, sizeof tail))
                return n;
        size = le32(tail);
        return size < n || size / DEFLATE_MAX > n ? guess(p) : size;
}

/* lzma_file_info_decoder() says where it wants to go on. Return: 1 and the index; 0. */
static int read_xz_index(const Part *p, lzma_stream *s, lzma_index **index) {
        uint64_t at = p->at;
        uint8_t buffer[XZ_READ_SIZE];

        if (lzma_file_info_decoder(s, index, XZ_MEMORY_MAX, p->end - p->at) != LZMA_OK)
                return 0;
        for (unsigned i = 0; i < STEPS_MAX; i++) {
                size_t n = (size_t) MIN((uint64_t) sizeof buffer, p->end - at);

                if (s->avail_in == 0) {
                        if (!get(p, at, buffer, n))
                                return 0;
                        s->next_in = buffer;
                        s->avail_in = n;
                        at += n;
                }
                lzma_ret r = lzma_code(s, at == p->end ? LZMA_FINISH : LZMA_RUN);
                if (r == LZMA_STREAM_END)
                        return 1;
                if (r == LZMA_SEEK_NEEDED && s->seek_pos <= p->end - p->at) {
                        at = p->at + s->seek_pos;
                        s->avail_in = 0;
                } else if (r != LZMA_OK)
                        return 0;
        }
        return 0;
}

static uint64_t unpacked_xz(const Part *p) {
        lzma_stream s = LZMA_STREAM_INIT;
        lzma_index *index = NULL;
        uint64_t n = 0;

        if (read_xz_index(p, &s, &index) > 0)
                n = lzma_index_uncompressed_size(index);
        lzma_index_end(index, NULL);
        lzma_end(&s);
        return n > 0 ? n : guess(p);
}

/* Over frames of zstd or lz4. */
typedef struct Walk {
        Part part;
        uint64_t at;    /* in the file */
        uint64_t sum;   /* of what comes out of what is before that */
        unsigned steps; /* what was looked at */
} Walk;

/* Frames that decoders pass over. Return: 1 that was one; 0. */
static int skip_frame(Walk *w, const uint8_t head[static 8]) {
        if ((le32(head) & ~0xfu) != SKIPPABLE_MAGIC)
                return 0;
        w->at = add(w->at, 8 + (uint64_t) le32(head + 4));
        return 1;
}

/* From the first block of a frame on. Return: 1 that has an end; 0. */
static int walk_zstd_blocks(Walk *w, bool has_checksum, uint64_t *sum) {
        for (; w->steps < WALK_MAX; w->steps++) {
                uint8_t b[3];

                if (!get(&w->part, w->at, b, sizeof b))
                        return 0;
                uint32_t head = (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16;
                uint32_t type = head >> 1 & 3, size = head >> 3;
                /* As it is, one byte again and again, packed. */
                w->at += 3 + (type == 1 ? 1 : size);
                *sum = add(*sum, type < 2 || head & 1
                                         ? size
                                         : MIN(ZSTD_BLOCK_MAX, (uint64_t) size * ZSTD_RATIO));
                if (head & 1) {
                        w->at += has_checksum ? 4 : 0;
                        return 1;
                }
        }
        return 0;
}

/* Return: how long the header is; whether it has the size of the content, and that. */
static size_t parse_zstd_header(const uint8_t head[static ZSTD_HEADER_MAX], bool *ret_is_told,
                                uint64_t *ret_content) {
        static const uint8_t n_dictionary[] = { 0, 1, 2, 4 }, n_content[] = { 0, 2, 4, 8 };
        bool is_single = head[4] & 0x20;
        size_t n = n_content[head[4] >> 6], at = 5 + !is_single + n_dictionary[head[4] & 3];
        uint64_t content = 0;

        if (n == 0 && is_single)
                n = 1;
        for (size_t i = 0; i < n; i++)
                content |= (uint64_t) head[at + i] << 8 * i;
        *ret_is_told = n > 0;
        *ret_content = n == 2 ? content + 256 : content;
        return at + n;
}

static int walk_zstd(Walk *w) {
        uint8_t head[ZSTD_HEADER_MAX] = {};
        size_t n = (size_t) MIN((uint64_t) sizeof head, w->part.end - w->at);
        uint64_t content, sum = 0;
        bool is_told;

        if (n < 8 || !get(&w->part, w->at, head, n))
                return 0;
        if (skip_frame(w, head))
                return 1;
        if (le32(head) != ZSTD_MAGIC)
                return 0;
        w->at += parse_zstd_header(head, &is_told, &content);
        int r = walk_zstd_blocks(w, head[4] & 4, &sum);
        w->sum = add(w->sum, is_told ? content : sum);
        /* What is told is of all of it, also of what was not seen. */
        return r == 0 && is_told ? -1 : r;
}

static int walk_lz4_blocks(Walk *w, unsigned flags, uint64_t largest, uint64_t *sum) {
        uint64_t last = 0, full = 0; /* of the block before: by whether another follows */

        for (; w->steps < WALK_MAX; w->steps++) {
                uint8_t b[4];

                if (!get(&w->part, w->at, b, sizeof b))
                        return 0;
                uint32_t head = le32(b), size = head & 0x7fffffff;
                *sum = add(*sum, head == 0 ? last : full);
                w->at += 4;
                if (head == 0) {
                        w->at += flags & 4 ? 4 : 0;
                        return 1;
                }
                w->at += size + (flags & 16 ? 4 : 0);
                last = size;
                full = head >> 31 ? size : largest;
        }
        return 0;
}

static int walk_lz4(Walk *w) {
        uint8_t head[14];
        uint64_t content = 0, sum = 0;

        /* The shortest: a header, and the end of the blocks. */
        if (!get(&w->part, w->at, head, 8))
                return 0;
        if (skip_frame(w, head))
                return 1;
        if (le32(head) != LZ4_MAGIC || head[4] >> 6 != 1 || (head[5] >> 4 & 7) < 4)
                return 0;
        bool is_told = head[4] & 8;
        if (is_told && !get(&w->part, w->at, head, sizeof head))
                return 0;
        if (is_told)
                content = (uint64_t) le32(head + 10) << 32 | le32(head + 6);
        w->at += 7 + (is_told ? 8 : 0) + (head[4] & 1 ? 4 : 0);
        int r = walk_lz4_blocks(w, head[4], UINT64_C(1) << (8 + 2 * (head[5] >> 4 & 7)), &sum);
        w->sum = add(w->sum, is_told ? content : sum);
        return r == 0 && is_told ? -1 : r;
}

/* @frame: goes over one. Return: 1 there may be another; 0 that was no whole one; -1 its end was not seen, nor what
 * follows. */
static uint64_t walk(const Part *p, int (*frame)(Walk *w)) {
        Walk w = { .part = *p, .at = p->at };
        int r = 1;

        while (r > 0 && w.at < p->end && w.steps++ < WALK_MAX)
                r = frame(&w);
        if (w.sum == 0)
                return guess(p);
        /* The rest may be packed less well: half of what it would be, and half of what it is at least. */
        if (r < 0 || w.at >= p->end)
                return w.sum;
        uint64_t size = p->end - p->at, rest = p->end - w.at;
        return add(w.sum / 2 + rest / 2, extrapolate(w.sum, w.at - p->at, size) / 2);
}

uint64_t estimate_unpacked(int fd, Format format, uint64_t at, uint64_t size) {
        const Part p = { fd, at, add(at, size) };

        switch (format) {
        case FORMAT_PLAIN:
                return size;
        case FORMAT_GZIP:
                return unpacked_gzip(&p);
        case FORMAT_XZ:
                return unpacked_xz(&p);
        case FORMAT_ZSTD:
                return walk(&p, walk_zstd);
        case FORMAT_LZ4:
                return walk(&p, walk_lz4);
        default:
                return guess(&p);
        }
}

/* What is left of a regular file, and how that begins. Return: 1; 0 it is none, or empty. */
static int look(int fd, Part *ret, uint8_t head[static FORMAT_MAGIC_MAX], size_t *ret_n) {
        struct stat st;
        off_t at = lseek(fd, 0, SEEK_CUR);

        if (at < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || at >= st.st_size)
                return 0;
        *ret = (Part){ fd, (uint64_t) at, (uint64_t) st.st_size };
        *ret_n = (size_t) MIN((uint64_t) FORMAT_MAGIC_MAX, ret->end - ret->at);
        return get(ret, ret->at, head, *ret_n);
}

uint64_t estimate_archive(int fd) {
        uint8_t head[FORMAT_MAGIC_MAX];
        Part p;
        size_t n;
        int f = look(fd, &p, head, &n) ? format_detect(head, n) : -ENODATA;

        return f < 0 ? 0 : estimate_unpacked(fd, (Format) f, p.at, p.end - p.at);
}

/* Looking for holes moves where the file stands. */
static uint64_t sum_data(int fd, uint64_t at, uint64_t size) {
        uint64_t sum = 0, begin = at, data, end;

        for (unsigned i = 0; at < size; i++) {
                if (i >= STEPS_MAX)
                        return extrapolate(sum, at - begin, size - begin);
                if (sparse_next(fd, at, size, &data, &end) < 0)
                        return 0;
                sum += end - data;
                at = end;
        }
        return sum;
}

uint64_t estimate_memory(int fd) {
        uint8_t head[FORMAT_MAGIC_MAX];
        Part p;
        size_t n;

        return MEMORY_BASE + (look(fd, &p, head, &n) && format_detect(head, n) != FORMAT_XZ
                                      ? 0
                                      : FILTER_XZ_MEMORY_MAX);
}

uint64_t estimate_data(int fd, uint64_t at, uint64_t size) {
        off_t stands = lseek(fd, 0, SEEK_CUR);
        uint64_t sum = sum_data(fd, at, size);

        /* What would be read from elsewhere later is better not read. */
        if (stands < 0 || lseek(fd, stands, SEEK_SET) != stands)
                return UINT64_MAX;
        return sum;
}

typedef struct Clusters {
        bool shares;
        uint64_t sum;
} Clusters;

static int add_piece(void *context, const Qcow2Piece *p, Error *e) {
        Clusters *c = context;

        if (p->type == QCOW2_PACKED || (p->type == QCOW2_DATA && !c->shares))
                c->sum = add(c->sum, p->n);
        return 0;
}

static uint64_t estimate_qcow2(int fd, bool shares) {
        _cleanup_(qcow2_done) Qcow2 q = {};
        Clusters c = { .shares = shares };
        uint64_t at = 0;

        if (qcow2_open(fd, &q, NULL) < 0)
                return 0;
        /* One table after another. */
        uint64_t step = UINT64_C(1) << (q.cluster_bits + q.l2_bits);
        for (unsigned i = 0; at < q.size && i < STEPS_MAX; i++, at = add(at, step))
                if (qcow2_find(&q, at, MIN(add(at, step), q.size), add_piece, &c, NULL) < 0)
                        return 0;
        return at < q.size ? extrapolate(c.sum, at, q.size) : c.sum;
}

uint64_t estimate_disk(int fd, bool shares, bool streams) {
        uint8_t head[FORMAT_MAGIC_MAX];
        Part p;
        size_t n;
        int f = look(fd, &p, head, &n) ? format_detect(head, n) : -ENODATA;

        if (f < 0)
                return 0;
        /* Most of what comes out may be holes. */
        if (f != FORMAT_PLAIN)
                return MIN(estimate_unpacked(fd, (Format) f, p.at, p.end - p.at), p.end - p.at);
        if (!qcow2_detect(head, n))
                return estimate_data(fd, p.at, p.end);
        return p.at > 0 ? p.end - p.at
                        : add(estimate_qcow2(fd, shares && !streams),
                              streams ? estimate_data(fd, 0, p.end) : 0);
}
