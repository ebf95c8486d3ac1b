/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks of bzip2, beside libbz2: what that packs comes out the same; what is cut or altered does not come out as if
 * it were whole. */
#include "check.h"

#include <bzlib.h>

#include "base/text.h"
#include "importer/bits.h"
#include "importer/bzip2-block.h"
#include "importer/filter.h"

#define HEADER_BYTES 4

static Buf pack(const Buf *in, int level) {
        unsigned n = (unsigned) (in->n + in->n / 100 + 600);
        Buf out = {};

        assert_int_equal(buf_reserve(&out, n), 0);
        assert_int_equal(BZ2_bzBuffToBuffCompress(out.p, &n, in->p, (unsigned) in->n, level, 0, 0),
                         BZ_OK);
        out.n = n;
        return out;
}

/* Bits of a stream of one block, without what is behind that block. */
static uint64_t block_end(const Buf *b) {
        uint64_t at = b->n * 8 - BZIP2_MARK_BITS - 32;

        while (bits_at((const uint8_t *) b->p, at, BZIP2_MARK_BITS) != BZIP2_MARK_END)
                at--;
        return at;
}

static int unpack(Bzip2Block *b, const uint8_t *p, size_t size, uint64_t at, uint64_t n,
                  unsigned level, size_t step, Buf *out) {
        _cleanup_free_ uint8_t *some = malloc(step);
        size_t k;
        int r = bzip2_block_decode(b, p, size, at, n, level);

        while (r >= 0 && (r = bzip2_block_read(b, some, step, &k)) > 0) {
                assert_true(k <= step);
                assert_int_equal(buf_append(out, some, k), 0);
        }
        return r;
}

static uint32_t next(uint32_t *v) {
        *v = *v * 1664525 + 1013904223;
        return *v >> 16;
}

/* Bytes below @letters, each up to @run times. */
static Buf content(size_t n, unsigned letters, unsigned run) {
        uint32_t v = letters * 31 + run;
        Buf b = {};

        while (b.n < n) {
                char c = (char) (next(&v) % letters * (256 / letters));
                for (unsigned k = 1 + next(&v) % run; k > 0 && b.n < n; k--)
                        assert_int_equal(buf_append(&b, &c, 1), 0);
        }
        return b;
}

static const struct {
        size_t n;
        unsigned letters, run;
        int level;
} rows[] = {
        { 1, 1, 1, 1 },         { 2, 2, 1, 9 },       { 3, 2, 1, 9 },     { 4, 1, 4, 1 },
        { 5, 1, 5, 1 },         { 259, 1, 300, 1 },   { 260, 1, 300, 1 }, { 5000, 256, 1, 1 },
        { 90000, 256, 1, 1 },   { 95000, 2, 1, 1 },   { 80000, 7, 9, 1 }, { 70000, 40, 300, 1 },
        { 4000000, 1, 1, 9 },   { 800000, 90, 3, 9 }, { 11, 11, 1, 3 },   { 899900, 256, 1, 9 },
        { 300000, 3, 1000, 2 },
};

static void same_as_libbz2(void **state) {
        _cleanup_(bzip2_block_freep) Bzip2Block *b = NULL;

        assert_int_equal(bzip2_block_new(&b), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf in = content(rows[i].n, rows[i].letters, rows[i].run);
                _cleanup_(buf_done) Buf packed = pack(&in, rows[i].level), shifted = {};
                uint64_t end = block_end(&packed);

                for (unsigned shift = 0; shift < 8; shift += 3) {
                        static const uint8_t ones[] = { 0xff };
                        _cleanup_(buf_done) Buf out = {};
                        Bits bits = {};

                        assert_int_equal(bits_append(&bits, ones, 0, shift), 0);
                        assert_int_equal(bits_append(&bits, (uint8_t *) packed.p, HEADER_BYTES * 8,
                                                     end - HEADER_BYTES * 8),
                                         0);
                        buf_done(&shifted);
                        shifted = bits.bytes;
                        CHECK_EQ(unpack(b, (uint8_t *) shifted.p, shifted.n, shift,
                                        end - HEADER_BYTES * 8, (unsigned) rows[i].level,
                                        shift ? 100000 : 300, &out),
                                 0, "row %zu at bit %u", i, shift);
                        CHECK_EQ(out.n, in.n, "row %zu", i);
                        assert_memory_equal(out.p, in.p, in.n);
                }
        }
}

