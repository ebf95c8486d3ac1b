/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks in qcow2 images that are put together by hand: what is in them comes out, what another file is needed for is
 * refused, and what makes no sense is found before anything follows it. */
#include "check.h"

#include <endian.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/fd.h"
#include "base/text.h"
#include "importer/qcow2.h"

#define BITS      14
#define CLUSTER   ((size_t) 1 << BITS)
#define IMAGE_MAX (24 * CLUSTER)
#define PACKED    (UINT64_C(1) << 62)
/* Which cluster of the file is what. */
#define L1_AT   CLUSTER
#define L2_AT   (2 * CLUSTER)
#define DATA_AT (3 * CLUSTER)
#define PART    (CLUSTER / 32)

typedef struct Image {
        uint8_t p[IMAGE_MAX];
        size_t n; /* as long is the file */
} Image;

static void put32(Image *i, size_t at, uint32_t v) {
        v = htobe32(v);
        memcpy(i->p + at, &v, sizeof v);
}

static void put64(Image *i, size_t at, uint64_t v) {
        v = htobe64(v);
        memcpy(i->p + at, &v, sizeof v);
}

static void entry(Image *i, unsigned index, uint64_t v) {
        put64(i, L2_AT + index * sizeof v, v);
}

/* A cluster or so of something, another for each @seed. */
static void noise(uint8_t *p, size_t n, unsigned seed) {
        uint32_t v = seed * 7919 + 1;

        for (size_t k = 0; k < n; k++) {
                v = v * 1664525 + 1013904223;
                p[k] = (uint8_t) (k % 3 ? seed : v >> 24 | 1);
        }
}

/* An empty disk of @size bytes without reference counts, which only writers need. */
static Image *image_new(unsigned version, uint64_t size) {
        Image *i = calloc(1, sizeof *i);

        assert_non_null(i);
        memcpy(i->p, "QFI\xfb", 4);
        put32(i, 4, version);
        put32(i, 20, BITS);
        put64(i, 24, size);
        put32(i, 36, 1);
        put64(i, 40, L1_AT);
        if (version >= 3) {
                put32(i, 96, 4);
                put32(i, 100, 104);
        }
        put64(i, L1_AT, L2_AT);
        i->n = DATA_AT;
        return i;
}

/* One more cluster in the file. Return: where. */
static uint64_t add(Image *i, unsigned seed) {
        size_t at = (i->n + CLUSTER - 1) / CLUSTER * CLUSTER;

        assert_true(at + CLUSTER <= IMAGE_MAX);
        noise(i->p + at, CLUSTER, seed);
        i->n = at + CLUSTER;
        return at;
}

static size_t pack(bool zstd, const uint8_t *in, uint8_t *out, size_t size) {
        if (zstd) {
                size_t n = ZSTD_compress(out, size, in, CLUSTER, 3);
                assert_false(ZSTD_isError(n));
                return n;
        }
        z_stream z = { .next_in = (Bytef *) in,
                       .avail_in = (uInt) CLUSTER,
                       .next_out = out,
                       .avail_out = (uInt) size };
        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -12, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        (void) deflateEnd(&z);
        return z.total_out;
}

/* A packed cluster at any byte of the file. Return: its entry. */
static uint64_t add_packed(Image *i, bool zstd, size_t at, unsigned seed) {
        uint8_t *plain = malloc(CLUSTER);

        noise(plain, CLUSTER, seed);
        size_t n = pack(zstd, plain, i->p + at, IMAGE_MAX - at);
        free(plain);
        i->n = at + n;
        uint64_t sectors = (at % 512 + n - 1) / 512;
        return PACKED | sectors << (62 - (BITS - 8)) | at;
}

