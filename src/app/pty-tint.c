/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Background colours, see pty-tint.h. Only as much of a terminal's language is understood as tells where
 * the background is reset; everything goes through as it is. */
#include "app/pty-tint.h"

#define ESCAPE     '\033'
#define NUMBER_MAX 10000U

bool pty_tint_color_is_valid(const char *color) {
        size_t n = strlen(color);

        return n > 0 && n <= PTY_TINT_COLOR_MAX && strspn(color, "0123456789;:") == n;
}

void pty_tint_init(PtyTint *t, const char *color) {
        *t = (PtyTint){};
        if (color && *color)
                (void) snprintf(t->sequence, sizeof t->sequence, "\033[%sm", color);
}

size_t pty_tint_room(const PtyTint *t, size_t size) {
        /* ESC c takes two bytes. */
        return t->sequence[0] ? size / (1 + (strlen(t->sequence) + 1) / 2) : size;
}

/* One number of a colour sequence is complete. */
static void take_number(PtyTint *t) {
        unsigned v = t->number;

        t->number = 0;
        if (t->extended) {
                /* 38;5;N and 38;2;R;G;B */
                t->extended = false;
                t->skip = v == 5 ? 1 : v == 2 ? 3 : 0;
        } else if (t->skip > 0)
                t->skip--;
        else if (v == 38 || v == 48 || v == 58) {
                t->extended = true;
                t->resets = t->resets && v != 48;
        } else if (v == 0 || v == 49)
                t->resets = true;
        else if ((v >= 40 && v <= 47) || (v >= 100 && v <= 107))
                t->resets = false;
}

/* Return: whether the sequence that ends with @c leaves the default background. */
static bool take_control(PtyTint *t, char c) {
        if (c >= '0' && c <= '9') {
                t->number = MIN(t->number * 10 + (unsigned) (c - '0'), NUMBER_MAX);
                return false;
        }
        if (c == ';' || c == ':') {
                take_number(t);
                return false;
        }
        if (c >= ' ' && c < '@') {
                t->plain = false;
                return false;
        }
        t->state = c == ESCAPE ? TINT_ESCAPE : TINT_TEXT;
        if (c != 'm' || !t->plain)
                return false;
        take_number(t);
        return t->resets;
}

static bool take(PtyTint *t, char c) {
        switch (t->state) {
        case TINT_TEXT:
                if (c == ESCAPE)
                        t->state = TINT_ESCAPE;
                return false;
        case TINT_ESCAPE:
                t->state = c == '[' ? TINT_CONTROL : c == ESCAPE ? TINT_ESCAPE : TINT_TEXT;
                t->plain = true;
                t->resets = t->extended = false;
                t->number = t->skip = 0;
                return c == 'c'; /* the whole terminal */
        default:
                return take_control(t, c);
        }
}

size_t pty_tint_feed(PtyTint *t, const char *in, size_t n, char *out) {
        size_t length = strlen(t->sequence), k = 0;

        for (size_t i = 0; i < n; i++) {
                out[k++] = in[i];
                if (!take(t, in[i]))
                        continue;
                memcpy(out + k, t->sequence, length);
                k += length;
        }
        return k;
}
