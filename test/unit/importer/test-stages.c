/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chain without its sink: what is packed comes out as it was, however it is cut; what is cut off or
 * altered does not come out as if it were whole. */
#include "check.h"

#include <bzlib.h>
#include <lz4frame.h>
#include <lzma.h>
#include <openssl/evp.h>
#include <zlib.h>
#include <zstd.h>

#include "base/text.h"
#include "importer/compress.h"
#include "importer/filter.h"
#include "importer/relay.h"
#include "importer/verify.h"

#define CONTENT_SIZE ((size_t) 900 * 1000) /* more than one block of all queues and filters */

/* A sink that keeps everything. */
typedef struct Keeper {
        Stage stage;
        Buf *into;
        bool *ended;
        int fail; /* errno to give after the first bytes; 0 = never */
} Keeper;

static int keeper_push(Stage *s, const void *data, size_t n, Error *e) {
        Keeper *k = (Keeper *) s;

        if (k->fail > 0 && k->into->n > 0)
                return error_set(e, k->fail, "the sink had enough");
        return buf_append(k->into, data, n);
}

static int keeper_end(Stage *s, Error *e) {
        *((Keeper *) s)->ended = true;
        return 0;
}

static void keeper_free(Stage *s) {
        free(s);
}

static const StageOps keeper_ops = { .push = keeper_push, .end = keeper_end, .free = keeper_free };

static Stage *keeper_new(Buf *into, bool *ended, int fail) {
        Keeper *k = calloc(1, sizeof *k);

        *k = (Keeper){
                .stage = { .ops = &keeper_ops }, .into = into, .ended = ended, .fail = fail
        };
        return &k->stage;
}

static Buf content(void) {
        Buf b = {};
        uint32_t v = 1;

        /* Text that packs, and noise that does not. */
        while (b.n < CONTENT_SIZE) {
                v = v * 1664525 + 1013904223;
                assert_int_equal(b.n % 7 < 4 ? buf_printf(&b, "line %zu of the content\n", b.n)
                                             : buf_append(&b, &v, sizeof v),
                                 0);
        }
        return b;
}

static Buf pack_gzip(const Buf *in) {
        z_stream z = {};
        Buf out = {};

        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(buf_reserve(&out, deflateBound(&z, in->n)), 0);
        z.next_in = (Bytef *) in->p;
        z.avail_in = (uInt) in->n;
        z.next_out = (Bytef *) out.p;
        z.avail_out = (uInt) out.size;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        out.n = z.total_out;
        (void) deflateEnd(&z);
        return out;
}

static Buf pack_bzip2(const Buf *in) {
        unsigned n = (unsigned) (in->n + in->n / 100 + 600);
        Buf out = {};

        assert_int_equal(buf_reserve(&out, n), 0);
        assert_int_equal(BZ2_bzBuffToBuffCompress(out.p, &n, in->p, (unsigned) in->n, 1, 0, 0),
                         BZ_OK);
        out.n = n;
        return out;
}

static Buf pack_xz(const Buf *in) {
        size_t size = lzma_stream_buffer_bound(in->n);
        Buf out = {};

        assert_int_equal(buf_reserve(&out, size), 0);
        assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, (uint8_t *) in->p,
                                                 in->n, (uint8_t *) out.p, &out.n, size),
                         LZMA_OK);
        return out;
}

static Buf pack_zstd(const Buf *in) {
        ZSTD_CCtx *c = ZSTD_createCCtx();
        Buf out = {};

        assert_int_equal(buf_reserve(&out, ZSTD_compressBound(in->n)), 0);
        (void) ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
        out.n = ZSTD_compress2(c, out.p, out.size, in->p, in->n);
        assert_false(ZSTD_isError(out.n));
        (void) ZSTD_freeCCtx(c);
        return out;
}

static Buf pack_lz4(const Buf *in) {
        const LZ4F_preferences_t p = { .frameInfo = { .contentChecksumFlag = 1 } };
        Buf out = {};

        assert_int_equal(buf_reserve(&out, LZ4F_compressFrameBound(in->n, &p)), 0);
        out.n = LZ4F_compressFrame(out.p, out.size, in->p, in->n, &p);
        assert_false(LZ4F_isError(out.n));
        return out;
}