static int unpack_limited(const Image *i, Buf *out, uint64_t max, Error *e) {
        _cleanup_fd_ int from = memfd_create("qcow2", MFD_CLOEXEC),
                         to = memfd_create("disk", MFD_CLOEXEC);
        const Qcow2Progress progress = { .max_written = max };
        _cleanup_(qcow2_done) Qcow2 q = {};
        struct stat st;

        assert_true(from >= 0 && to >= 0 && fd_write_all(from, i->p, i->n) >= 0);
        *e = (Error){};
        int r = qcow2_open(from, &q, e);
        if (r >= 0)
                r = qcow2_unpack(&q, to, &progress, e);
        assert_true(r >= 0 || (e->code == r && e->text[0]));
        if (r < 0)
                return r;
        assert_true(fstat(to, &st) >= 0);
        assert_int_equal(buf_reserve(out, (size_t) st.st_size + 1), 0);
        assert_int_equal(pread(to, out->p, (size_t) st.st_size, 0), st.st_size);
        out->n = (size_t) st.st_size;
        return 0;
}

/* What a place of the disk has to be: -1 zeroes, else noise of that seed. */
static void check_cluster(const Buf *disk, size_t at, size_t n, int seed, const char *what) {
        uint8_t *wanted = calloc(1, CLUSTER);

        if (seed >= 0)
                noise(wanted, CLUSTER, (unsigned) seed);
        CHECK_EQ(at + n <= disk->n && memcmp(disk->p + at, wanted, n) == 0, 1, "%s at %zu", what,
                 at);
        free(wanted);
}

static void check_disk(const Image *i, size_t size, const int *seeds, const char *what) {
        _cleanup_(buf_done) Buf disk = {};
        Error e;
        int r = unpack_limited(i, &disk, UINT64_MAX, &e);

        CHECK_EQ(r, 0, "%s: %s", what, e.text);
        CHECK_EQ(disk.n, size, "%s", what);
        for (size_t at = 0; at < size; at += CLUSTER)
                check_cluster(&disk, at, MIN(CLUSTER, size - at), seeds[at / CLUSTER], what);
}

/* Clusters in any order, some of them missing, the last one not a whole one. */
static void clusters(void **state) {
        static const int seeds[] = { 3, -1, 1, 2, -1, 4 };
        const size_t size = 5 * CLUSTER + 1000;

        for (unsigned version = 2; version <= 3; version++) {
                _cleanup_free_ Image *i = image_new(version, size);
                const uint64_t used = UINT64_C(1) << 63;

                entry(i, 2, add(i, 1) | used);
                entry(i, 3, add(i, 2) | used);
                entry(i, 0, add(i, 3)); /* shared with a snapshot */
                entry(i, 5, add(i, 4) | used);
                check_disk(i, size, seeds, version == 2 ? "version 2" : "version 3");

                /* The last cluster of the file need not be a whole one either. */
                i->n -= CLUSTER - 1000;
                check_disk(i, size, seeds, "without its end");
        }
}

static void empty(void **state) {
        static const int seeds[] = { -1, -1 };
        _cleanup_free_ Image *i = image_new(3, 2 * CLUSTER);

        check_disk(i, 2 * CLUSTER, seeds, "no clusters");
        put64(i, L1_AT, 0);
        check_disk(i, 2 * CLUSTER, seeds, "no table");
        put64(i, 24, 0);
        put32(i, 36, 0);
        check_disk(i, 0, seeds, "no disk");
}

/* Of version 3: zeroes, whether there is a cluster or not. */
static void zeroes(void **state) {
        static const int seeds[] = { -1, -1, 1 };
        _cleanup_free_ Image *i = image_new(3, 3 * CLUSTER);

        entry(i, 0, 1);
        entry(i, 1, add(i, 9) | 1);
        entry(i, 2, add(i, 1));
        check_disk(i, 3 * CLUSTER, seeds, "zeroes");
}

