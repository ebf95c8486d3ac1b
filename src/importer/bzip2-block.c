/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unpacks one block of bzip2, see bzip2-block.h. Most of the time goes into following the bytes through the
 * sorted block, each of which says where in memory the next one is: the processor waits for each. So the steps
 * are put together four at a time first, which waits for nothing, and then four such ways are gone at once. */
#include "importer/bzip2-block.h"

#include <endian.h>
#include <limits.h>
#include <sys/mman.h>

#include "importer/bits.h"

#define BLOCK_SIZE_MAX ((size_t) 900000)
#define GROUP_SIZE     50
#define GROUPS_MIN     2
#define GROUPS_MAX     6
#define SELECTORS_MAX  (BLOCK_SIZE_MAX / GROUP_SIZE + 2)
#define SYMBOLS_MAX    258
#define LENGTH_MAX     20
#define RUN_BITS_MAX   20
/* Codes up to that length are looked up at once. */
#define QUICK_BITS 10
#define QUICK_NONE 0
#define HUGE_PAGE  ((size_t) 2 * 1024 * 1024)
#define CHAINS     4

/* A code by lengths. Bits are looked at as numbers of LENGTH_MAX bits. */
typedef struct Code {
        uint16_t quick[1 << QUICK_BITS]; /* symbol * 32 + length; QUICK_NONE = it is longer */
        uint32_t limit[LENGTH_MAX + 2];  /* bits below that have a code of that length, or less */
        uint32_t first[LENGTH_MAX + 1];  /* the first code of that length */
        uint16_t index[LENGTH_MAX + 1];  /* its symbol in .sorted */
        uint16_t sorted[SYMBOLS_MAX];
} Code;

/* The bits of a block. What is behind the end is zero, and counted. */
typedef struct Reader {
        const uint8_t *data;
        size_t size, at; /* the next byte */
        uint64_t bits;   /* the next ones, at the top */
        unsigned n;      /* how many */
} Reader;

/* Front of the list of bytes, the latest used first: eight in a number, the lowest first, then the others. */
typedef struct Recent {
        uint64_t front;
        uint8_t rest[256];
} Recent;

struct Bzip2Block {
        Code codes[GROUPS_MAX];
        uint8_t selectors[SELECTORS_MAX];
        size_t n_selectors;
        unsigned n_codes, n_symbols;
        uint8_t used[256];
        size_t n_max, origin;
        uint32_t counts[256], checksum, expected;

        /* At first byte by byte what was packed; then the byte below and above it where the next one is, four
         * on in the end. */
        uint32_t *steps, *other;
        size_t n;
        uint8_t *raw; /* in .other: the block, with its runs */
        size_t n_read;
        uint32_t tables[8][256]; /* for the checksum */
};

static void refill(Reader *r) {
        if (r->size >= sizeof(uint64_t) && r->at <= r->size - sizeof(uint64_t)) {
                uint64_t v;

                memcpy(&v, r->data + r->at, sizeof v);
                r->bits |= be64toh(v) >> r->n;
                r->at += (63 - r->n) / 8;
                r->n |= 56;
                return;
        }
        while (r->n <= 56) {
                uint64_t v = r->at < r->size ? r->data[r->at] : 0;

                r->bits |= v << (56 - r->n);
                r->at++;
                r->n += 8;
        }
}

/* Without looking whether they are there. */
static void drop(Reader *r, unsigned n) {
        r->bits <<= n;
        r->n -= n;
}

/* 32 bits at most. */
static uint32_t get(Reader *r, unsigned n) {
        refill(r);
        uint32_t v = (uint32_t) (r->bits >> 1 >> (63 - n));
        drop(r, n);
        return v;
}

static uint64_t position(const Reader *r) {
        return (uint64_t) r->at * 8 - r->n;
}

static void make_tables(uint32_t tables[8][256]) {
        for (uint32_t i = 0; i < 256; i++) {
                uint32_t v = i << 24;

                for (unsigned k = 0; k < 8; k++)
                        v = v << 1 ^ (v >> 31 ? UINT32_C(0x04c11db7) : 0);
                tables[0][i] = v;
        }
        for (unsigned k = 1; k < 8; k++)
                for (unsigned i = 0; i < 256; i++)
                        tables[k][i] = tables[k - 1][i] << 8 ^ tables[0][tables[k - 1][i] >> 24];
}

