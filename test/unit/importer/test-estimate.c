/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What formats say of their size is found wherever they say it, and lies are seen through where that can be. */
#include "check.h"

#include <fcntl.h>
#include <lz4frame.h>
#include <lzma.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/fd.h"
#include "base/text.h"
#include "importer/estimate.h"
#include "importer/room.h"

#define PLAIN_SIZE ((size_t) 3 * 1024 * 1024)

static uint8_t plain[PLAIN_SIZE], packed[PLAIN_SIZE * 2];

/* Half of it cannot be packed. */
static void make_plain(void) {
        uint32_t x = 1;

        for (size_t i = 0; i < PLAIN_SIZE; i++) {
                x = x * 1664525 + 1013904223;
                plain[i] = i % 65536 < 32768 ? (uint8_t) (x >> 24) : 0;
        }
}

static size_t pack_gzip(size_t n) {
        z_stream s = {};

        assert_int_equal(deflateInit2(&s, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
        s.next_in = plain;
        s.avail_in = (uInt) n;
        s.next_out = packed;
        s.avail_out = sizeof packed;
        assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
        (void) deflateEnd(&s);
        return s.total_out;
}

static size_t pack_xz(size_t n) {
        size_t out = 0;

        assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, plain, n, packed, &out,
                                                 sizeof packed),
                         LZMA_OK);
        return out;
}

static size_t pack_zstd(size_t n) {
        size_t r = ZSTD_compress(packed, sizeof packed, plain, n, 1);

        assert_false(ZSTD_isError(r));
        return r;
}

/* By a stream, whose length nobody knows in the beginning. */
static size_t pack_zstd_stream(size_t n) {
        ZSTD_CCtx *c = ZSTD_createCCtx();
        ZSTD_inBuffer in = { plain, n, 0 };
        ZSTD_outBuffer out = { packed, sizeof packed, 0 };

        (void) ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
        while (in.pos < in.size)
                assert_false(ZSTD_isError(ZSTD_compressStream2(c, &out, &in, ZSTD_e_continue)));
        assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
        (void) ZSTD_freeCCtx(c);
        return out.pos;
}

static size_t pack_lz4_with(size_t n, bool has_size) {
        const LZ4F_preferences_t how = {
                .frameInfo = { .blockSizeID = LZ4F_max64KB,
                               .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                               .blockChecksumFlag = LZ4F_blockChecksumEnabled,
                               .contentSize = has_size ? n : 0 },
        };
        size_t r = LZ4F_compressFrame(packed, sizeof packed, plain, n, &how);

        assert_false(LZ4F_isError(r));
        return r;
}

static size_t pack_lz4(size_t n) {
        return pack_lz4_with(n, true);
}

static size_t pack_lz4_stream(size_t n) {
        return pack_lz4_with(n, false);
}

static int make_file(const void *data, size_t n) {
        int fd = memfd_create("packed", MFD_CLOEXEC);

        assert_true(fd >= 0 && fd_write_all(fd, data, n) >= 0 && lseek(fd, 0, SEEK_SET) == 0);
        return fd;
}

static const struct {
        size_t (*pack)(size_t n);
        bool adds;      /* one file behind the other is one with both, and said to be */
        uint64_t slack; /* where blocks are counted */
        uint64_t
                share; /* where they do not say how long they are, and may be short: no less than this part */
} packers[] = {
        { pack_gzip, false, 0, 1 }, { pack_xz, true, 0, 1 },
        { pack_zstd, true, 0, 1 },  { pack_zstd_stream, true, 512 * 1024, 2 },
        { pack_lz4, true, 0, 1 },   { pack_lz4_stream, true, 64 * 1024, 1 },
};

static void test_sizes(void **state) {
        static const size_t sizes[] = { 1, 255, 256, 70000, PLAIN_SIZE };

        for (size_t i = 0; i < ELEMENTSOF(packers); i++)
                for (size_t k = 0; k < ELEMENTSOF(sizes); k++) {
                        size_t n = packers[i].pack(sizes[k]);
                        _cleanup_fd_ int fd = make_file(packed, n);
                        uint64_t found = estimate_archive(fd);

                        /* What grew is as long as it is: there gzip cannot be believed. */
                        if (i == 0 && sizes[k] < n)
                                continue;
                        CHECK_EQ(found + packers[i].slack >= sizes[k] / packers[i].share &&
                                         found <= sizes[k] + packers[i].slack,
                                 true, "packer %zu, %zu bytes: %llu", i, sizes[k],
                                 (unsigned long long) found);
                        CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0, "packer %zu: where it stands", i);
                }
}

static void test_several(void **state) {
        static const uint8_t skippable[] = { 0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3 };

        for (size_t i = 0; i < ELEMENTSOF(packers); i++) {
                _cleanup_(buf_done) Buf all = {};
                size_t n = packers[i].pack(PLAIN_SIZE);
                bool has_skippable = i >= 2;

                assert_int_equal(buf_append(&all, packed, n), 0);
                if (has_skippable)
                        assert_int_equal(buf_append(&all, skippable, sizeof skippable), 0);
                n = packers[i].pack(PLAIN_SIZE / 2);
                assert_int_equal(buf_append(&all, packed, n), 0);
                _cleanup_fd_ int fd = make_file(all.p, all.n);
                uint64_t found = estimate_archive(fd), wanted = PLAIN_SIZE + PLAIN_SIZE / 2;
                if (packers[i].adds)
                        CHECK_EQ(found + 2 * packers[i].slack >= wanted / packers[i].share &&
                                         found <=
                                                 wanted + (packers[i].share - 1) * packers[i].slack,
                                 true, "packer %zu: %llu", i, (unsigned long long) found);
                /* The size at the end is not even that of the file: it is not believed. */
                else
                        CHECK_EQ(found, all.n + all.n / 2, "packer %zu", i);
        }
}