/* Packed clusters lie anywhere, and several in a sector. */
static void packed(void **state) {
        static const int seeds[] = { 5, 6, -1, 7, 8 };

        for (int zstd = 0; zstd < 2; zstd++) {
                _cleanup_free_ Image *i = image_new(zstd ? 3 : 2, 5 * CLUSTER);

                if (zstd) {
                        put64(i, 72, 1 << 3);
                        put32(i, 100, 112);
                        i->p[104] = 1;
                }
                entry(i, 0, add_packed(i, zstd, DATA_AT + CLUSTER - 77, 5));
                assert_true(i->n > DATA_AT + CLUSTER);
                entry(i, 1, add_packed(i, zstd, i->n, 6));
                entry(i, 3, add(i, 7));
                entry(i, 4, add_packed(i, zstd, i->n, 8));
                check_disk(i, 5 * CLUSTER, seeds, zstd ? "zstd" : "zlib");

                Error e;
                _cleanup_(buf_done) Buf out = {}, none = {};
                CHECK_EQ(unpack_limited(i, &out, 3 * CLUSTER, &e), -EFBIG, "limit");
                i->n -= 600;
                CHECK_EQ(unpack_limited(i, &none, UINT64_MAX, &e), -EBADMSG, "cut in a packed one");
                assert_non_null(strstr(e.text, "packed cluster at byte 65536 "));
        }
}

/* Entries of two numbers, which say of 32 parts of a cluster whether they are there. */
static void parts(void **state) {
        _cleanup_free_ Image *i = image_new(3, 2 * CLUSTER);
        _cleanup_(buf_done) Buf disk = {}, none = {};
        const uint32_t there = 0x80000105, zero = 0x2;
        uint8_t wanted[CLUSTER];
        Error e;

        put64(i, 72, 1 << 4);
        put64(i, L2_AT, add(i, 1));
        put64(i, L2_AT + 8, (uint64_t) zero << 32 | there);
        put64(i, L2_AT + 16, add_packed(i, false, i->n, 2));
        CHECK_EQ(unpack_limited(i, &disk, UINT64_MAX, &e), 0, "%s", e.text);
        CHECK_EQ(disk.n, 2 * CLUSTER, "parts");
        noise(wanted, CLUSTER, 1);
        for (unsigned k = 0; k < 32; k++) {
                if (!(there & UINT32_C(1) << k))
                        memset(wanted + k * PART, 0, PART);
                CHECK_EQ(memcmp(disk.p + k * PART, wanted + k * PART, PART), 0, "part %u", k);
        }
        check_cluster(&disk, CLUSTER, CLUSTER, 2, "packed");

        put64(i, L2_AT + 8, (uint64_t) 1 << 32 | there);
        CHECK_EQ(unpack_limited(i, &none, UINT64_MAX, &e), -EBADMSG, "both");
}