int bzip2_block_new(Bzip2Block **ret) {
        size_t size = (BLOCK_SIZE_MAX * sizeof(uint32_t) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        _cleanup_(bzip2_block_freep) Bzip2Block *b = calloc(1, sizeof *b);

        if (!b)
                return -ENOMEM;
        b->steps = aligned_alloc(HUGE_PAGE, size);
        b->other = aligned_alloc(HUGE_PAGE, size);
        if (!b->steps || !b->other)
                return -ENOMEM;
        make_tables(b->tables);
        /* They are gone through here and there. */
        (void) madvise(b->steps, size, MADV_HUGEPAGE);
        (void) madvise(b->other, size, MADV_HUGEPAGE);
        *ret = TAKE_PTR(b);
        return 0;
}

Bzip2Block *bzip2_block_free(Bzip2Block *b) {
        if (!b)
                return NULL;
        free(b->steps);
        free(b->other);
        free(b);
        return NULL;
}

/* Which bytes there are. */
static int read_used(Bzip2Block *b, Reader *r) {
        uint32_t groups = get(r, 16);
        unsigned n = 0;

        for (unsigned i = 0; i < 16; i++) {
                uint32_t there = groups & (0x8000u >> i) ? get(r, 16) : 0;

                for (unsigned k = 0; k < 16; k++)
                        if (there & (0x8000u >> k))
                                b->used[n++] = (uint8_t) (i * 16 + k);
        }
        memset(b->used + n, 0, sizeof b->used - n);
        b->n_symbols = n +
                       2; /* two for runs, one for the end, and none for the byte that came last */
        return n == 0 ? -EBADMSG : 0;
}

/* Which group has which code; those that no block can have are passed over, as by everybody else. */
static int read_selectors(Bzip2Block *b, Reader *r) {
        uint8_t recent[GROUPS_MAX] = { 0, 1, 2, 3, 4, 5 };
        size_t n;

        b->n_codes = get(r, 3);
        n = get(r, 15);
        if (b->n_codes < GROUPS_MIN || b->n_codes > GROUPS_MAX || n == 0)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                unsigned k = 0;

                while (get(r, 1))
                        if (++k >= b->n_codes)
                                return -EBADMSG;
                uint8_t v = recent[k];
                memmove(recent + 1, recent, k);
                recent[0] = v;
                if (i < SELECTORS_MAX)
                        b->selectors[i] = v;
        }
        b->n_selectors = MIN(n, (size_t) SELECTORS_MAX);
        return 0;
}

static int make_code(Code *c, const uint8_t *lengths, unsigned n) {
        uint32_t count[LENGTH_MAX + 1] = {}, code = 0;
        unsigned index = 0;

        for (unsigned i = 0; i < n; i++)
                count[lengths[i]]++;
        memset(c->quick, 0, sizeof c->quick);
        c->limit[0] = 0;
        for (unsigned length = 1; length <= LENGTH_MAX; length++) {
                c->first[length] = code;
                c->index[length] = (uint16_t) index;
                for (unsigned i = 0; i < n && count[length] > 0; i++) {
                        if (lengths[i] != length)
                                continue;
                        c->sorted[index++] = (uint16_t) i;
                        if (length <= QUICK_BITS && code < 1u << length)
                                for (uint32_t k = 0; k < 1u << (QUICK_BITS - length); k++)
                                        c->quick[(code << (QUICK_BITS - length)) +
                                                 k] = (uint16_t) (i * 32 + length);
                        code++;
                }
                if (code > 1u << length)
                        return -EBADMSG;
                c->limit[length] = code << (LENGTH_MAX - length);
                code <<= 1;
        }
        return 0;
}

static int read_codes(Bzip2Block *b, Reader *r) {
        for (unsigned t = 0; t < b->n_codes; t++) {
                uint8_t lengths[SYMBOLS_MAX];
                uint32_t length = get(r, 5);

                for (unsigned i = 0; i < b->n_symbols; i++) {
                        for (;;) {
                                if (length < 1 || length > LENGTH_MAX)
                                        return -EBADMSG;
                                if (!get(r, 1))
                                        break;
                                length += get(r, 1) ? UINT32_MAX : 1;
                        }
                        lengths[i] = (uint8_t) length;
                }
                int q = make_code(b->codes + t, lengths, b->n_symbols);
                if (q < 0)
                        return q;
        }
        return 0;
}