/* Of many blocks the first are looked at. */
static void test_many_blocks(void **state) {
        const size_t n = 256 * 1024, step = 64;
        ZSTD_CCtx *c = ZSTD_createCCtx();
        ZSTD_outBuffer out = { packed, sizeof packed, 0 };

        for (size_t at = 0; at < n; at += step) {
                ZSTD_inBuffer in = { plain + at, step, 0 };
                assert_int_equal(ZSTD_compressStream2(c, &out, &in, ZSTD_e_flush), 0);
        }
        assert_int_equal(ZSTD_compressStream2(c, &out, &(ZSTD_inBuffer){}, ZSTD_e_end), 0);
        (void) ZSTD_freeCCtx(c);
        _cleanup_fd_ int fd = make_file(packed, out.pos);
        uint64_t found = estimate_archive(fd);
        CHECK_EQ(found > n / 2, true, "%llu", (unsigned long long) found);
}

/* Cut off anywhere there is an estimate, or none; it is never more than was true. */
static void test_cut(void **state) {
        for (size_t i = 1; i < ELEMENTSOF(packers); i++) {
                size_t n = packers[i].pack(70000);

                for (size_t k = 0; k < n; k += k < 64 || k > n - 64 ? 1 : 997) {
                        _cleanup_fd_ int fd = make_file(packed, k);
                        CHECK_EQ(estimate_archive(fd) <= 70000 * 3, true, "packer %zu at %zu", i,
                                 k);
                }
        }
}

static void test_lies(void **state) {
        size_t n = pack_gzip(PLAIN_SIZE);

        memset(packed + n - 4, 0xff, 4);
        _cleanup_fd_ int fd = make_file(packed, n);
        CHECK_EQ(estimate_archive(fd) < UINT64_C(4) << 30, true, "gzip: more than deflate can");

        /* A frame of zstd that is as large as can be said. */
        static const uint8_t huge[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0xff, 0xff, 0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xff, 1,    0,    0,
                                        0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0xff, 0xff, 0xff,
                                        0xff, 0xff, 0xff, 0xff, 0xff, 1,    0,    0 };
        _cleanup_fd_ int two = make_file(huge, sizeof huge);
        CHECK_EQ(estimate_archive(two), UINT64_MAX, "the sum does not begin again");

        _cleanup_fd_ int plainly = make_file(plain, 1000);
        CHECK_EQ(estimate_archive(plainly), 1000, "not packed");
        assert_int_equal(lseek(plainly, 400, SEEK_SET), 400);
        CHECK_EQ(estimate_archive(plainly), 600, "the rest of it");
        CHECK_EQ(estimate_archive(STDIN_FILENO) == 0 || lseek(STDIN_FILENO, 0, SEEK_CUR) >= 0, true,
                 "no file");
}

static void test_disk(void **state) {
        _cleanup_fd_ int fd = memfd_create("disk", MFD_CLOEXEC);

        assert_true(fd >= 0 && ftruncate(fd, INT64_C(1) << 40) >= 0);
        assert_int_equal(pwrite(fd, plain, 65536, INT64_C(1) << 30), 65536);
        uint64_t n = estimate_disk(fd, false, false);
        CHECK_EQ(n >= 65536 && n <= 1 << 22, true, "holes: %llu", (unsigned long long) n);

        size_t k = pack_zstd(PLAIN_SIZE);
        _cleanup_fd_ int zstd = make_file(packed, k);
        CHECK_EQ(estimate_disk(zstd, false, false), k, "packed: as much at least");
}

static void test_room(void **state) {
        const Room small = { .free = 300 << 20, .place = "/var (ext4)" };
        const Room packs = { .free = 300 << 20, .packs = true, .place = "/x (btrfs)" };
        const Room unknown = { .free = ROOM_UNKNOWN };
        Error e = {};

        CHECK_EQ(room_check(&small, 300 << 20, &e), 0, "fits");
        CHECK_EQ(room_check(&small, 0, &e), 0, "unknown");
        CHECK_EQ(room_check(&unknown, UINT64_MAX, &e), 0, "unknown room");
        CHECK_EQ(room_check(&packs, 600 << 20, &e), 0, "packs");
        CHECK_EQ(room_check(&small, UINT64_C(1434) << 20, &e), -ENOSPC, "does not fit");
        CHECK_STR(e.text, "needs about 1.4 GiB, but /var (ext4) has 300 MiB free", "sentence");
        CHECK_EQ(room_check(&packs, UINT64_C(601) << 20, &e), -ENOSPC, "does not fit");
}

static void test_room_of_a_place(void **state) {
        _cleanup_fd_ int fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_fd_ int dev = open("/dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Room room;

        assert_true(fd >= 0 && dev >= 0);
        room_look(fd, "/proc/self", &room);
        CHECK_EQ(room.free, ROOM_UNKNOWN, "has no blocks");
        room_look(dev, "elsewhere", &room);
        if (room.free != ROOM_UNKNOWN)
                CHECK_EQ(strchr(room.place, '(') != NULL || strcmp(room.place, "elsewhere") == 0,
                         true, "'%s'", room.place);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sizes),       cmocka_unit_test(test_several),
                cmocka_unit_test(test_many_blocks), cmocka_unit_test(test_cut),
                cmocka_unit_test(test_lies),        cmocka_unit_test(test_disk),
                cmocka_unit_test(test_room),        cmocka_unit_test(test_room_of_a_place),
        };

        make_plain();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
