/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a background colour is put back. In the rows @ stands for the colour, ~ for ESC. */
#include "check.h"

#include "app/pty-tint.h"

static const struct {
        const char *in, *out;
} rows[] = {
        { "text\r\n", "text\r\n" },
        { "~[0mx", "~[0m@x" },
        { "~[mx", "~[m@x" },
        { "~[1mx", "~[1mx" },
        { "~[1;0m", "~[1;0m@" },
        { "~[0;1;31m", "~[0;1;31m@" },
        { "~[49m", "~[49m@" },
        { "~[41m", "~[41m" },
        { "~[0;41m", "~[0;41m" },
        { "~[41;0m", "~[41;0m@" },
        { "~[0;48;5;0m", "~[0;48;5;0m" },
        { "~[48;2;0;0;0m", "~[48;2;0;0;0m" },
        { "~[38;5;0m", "~[38;5;0m" },
        { "~[38;5;0;0m", "~[38;5;0;0m@" },
        { "~[38:2:0:0:0m", "~[38:2:0:0:0m" },
        { "~[107m~[39m", "~[107m~[39m" },
        { "~[?0m~[>0m~[0 m", "~[?0m~[>0m~[0 m" },
        { "~[0K~[2J", "~[0K~[2J" },
        { "~c", "~c@" },
        { "~~[m", "~~[m@" },
        { "~[~[m", "~[~[m@" },
        { "~]0;title\007~[m", "~]0;title\007~[m@" },
        { "~[99999999999999999999m", "~[99999999999999999999m" },
};

/* Return: @out. */
static const char *expand(const char *in, const char *sequence, char out[static 256]) {
        size_t k = 0;

        for (; *in; in++)
                if (*in == '@') {
                        memcpy(out + k, sequence, strlen(sequence));
                        k += strlen(sequence);
                } else
                        out[k++] = *in == '~' ? '\033' : *in;
        out[k] = '\0';
        return out;
}

static void test_rows(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (size_t piece = 1; piece < 4; piece++) {
                        char in[256], should[256], out[512];
                        PtyTint t;
                        size_t k = 0;

                        pty_tint_init(&t, "48;5;17");
                        (void) expand(rows[i].in, t.sequence, in);
                        (void) expand(rows[i].out, t.sequence, should);
                        for (size_t at = 0; at < strlen(in); at += piece)
                                k += pty_tint_feed(&t, in + at, MIN(piece, strlen(in) - at),
                                                   out + k);
                        out[k] = '\0';
                        CHECK_STR(out, should, "row %zu in pieces of %zu", i, piece);
                }
}

static void test_colors(void **state) {
        (void) state;
        CHECK_EQ(pty_tint_color_is_valid("44"), true, "one number");
        CHECK_EQ(pty_tint_color_is_valid("48;2;0;0;95"), true, "a true colour");
        CHECK_EQ(pty_tint_color_is_valid(""), false, "nothing");
        CHECK_EQ(pty_tint_color_is_valid("44m"), false, "more than numbers");
        CHECK_EQ(pty_tint_color_is_valid("48;5;1111111111111111111111111111"), false, "long");
}

/* What comes out of the worst that can go in still fits. */
static void test_room(void **state) {
        char in[4096], out[4096];
        PtyTint t;

        (void) state;
        pty_tint_init(&t, "48;2;255;255;255;48;2;255;255;25");
        size_t n = pty_tint_room(&t, sizeof out);
        CHECK_EQ(n > 64, true, "%zu", n);
        for (size_t i = 0; i < n; i++)
                in[i] = i % 2 ? 'c' : '\033';
        CHECK_EQ(pty_tint_feed(&t, in, n, out) <= sizeof out, true, "fits");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_colors),
                cmocka_unit_test(test_room),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