/* There are LENGTH_MAX bits in the reader. Return: the symbol; UINT_MAX = there is none. */
static inline unsigned get_symbol(Reader *r, const Code *c) {
        unsigned quick = c->quick[r->bits >> (64 - QUICK_BITS)];

        if (quick != QUICK_NONE) {
                drop(r, quick % 32);
                return quick / 32;
        }
        uint32_t v = (uint32_t) (r->bits >> (64 - LENGTH_MAX));
        for (unsigned length = QUICK_BITS + 1; length <= LENGTH_MAX; length++)
                if (v < c->limit[length]) {
                        v = (v >> (LENGTH_MAX - length)) - c->first[length];
                        drop(r, length);
                        return c->sorted[c->index[length] + v];
                }
        return UINT_MAX;
}

/* The byte at a place of the list, which goes to its front. */
static inline uint8_t use_recent(Recent *l, unsigned place) {
        uint64_t front = l->front;

        if (place < 8) {
                uint64_t mask = UINT64_MAX >> (56 - place * 8), v = front >> (place * 8) & 0xff;

                l->front = (front & ~mask) | (front << 8 & mask) | v;
                return (uint8_t) v;
        }
        uint8_t v = l->rest[place - 8];
        for (unsigned i = place - 8; i > 0; i--)
                l->rest[i] = l->rest[i - 1];
        l->rest[0] = (uint8_t) (front >> 56);
        l->front = front << 8 | v;
        return v;
}

static void list_used(const Bzip2Block *b, Recent *l) {
        l->front = 0;
        for (unsigned i = 0; i < 8; i++)
                l->front |= (uint64_t) b->used[i] << (i * 8);
        memcpy(l->rest, b->used + 8, 256 - 8);
        memset(l->rest + 256 - 8, 0, 8);
}

/* Bytes on the way to .steps. */
typedef struct Filler {
        Recent recent;
        size_t n, n_max;
        size_t run;
        unsigned run_bits;
} Filler;

static int end_run(Bzip2Block *b, Filler *f) {
        uint8_t v = (uint8_t) f->recent.front;

        if (f->run > f->n_max - f->n)
                return -EBADMSG;
        b->counts[v] += (uint32_t) f->run;
        for (uint32_t *p = b->steps + f->n, *end = p + f->run; p < end; p++)
                *p = v;
        f->n += f->run;
        f->run = 0;
        f->run_bits = 0;
        return 0;
}

/* Return: 0; 1 = that was the end; -EBADMSG. */
static inline int add_symbol(Bzip2Block *b, Filler *f, unsigned symbol) {
        if (symbol < 2) {
                if (f->run_bits > RUN_BITS_MAX)
                        return -EBADMSG;
                f->run += (size_t) (symbol + 1) << f->run_bits++;
                return 0;
        }
        if (f->run > 0 && end_run(b, f) < 0)
                return -EBADMSG;
        if (symbol >= b->n_symbols - 1)
                return symbol == b->n_symbols - 1 ? 1 : -EBADMSG;
        if (f->n == f->n_max)
                return -EBADMSG;
        uint8_t v = use_recent(&f->recent, symbol - 1);
        b->counts[v]++;
        b->steps[f->n++] = v;
        return 0;
}

static int read_symbols(Bzip2Block *b, Reader *reader) {
        Filler f = { .n_max = b->n_max };
        Reader r = *reader; /* in registers */
        int q = 0;

        list_used(b, &f.recent);
        memset(b->counts, 0, sizeof b->counts);
        for (size_t g = 0; q == 0; g++) {
                if (g == b->n_selectors || r.at > r.size + sizeof(uint64_t))
                        return -EBADMSG;
                const Code *c = b->codes + b->selectors[g];

                for (unsigned i = 0; i < GROUP_SIZE && q == 0; i += 2) {
                        refill(&r);
                        q = add_symbol(b, &f, get_symbol(&r, c));
                        if (q == 0)
                                q = add_symbol(b, &f, get_symbol(&r, c));
                }
        }
        *reader = r;
        b->n = f.n;
        return MIN(q, 0);
}

/* Each step gets where the next one is. */
static void make_steps(Bzip2Block *b) {
        uint32_t next[256], sum = 0, *t = b->steps;
        size_t n = b->n;

        for (unsigned i = 0; i < 256; i++) {
                next[i] = sum;
                sum += b->counts[i];
        }
        for (size_t i = 0; i < n; i++)
                t[next[t[i] & 0xff]++] |= (uint32_t) i << 8;
}