/* What is altered of an image that is right but for that. */
static const struct {
        const char *what;
        size_t at;
        unsigned bytes;
        uint64_t v;
        int r;
        const char *text;
} rows[] = {
        { "magic", 0, 4, 0, -EBADMSG, "no header" },
        { "version", 4, 4, 4, -EOPNOTSUPP, "neither 2 nor 3" },
        { "backing file", 8, 8, 512, -EOPNOTSUPP, "backing file" },
        { "small clusters", 20, 4, 8, -EBADMSG, "size of its clusters" },
        { "large clusters", 20, 4, 22, -EBADMSG, "size of its clusters" },
        { "no end of clusters", 20, 4, UINT32_MAX, -EBADMSG, "size of its clusters" },
        { "size of the disk", 24, 8, UINT64_MAX, -EBADMSG, "size of its" },
        { "negative disk", 24, 8, (uint64_t) INT64_MAX, -EBADMSG, "size of its" },
        { "AES", 32, 4, 1, -EOPNOTSUPP, "encrypted" },
        { "LUKS", 32, 4, 2, -EOPNOTSUPP, "encrypted" },
        { "no first level", 36, 4, 0, -EBADMSG, "table of the first level" },
        { "huge first level", 36, 4, UINT32_MAX, -EBADMSG, "table of the first level" },
        { "odd first level", 40, 8, L1_AT + 8, -EBADMSG, "table of the first level" },
        { "first level outside", 40, 8, IMAGE_MAX, -EBADMSG, "first level is cut off" },
        { "first level at the end of numbers", 40, 8, -CLUSTER, -EBADMSG, "first level" },
        { "counts outside", 48, 8, IMAGE_MAX, -EBADMSG, "reference counts" },
        { "dirty", 72, 8, 1, -EOPNOTSUPP, "not closed" },
        { "corrupt", 72, 8, 2, -EOPNOTSUPP, "marked as corrupt" },
        { "data elsewhere", 72, 8, 4, -EOPNOTSUPP, "another file" },
        { "packing unknown", 72, 8, 8, -EBADMSG, "how it is packed" },
        { "unknown", 72, 8, 1 << 5, -EOPNOTSUPP, "not known here" },
        { "counts too wide", 96, 4, 7, -EBADMSG, "size of its reference counts" },
        { "short header", 100, 4, 96, -EBADMSG, "length of its header" },
        { "long header", 100, 4, 2 * CLUSTER, -EBADMSG, "length of its header" },
        { "odd second level", L1_AT, 8, L2_AT + 512, -EBADMSG, "table of the second level" },
        { "second level outside", L1_AT, 8, IMAGE_MAX, -EBADMSG, "table of the second level" },
        { "odd cluster", L2_AT, 8, DATA_AT + 512, -EBADMSG, "place of a cluster" },
        { "cluster outside", L2_AT, 8, IMAGE_MAX, -EBADMSG, "place of a cluster" },
        { "packed outside", L2_AT, 8, PACKED | IMAGE_MAX, -EBADMSG, "place of a packed cluster" },
        { "nothing packed", L2_AT, 8, PACKED | L2_AT | 512, -EBADMSG, "packed cluster at byte 0 " },
};

static void altered(void **state) {
        for (size_t k = 0; k < ELEMENTSOF(rows); k++) {
                _cleanup_free_ Image *i = image_new(3, 2 * CLUSTER);
                _cleanup_(buf_done) Buf whole = {}, out = {};
                Error e;

                entry(i, 0, add(i, 1));
                CHECK_EQ(unpack_limited(i, &whole, UINT64_MAX, &e), 0, "%s", e.text);
                if (rows[k].bytes == 4)
                        put32(i, rows[k].at, (uint32_t) rows[k].v);
                else
                        put64(i, rows[k].at, rows[k].v);
                CHECK_EQ(unpack_limited(i, &out, UINT64_MAX, &e), rows[k].r, "%s: %s", rows[k].what,
                         e.text);
                CHECK_EQ(strstr(e.text, rows[k].text) != NULL, 1, "%s: %s", rows[k].what, e.text);
        }
}

/* Wherever the file is cut, something is said to be missing, and what is. */
static void cut(void **state) {
        static const struct {
                size_t n;
                const char *text;
        } cuts[] = {
                { 0, "no header" },
                { 71, "no header" },
                { 103, "no header" },
                { L1_AT, "first level is cut off" },
                { L1_AT + 7, "first level is cut off" },
                { L2_AT, "table of the second level" },
                { L2_AT + 8, "second level is cut off" },
                { DATA_AT, "place of a cluster" },
        };

        for (size_t k = 0; k < ELEMENTSOF(cuts); k++) {
                _cleanup_free_ Image *i = image_new(3, 2 * CLUSTER);
                _cleanup_(buf_done) Buf out = {};
                Error e;

                entry(i, 1, add(i, 1));
                i->n = cuts[k].n;
                CHECK_EQ(unpack_limited(i, &out, UINT64_MAX, &e), -EBADMSG, "cut at %zu",
                         cuts[k].n);
                CHECK_EQ(strstr(e.text, cuts[k].text) != NULL, 1, "cut at %zu: %s", cuts[k].n,
                         e.text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(clusters), cmocka_unit_test(empty), cmocka_unit_test(zeroes),
                cmocka_unit_test(packed),   cmocka_unit_test(parts), cmocka_unit_test(altered),
                cmocka_unit_test(cut),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
