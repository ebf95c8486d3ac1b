/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stage around a decoder: members one after another, padding between them, offsets for errors,
 * truncation. Knows no packing: those are the filter-*.c files. */
#include "importer/codec.h"

typedef struct CodecStage {
        Stage stage;
        const Codec *codec;
        uint64_t offset; /* bytes of the packed stream eaten so far */
        bool between;    /* a member just ended: the next byte is padding or a new one */
        bool open;
        uint8_t *out;
        size_t filled; /* of out */
        max_align_t state[];
} CodecStage;

int codec_corrupt(const char *name, uint64_t at, const char *why, Error *e) {
        return error_set(e, EBADMSG, "the %s data is corrupt at byte %llu%s%s", name,
                         (unsigned long long) at, why ? ": " : "", strempty(why));
}

int codec_cut_off(const char *name, uint64_t at, Error *e) {
        return error_set(e, EBADMSG, "the archive is cut off: its %s data stops at byte %llu", name,
                         (unsigned long long) at);
}

int codec_too_large(const char *name, uint64_t at, Error *e) {
        return error_set(e, E2BIG, "unpacking the %s data asks for too much memory, at byte %llu",
                         name, (unsigned long long) at);
}

static int codec_error(CodecStage *s, int r, const char *why, Error *e) {
        return r == -ENOMEM  ? error_oom(e)
               : r == -E2BIG ? codec_too_large(s->codec->name, s->offset, e)
                             : codec_corrupt(s->codec->name, s->offset, why, e);
}

static int codec_flush(CodecStage *s, Error *e) {
        size_t n = s->filled;

        s->filled = 0;
        return stage_push(s->stage.next, s->out, n, e);
}

/* Eats zeros after a member; whatever else comes has to be another member. */
static int codec_between(CodecStage *s, CodecIo *io, Error *e) {
        while (io->n_in > 0 && *io->in == 0) {
                io->in++;
                io->n_in--;
                s->offset++;
        }
        if (io->n_in == 0)
                return 0;

        int r = s->codec->restart(s->state);
        if (r < 0)
                return codec_error(s, r, NULL, e);
        s->between = false;
        return 0;
}

/* Decodes all of the input that is there. Return: 0 or -errno; *@ret_stuck tells that the decoder wants
 * more input to go on. */
static int codec_run(CodecStage *s, CodecIo *io, Error *e) {
        for (;;) {
                if (s->between) {
                        int r = codec_between(s, io, e);
                        if (r < 0 || s->between)
                                return r;
                }

                const uint8_t *in = io->in;
                size_t room = FILTER_OUTPUT_SIZE - s->filled;
                io->out = s->out + s->filled;
                io->n_out = room;

                int r = s->codec->step(s->state, io);
                s->offset += (uint64_t) (io->in - in);
                s->filled += room - io->n_out;
                if (r < 0)
                        return codec_error(s, r, io->why, e);
                if (r > 0)
                        s->between = true;

                bool moved = io->in != in || io->n_out != room, full = io->n_out == 0;
                if (full) {
                        int q = codec_flush(s, e);
                        if (q < 0)
                                return q;
                }
                if (!s->between && !moved && io->n_in > 0)
                        return codec_error(s, -EBADMSG, NULL, e);
                if (!s->between && !full && io->n_in == 0 && !(io->last && moved))
                        return 0;
        }
}

static int codec_push(Stage *stage, const void *data, size_t n, Error *e) {
        CodecIo io = { .in = data, .n_in = n };

        return codec_run((CodecStage *) stage, &io, e);
}

static int codec_end(Stage *stage, Error *e) {
        CodecStage *s = (CodecStage *) stage;
        /* Nothing, but at a place: codecs move the pointer on by what they took. */
        static const uint8_t nothing[1];
        CodecIo io = { .in = nothing, .last = true };
        int r = codec_run(s, &io, e);

        if (r < 0)
                return r;
        if (!s->between)
                return codec_cut_off(s->codec->name, s->offset, e);
        r = codec_flush(s, e);
        return r < 0 ? r : stage_end(stage->next, e);
}

static void codec_free(Stage *stage) {
        CodecStage *s = (CodecStage *) stage;

        if (s->open)
                s->codec->close(s->state);
        free(s->out);
        free(s);
}

static const StageOps codec_ops = {
        .push = codec_push,
        .end = codec_end,
        .free = codec_free,
};

int codec_stage_new(const Codec *codec, Stage *next, Stage **ret, Error *e) {
        CodecStage *s = calloc(1, sizeof *s + codec->state_size);
        int r;

        if (!s) {
                (void) stage_free(next);
                return error_oom(e);
        }
        s->stage = (Stage){ .ops = &codec_ops, .next = next };
        s->codec = codec;

        _cleanup_(stage_freep) Stage *owned = &s->stage;
        s->out = malloc(FILTER_OUTPUT_SIZE);
        if (!s->out)
                return error_oom(e);
        r = codec->open(s->state);
        if (r < 0)
                return error_set(e, r, "cannot start unpacking %s: %m", codec->name);
        s->open = true;

        *ret = TAKE_PTR(owned);
        return 0;
}