/* Makes two steps one, twice, and goes four ways, of which each has every fourth byte. */
static void follow(Bzip2Block *b) {
        uint32_t *t = b->steps, *u = b->other, at[CHAINS];
        size_t n = b->n, i = 0;

        at[0] = t[b->origin] >> 8;
        for (unsigned k = 1; k < CHAINS; k++)
                at[k] = t[at[k - 1]] >> 8;
        for (size_t k = 0; k < n; k++)
                u[k] = (t[t[k] >> 8] & ~0xffu) | (t[k] & 0xff);
        for (size_t k = 0; k < n; k++)
                t[k] = (u[u[k] >> 8] & ~0xffu) | (u[k] & 0xff);

        uint8_t *raw = b->raw = (uint8_t *) u;
        for (; i + CHAINS <= n; i += CHAINS)
                for (unsigned k = 0; k < CHAINS; k++) {
                        uint32_t v = t[at[k]];
                        raw[i + k] = (uint8_t) v;
                        at[k] = v >> 8;
                }
        for (unsigned k = 0; i < n; i++, k++)
                raw[i] = (uint8_t) t[at[k]];
}

int bzip2_block_decode(Bzip2Block *b, const uint8_t *data, size_t size, uint64_t at,
                       uint64_t n_bits, unsigned level) {
        Reader r = { .data = data, .size = size, .at = (size_t) (at / 8) };
        int q;

        if (n_bits <= BZIP2_MARK_BITS + 32)
                return -EBADMSG;
        refill(&r);
        drop(&r, at % 8);
        b->n_max = MIN((size_t) level * 100000, BLOCK_SIZE_MAX);
        if (((uint64_t) get(&r, 24) << 24 | get(&r, 24)) != BZIP2_MARK_BLOCK)
                return -EBADMSG;
        b->expected = get(&r, 32);
        b->checksum = UINT32_MAX;
        if (get(&r, 1))
                return -EOPNOTSUPP;
        b->origin = get(&r, 24);
        q = read_used(b, &r);
        if (q >= 0)
                q = read_selectors(b, &r);
        if (q >= 0)
                q = read_codes(b, &r);
        if (q >= 0)
                q = read_symbols(b, &r);
        if (q < 0)
                return q;
        if (position(&r) != at + n_bits || b->origin >= b->n)
                return -EBADMSG;
        make_steps(b);
        follow(b);
        b->n_read = 0;
        return 0;
}

/* Where four bytes are the same, of which the fourth is before @n. Return: @n = nowhere. */
static size_t find_run(const uint8_t *p, size_t n) {
        for (size_t i = 0; i + 3 < n;) {
                if (p[i + 2] != p[i + 3])
                        i += 3;
                else if (p[i] == p[i + 1] && p[i + 1] == p[i + 2])
                        return i;
                else
                        i++;
        }
        return n;
}

/* Begins with the highest bit, unlike that of gzip. */
static uint32_t add_to_checksum(const Bzip2Block *b, uint32_t v, const uint8_t *p, size_t n) {
        for (; n >= 8; n -= 8, p += 8) {
                uint32_t first;

                memcpy(&first, p, sizeof first);
                v ^= be32toh(first);
                v = b->tables[7][v >> 24] ^ b->tables[6][v >> 16 & 0xff] ^
                    b->tables[5][v >> 8 & 0xff] ^ b->tables[4][v & 0xff] ^ b->tables[3][p[4]] ^
                    b->tables[2][p[5]] ^ b->tables[1][p[6]] ^ b->tables[0][p[7]];
        }
        for (; n > 0; n--, p++)
                v = v << 8 ^ b->tables[0][v >> 24 ^ *p];
        return v;
}

int bzip2_block_read(Bzip2Block *b, uint8_t *out, size_t size, size_t *ret_n) {
        const uint8_t *p = b->raw + b->n_read, *end = b->raw + b->n;
        uint8_t *o = out;

        if (p == end)
                return ~b->checksum == b->expected ? 0 : -EBADMSG;
        while (p < end && (size_t) (out + size - o) > BZIP2_RUN_MAX) {
                size_t left = (size_t) (end - p);
                size_t room = MIN((size_t) (out + size - o) - BZIP2_RUN_MAX, left);
                size_t k = MIN(find_run(p, MIN(room + 3, left)), room);

                memcpy(o, p, k);
                o += k;
                p += k;
                if (k == room)
                        continue;
                /* Behind four there is how many more. */
                if (end - p < 5)
                        return -EBADMSG;
                memset(o, *p, (size_t) 4 + p[4]);
                o += 4 + p[4];
                p += 5;
        }
        b->n_read = (size_t) (p - b->raw);
        *ret_n = (size_t) (o - out);
        b->checksum = add_to_checksum(b, b->checksum, out, *ret_n);
        return 1;
}