/* As parallel writers do: in frames of their own, with a note before each. */
static Buf pack_zstd_frames(const Buf *in) {
        static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4 };
        Buf out = {};

        for (size_t i = 0; i < in->n; i += 10000) {
                Buf part = { .p = in->p + i, .n = MIN(in->n - i, (size_t) 10000) };
                _cleanup_(buf_done) Buf packed = pack_zstd(&part);

                assert_int_equal(buf_append(&out, skippable, sizeof skippable), 0);
                assert_int_equal(buf_append(&out, packed.p, packed.n), 0);
        }
        return out;
}

/* A frame whose decoder has to look back far, and that says nothing of its length. */
static Buf pack_zstd_large(const Buf *in) {
        ZSTD_CCtx *c = ZSTD_createCCtx();
        ZSTD_inBuffer from = { .src = in->p, .size = in->n };
        Buf out = {};

        assert_int_equal(buf_reserve(&out, ZSTD_compressBound(in->n)), 0);
        ZSTD_outBuffer to = { .dst = out.p, .size = out.size };
        (void) ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 25);
        (void) ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
        from.size /= 2;
        assert_false(ZSTD_isError(ZSTD_compressStream2(c, &to, &from, ZSTD_e_continue)));
        from.size = in->n;
        assert_int_equal(ZSTD_compressStream2(c, &to, &from, ZSTD_e_end), 0);
        out.n = to.pos;
        (void) ZSTD_freeCCtx(c);
        return out;
}

static Buf pack_plain(const Buf *in) {
        Buf out = {};

        assert_int_equal(buf_append(&out, in->p, in->n), 0);
        return out;
}

static const struct {
        const char *name;
        Buf (*pack)(const Buf *);
} packers[] = {
        { "plain", pack_plain },     { "gzip", pack_gzip }, { "bzip2", pack_bzip2 },
        { "xz", pack_xz },           { "zstd", pack_zstd }, { "zstd", pack_zstd_frames },
        { "zstd", pack_zstd_large }, { "lz4", pack_lz4 },
};

/* Runs @in through a chain in pieces of @piece bytes. */
static int unpack(const Buf *in, size_t piece, bool threads, Buf *out, Error *e) {
        _cleanup_(stage_freep) Stage *chain = NULL;
        bool ended = false;
        int r = 0;

        assert_int_equal(filter_detect_new(keeper_new(out, &ended, 0), &chain, NULL), 0);
        if (threads)
                assert_int_equal(relay_new(TAKE_PTR(chain), &chain, NULL), 0);
        for (size_t i = 0; i < in->n && r >= 0; i += piece)
                r = stage_push(chain, in->p + i, MIN(piece, in->n - i), e);
        if (r >= 0)
                r = stage_end(chain, e);
        assert_true(r < 0 || ended);
        return r;
}

static void round_trips(void **state) {
        static const size_t pieces[] = { 3, 4096, 100000, SIZE_MAX / 2 };
        _cleanup_(buf_done) Buf in = content();

        for (size_t i = 0; i < ELEMENTSOF(packers); i++) {
                _cleanup_(buf_done) Buf packed = packers[i].pack(&in);
                for (size_t k = 0; k < 2 * ELEMENTSOF(pieces); k++) {
                        _cleanup_(buf_done) Buf out = {};
                        Error e = {};
                        int r = unpack(&packed, pieces[k / 2], k % 2, &out, &e);
                        CHECK_EQ(r, 0, "%s in pieces of %zu: %s", packers[i].name, pieces[k / 2],
                                 e.text);
                        CHECK_EQ(out.n, in.n, "%s", packers[i].name);
                        assert_memory_equal(out.p, in.p, in.n);
                }
        }
}

static void members(void **state) {
        _cleanup_(buf_done) Buf in = content();

        for (size_t i = 1; i < ELEMENTSOF(packers); i++) {
                _cleanup_(buf_done) Buf packed = packers[i].pack(&in), two = {}, out = {};
                static const char zeros[512];

                assert_int_equal(buf_append(&two, packed.p, packed.n), 0);
                assert_int_equal(buf_append(&two, packed.p, packed.n), 0);
                assert_int_equal(buf_append(&two, zeros, sizeof zeros), 0);
                CHECK_EQ(unpack(&two, 5000, false, &out, NULL), 0, "two of %s", packers[i].name);
                CHECK_EQ(out.n, 2 * in.n, "two of %s", packers[i].name);

                _cleanup_(buf_done) Buf other = {};
                assert_int_equal(buf_append(&two, "rubbish behind", 14), 0);
                CHECK_EQ(unpack(&two, 5000, false, &other, NULL), -EBADMSG, "rubbish behind %s",
                         packers[i].name);
        }
}