static void not_whole(void **state) {
        _cleanup_(bzip2_block_freep) Bzip2Block *b = NULL;
        _cleanup_(buf_done) Buf in = content(30000, 60, 6), packed = pack(&in, 1);
        const uint8_t *p = (uint8_t *) packed.p;
        uint64_t at = HEADER_BYTES * 8, n = block_end(&packed) - at;
        uint32_t v = 1;

        assert_int_equal(bzip2_block_new(&b), 0);
        for (uint64_t k = 0; k < n; k += 1 + k / 50) {
                _cleanup_(buf_done) Buf out = {};
                size_t size = (size_t) ((at + k + 7) / 8);
                CHECK_EQ(unpack(b, p, size, at, k, 1, 4096, &out), -EBADMSG, "cut at bit %ju",
                         (uintmax_t) k);
                CHECK_EQ(out.n, 0, "cut at bit %ju", (uintmax_t) k);
        }
        _cleanup_(buf_done) Buf more = {};
        CHECK_EQ(unpack(b, p, packed.n, at, n + 1, 1, 4096, &more), -EBADMSG, "a bit more");
        CHECK_EQ(unpack(b, p, packed.n, at, n, 1, 4096, &more), 0, "all of it");
        for (unsigned i = 0; i < 2000; i++) {
                _cleanup_(buf_done) Buf out = {}, copy = {};
                size_t k = HEADER_BYTES + (i < 200 ? i : next(&v) * 7 % (packed.n - 16));

                assert_int_equal(buf_append(&copy, packed.p, packed.n), 0);
                copy.p[k] = (char) (copy.p[k] ^ (1 << i % 8));
                int r = unpack(b, (uint8_t *) copy.p, copy.n, at, n, 1, 4096, &out);
                assert_true(r == -EBADMSG || (r == -EOPNOTSUPP && k == 14) ||
                            (r == 0 && out.n == in.n && memcmp(out.p, in.p, in.n) == 0));
        }
}

/* A block that is made for some five hundred thousand bytes is none of a stream of level 1. */
static void too_large(void **state) {
        _cleanup_(bzip2_block_freep) Bzip2Block *b = NULL;
        _cleanup_(buf_done) Buf in = content(499000, 100, 1), packed = pack(&in, 9), out = {};
        uint64_t at = HEADER_BYTES * 8, n = block_end(&packed) - at;

        assert_int_equal(bzip2_block_new(&b), 0);
        CHECK_EQ(unpack(b, (uint8_t *) packed.p, packed.n, at, n, 4, 4096, &out), -EBADMSG, "4");
        CHECK_EQ(unpack(b, (uint8_t *) packed.p, packed.n, at, n, 5, 4096, &out), 0, "5");
}

/* Keeps what comes. */
typedef struct Keeper {
        Stage stage;
        Buf *into;
} Keeper;

static int keeper_push(Stage *s, const void *data, size_t n, Error *e) {
        return buf_append(((Keeper *) s)->into, data, n);
}

static int keeper_end(Stage *s, Error *e) {
        return 0;
}

static void keeper_free(Stage *s) {
        free(s);
}

/* What libbz2 makes of it, whatever it says in the end. */
static Buf libbz2_output(const Buf *in, size_t size) {
        bz_stream z = { .next_in = in->p, .avail_in = (unsigned) in->n };
        Buf out = {};

        assert_int_equal(buf_reserve(&out, size), 0);
        z.next_out = out.p;
        z.avail_out = (unsigned) size;
        assert_int_equal(BZ2_bzDecompressInit(&z, 0, 0), BZ_OK);
        while (z.avail_out > 0 && BZ2_bzDecompress(&z) == BZ_OK)
                ;
        out.n = size - z.avail_out;
        (void) BZ2_bzDecompressEnd(&z);
        return out;
}

/* Nothing makes blocks any more whose bytes are changed at random; this makes one of another, of which it then says
 * what libbz2 takes it for. */
static void made_random(void **state) {
        static const StageOps ops = { .push = keeper_push, .end = keeper_end, .free = keeper_free };
        static const uint8_t mark[] = { 0x17, 0x72, 0x45, 0x38, 0x50, 0x90 };
        _cleanup_(buf_done) Buf in = {}, out = {};
        _cleanup_(stage_freep) Stage *chain = NULL;
        Keeper *k = calloc(1, sizeof *k);

        for (unsigned i = 0; i < 50000; i++)
                assert_int_equal(buf_append(&in, i % 2 ? "b" : "e", 1), 0);
        _cleanup_(buf_done) Buf packed = pack(&in, 1);
        packed.p[14] = (char) (packed.p[14] | 0x80);
        _cleanup_(buf_done) Buf meant = libbz2_output(&packed, in.n);
        CHECK_EQ(meant.n, in.n, "libbz2");
        assert_true(memcmp(meant.p, in.p, in.n) != 0);
        _cleanup_(buf_done) Buf other = pack(&meant, 1);
        memcpy(packed.p + 10, other.p + 10, 4);

        Bits b = {};
        assert_int_equal(bits_append(&b, (uint8_t *) packed.p, 0, block_end(&packed)), 0);
        assert_int_equal(bits_append(&b, mark, 0, BZIP2_MARK_BITS), 0);
        assert_int_equal(bits_append(&b, (uint8_t *) other.p + 10, 0, 32), 0);
        _cleanup_(buf_done) Buf stream = b.bytes;

        *k = (Keeper){ .stage = { .ops = &ops }, .into = &out };
        assert_int_equal(filter_bzip2_new(&k->stage, &chain, NULL), 0);
        assert_int_equal(stage_push(chain, stream.p, stream.n, NULL), 0);
        assert_int_equal(stage_end(chain, NULL), 0);
        CHECK_EQ(out.n, meant.n, "random");
        assert_memory_equal(out.p, meant.p, meant.n);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(same_as_libbz2),
                cmocka_unit_test(not_whole),
                cmocka_unit_test(too_large),
                cmocka_unit_test(made_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