/* Which bytes occur in a block of bzip2 is said bit by bit near its start. If it is these, that reads like
 * the mark of another block, or of the end; and then, beside it, where none can be. */
static void false_marks(void **state) {
        static const uint8_t marks[][6] = { { 0x31, 0x41, 0x59, 0x26, 0x53, 0x59 },
                                            { 0x17, 0x72, 0x45, 0x38, 0x50, 0x90 } };

        for (size_t i = 0; i < ELEMENTSOF(marks); i++) {
                _cleanup_(buf_done) Buf in = {}, out = {}, again = {};
                uint8_t bytes[48];
                size_t n = 0;
                uint32_t v = 1;
                Error e = {};

                for (unsigned k = 0; k < 48; k++)
                        if (marks[i][k / 8] & (0x80 >> k % 8))
                                bytes[n++] = (uint8_t) k;
                /* Nothing twice in a row: lengths of runs would be bytes of their own. */
                while (in.n < CONTENT_SIZE) {
                        v = v * 1664525 + 1013904223;
                        const uint8_t *byte = bytes + (v >> 16) % n;
                        if (in.n == 0 || (uint8_t) in.p[in.n - 1] != *byte)
                                assert_int_equal(buf_append(&in, byte, 1), 0);
                }
                _cleanup_(buf_done) Buf packed = pack_bzip2(&in);
                /* Behind marks, checksums, a bit, a number of 24 and one of 16 bits: at bit 1 of byte 19. */
                for (unsigned k = 0; k < 48; k++)
                        assert_true(!(packed.p[19 + (k + 1) / 8] & (0x80 >> (k + 1) % 8)) ==
                                    !(marks[i][k / 8] & (0x80 >> k % 8)));
                CHECK_EQ(unpack(&packed, 4096, true, &out, &e), 0, "row %zu: %s", i, e.text);
                CHECK_EQ(out.n, in.n, "row %zu", i);
                assert_memory_equal(out.p, in.p, in.n);

                for (size_t k = 5000; k + 5000 < packed.n; k += 9000)
                        memcpy(packed.p + k, marks[i], sizeof marks[i]);
                CHECK_EQ(unpack(&packed, 4096, true, &again, &e), -EBADMSG, "row %zu", i);
                assert_non_null(strstr(e.text, "bzip2 data is corrupt at byte"));
        }
}

/* It is one member, which is all that some read. */
static void check_by_zlib(const Buf *packed, const Buf *wanted, size_t row) {
        z_stream z = { .next_in = (Bytef *) packed->p, .avail_in = (uInt) packed->n };
        _cleanup_(buf_done) Buf out = {};

        assert_int_equal(buf_reserve(&out, wanted->n + 1), 0);
        z.next_out = (Bytef *) out.p;
        z.avail_out = (uInt) wanted->n + 1;
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        CHECK_EQ(inflate(&z, Z_FINISH), Z_STREAM_END, "row %zu", row);
        CHECK_EQ(z.avail_in, 0, "row %zu", row);
        CHECK_EQ(z.total_out, wanted->n, "row %zu", row);
        assert_true(wanted->n == 0 || memcmp(out.p, wanted->p, wanted->n) == 0);
        (void) inflateEnd(&z);
}

/* What we pack, we and everybody else can unpack. */
static void packed(void **state) {
        static const struct {
                Format format;
                int level;
                unsigned threads;
                size_t n;
        } rows[] = {
                { FORMAT_GZIP, 2, 0, SIZE_MAX },  { FORMAT_GZIP, 3, 2, 1 },
                { FORMAT_GZIP, 1, 0, SIZE_MAX },  { FORMAT_GZIP, 3, 0, SIZE_MAX },
                { FORMAT_GZIP, 6, 0, SIZE_MAX },  { FORMAT_GZIP, 1, 3, 0 },
                { FORMAT_BZIP2, 1, 0, SIZE_MAX }, { FORMAT_BZIP2, 9, 2, 1 },
                { FORMAT_BZIP2, 1, 1, 0 },        { FORMAT_XZ, 0, 0, SIZE_MAX },
                { FORMAT_XZ, 0, 0, 0 },           { FORMAT_ZSTD, 3, 0, SIZE_MAX },
                { FORMAT_ZSTD, 1, 8, 0 },         { FORMAT_LZ4, 1, 0, SIZE_MAX },
                { FORMAT_LZ4, 9, 2, 0 },          { FORMAT_PLAIN, COMPRESS_LEVEL_DEFAULT, 0, 5000 },
        };
        _cleanup_(buf_done) Buf text = content(), in = {};

        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(buf_append(&in, text.p, text.n), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(buf_done) Buf packed = {}, out = {};
                _cleanup_(stage_freep) Stage *chain = NULL;
                bool ended = false;
                Error e = {};
                Buf all = { .p = in.p, .n = MIN(in.n, rows[i].n) };

                assert_int_equal(compress_check(rows[i].format, rows[i].level, NULL), 0);
                assert_int_equal(compress_new(rows[i].format, rows[i].level, rows[i].threads,
                                              keeper_new(&packed, &ended, 0), &chain, NULL),
                                 0);
                for (size_t k = 0; k < all.n; k += 70000)
                        assert_int_equal(stage_push(chain, all.p + k,
                                                    MIN(all.n - k, (size_t) 70000), NULL),
                                         0);
                assert_int_equal(stage_end(chain, NULL), 0);
                assert_true(ended);
                assert_true(all.n < 10000 || rows[i].format == FORMAT_PLAIN || packed.n < all.n);
                CHECK_EQ(unpack(&packed, 5000, false, &out, &e), 0, "row %zu: %s", i, e.text);
                CHECK_EQ(out.n, all.n, "row %zu", i);
                assert_true(out.n == 0 || memcmp(out.p, all.p, out.n) == 0);
                if (rows[i].format == FORMAT_GZIP)
                        check_by_zlib(&packed, &all, i);
        }
        CHECK_EQ(compress_check(FORMAT_GZIP, 10, NULL), -EINVAL, "level");
        CHECK_EQ(compress_check(FORMAT_PLAIN, 1, NULL), -EINVAL, "level");
}

/* Pieces of zeroes are packed once, whatever is between them. */
static void zeroes(void **state) {
        static const Format formats[] = { FORMAT_GZIP, FORMAT_BZIP2, FORMAT_XZ, FORMAT_ZSTD,
                                          FORMAT_LZ4 };
        const size_t size = (size_t) 25 * 1024 * 1024;
        _cleanup_(buf_done) Buf in = {}, text = content();

        assert_int_equal(buf_reserve(&in, size), 0);
        memset(in.p, 0, size);
        memcpy(in.p + size / 2, text.p, text.n);
        in.n = size;
        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                _cleanup_(buf_done) Buf packed = {}, out = {};
                _cleanup_(stage_freep) Stage *chain = NULL;
                bool ended = false;
                Error e = {};

                assert_int_equal(compress_new(formats[i], 1, 0, keeper_new(&packed, &ended, 0),
                                              &chain, NULL),
                                 0);
                /* Half of them are said to be there, so that pieces begin and end in them. */
                assert_int_equal(stage_push(chain, in.p, 1000, NULL), 0);
                assert_int_equal(stage_zeroes(chain, size / 2 - 1000, NULL), 0);
                assert_int_equal(stage_push(chain, in.p + size / 2, text.n, NULL), 0);
                assert_int_equal(stage_zeroes(chain, size / 2 - text.n - i, NULL), 0);
                assert_int_equal(stage_push(chain, in.p, i, NULL), 0);
                assert_int_equal(stage_push(chain, in.p, size - size / 2 * 2, NULL), 0);
                assert_int_equal(stage_end(chain, NULL), 0);
                CHECK_EQ(unpack(&packed, 100000, false, &out, &e), 0, "%s: %s",
                         format_name(formats[i]), e.text);
                CHECK_EQ(out.n, in.n, "%s", format_name(formats[i]));
                assert_memory_equal(out.p, in.p, in.n);
                if (formats[i] == FORMAT_GZIP)
                        check_by_zlib(&packed, &in, i);
        }
}

static void cut_off(void **state) {
        _cleanup_(buf_done) Buf in = content();

        for (size_t i = 1; i < ELEMENTSOF(packers); i++) {
                _cleanup_(buf_done) Buf packed = packers[i].pack(&in);
                const size_t cuts[] = { 7, 20, packed.n / 3, packed.n - 9, packed.n - 1 };

                for (size_t k = 0; k < ELEMENTSOF(cuts); k++) {
                        _cleanup_(buf_done) Buf out = {};
                        Buf part = { .p = packed.p, .n = cuts[k] };
                        Error e = {};
                        CHECK_EQ(unpack(&part, 4096, k % 2, &out, &e), -EBADMSG, "%s cut at %zu",
                                 packers[i].name, cuts[k]);
                        assert_non_null(strstr(e.text, "cut off"));
                        assert_non_null(strstr(e.text, packers[i].name));
                }
        }
}

static void altered(void **state) {
        _cleanup_(buf_done) Buf in = content();

        for (size_t i = 1; i < ELEMENTSOF(packers); i++) {
                _cleanup_(buf_done) Buf packed = packers[i].pack(&in);
                _cleanup_(buf_done) Buf out = {};
                Error e = {};

                packed.p[packed.n / 2] = (char) (packed.p[packed.n / 2] ^ 0x55);
                CHECK_EQ(unpack(&packed, 4096, true, &out, &e), -EBADMSG, "%s altered",
                         packers[i].name);
                assert_non_null(strstr(e.text, packers[i].name));
                assert_non_null(strstr(e.text, "corrupt at byte"));
        }
}

static void nothing(void **state) {
        _cleanup_(buf_done) Buf out = {};
        Buf none = {};
        Error e = {};

        CHECK_EQ(unpack(&none, 1, false, &out, &e), -ENODATA, "empty");
        CHECK_STR(e.text, "the archive is empty", "empty");
}

static void sink_fails(void **state) {
        for (int threads = 0; threads < 2; threads++) {
                _cleanup_(stage_freep) Stage *chain = NULL;
                _cleanup_(buf_done) Buf in = content(), out = {};
                bool ended = false;
                Error e = {};
                int r = 0;

                assert_int_equal(filter_detect_new(keeper_new(&out, &ended, ENOSPC), &chain, NULL),
                                 0);
                if (threads)
                        assert_int_equal(relay_new(TAKE_PTR(chain), &chain, NULL), 0);
                for (unsigned n = 0; n < 100 && r >= 0; n++)
                        r = stage_push(chain, in.p, in.n, &e);
                CHECK_EQ(r, -ENOSPC, "threads %d", threads);
                CHECK_STR(e.text, "the sink had enough", "threads %d", threads);
                assert_false(ended);
        }
}

static void verified(void **state) {
        _cleanup_(buf_done) Buf in = content();

        for (int row = 0; row < 6; row++) {
                bool is_long = row & 1, wrong = row >= 4, any = row < 2;
                _cleanup_(stage_freep) Stage *chain = NULL;
                _cleanup_(buf_done) Buf out = {};
                Digest d = { .type = is_long && !any ? DIGEST_SHA512 : DIGEST_SHA256 }, found = {};
                bool ended = false;

                assert_int_equal(EVP_Digest(in.p, in.n, d.bytes, NULL,
                                            d.type == DIGEST_SHA512 ? EVP_sha512() : EVP_sha256(),
                                            NULL),
                                 1);
                d.bytes[5] = (uint8_t) (d.bytes[5] ^ wrong);
                assert_int_equal(verify_new(any ? NULL : &d, &found, keeper_new(&out, &ended, 0),
                                            &chain, NULL),
                                 0);
                assert_int_equal(stage_push(chain, in.p, in.n, NULL), 0);
                CHECK_EQ(stage_end(chain, NULL), wrong ? -EBADMSG : 0, "row %d", row);
                CHECK_EQ(ended, !wrong, "row %d", row);
                CHECK_EQ(digest_is_equal(&d, &found), !wrong, "row %d", row);
        }
}

/* Giving up at any moment leaves no thread and no memory (the sanitizers look). */
static void dropped(void **state) {
        _cleanup_(buf_done) Buf in = content(), out = {};
        _cleanup_(stage_freep) Stage *chain = NULL;
        bool ended = false;

        assert_int_equal(filter_detect_new(keeper_new(&out, &ended, 0), &chain, NULL), 0);
        assert_int_equal(relay_new(TAKE_PTR(chain), &chain, NULL), 0);
        assert_int_equal(stage_push(chain, in.p, in.n, NULL), 0);
        chain = stage_free(chain);
        assert_false(ended);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(round_trips), cmocka_unit_test(members),
                cmocka_unit_test(false_marks), cmocka_unit_test(packed),
                cmocka_unit_test(zeroes),      cmocka_unit_test(cut_off),
                cmocka_unit_test(altered),     cmocka_unit_test(nothing),
                cmocka_unit_test(sink_fails),  cmocka_unit_test(verified),
                cmocka_unit_test(dropped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
