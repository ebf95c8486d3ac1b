/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values from text, see parse.h. No domain values here: those are parsed where the domain is. */
#include "base/parse.h"

#include <ctype.h>
#include <signal.h>
#include <strings.h>

#include "base/text.h"

int parse_bool(const char *s, bool *ret) {
        static const char *const words[2][6] = {
                { "0", "no", "n", "false", "f", "off" },
                { "1", "yes", "y", "true", "t", "on" },
        };

        for (size_t v = 0; v < 2; v++)
                for (size_t i = 0; i < ELEMENTSOF(words[v]); i++)
                        if (strcasecmp(s, words[v][i]) == 0) {
                                *ret = v;
                                return 0;
                        }
        return -EINVAL;
}

int parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret) {
        int base = 10;
        uint64_t v = 0;

        if (s[0] == '0' && s[1] && strchr("xXoObB", s[1])) {
                base = strchr("xX", s[1]) ? 16 : strchr("oO", s[1]) ? 8 : 2;
                s += 2;
        }
        if (!*s)
                return -EINVAL;

        for (; *s; s++) {
                int d = hex_digit(*s);
                if (d < 0 || d >= base)
                        return -EINVAL;
                if (__builtin_mul_overflow(v, (uint64_t) base, &v) ||
                    __builtin_add_overflow(v, (uint64_t) d, &v))
                        return -ERANGE;
        }
        if (v < min || v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}

int parse_u32(const char *s, uint32_t *ret) {
        uint64_t v;
        int r = parse_u64(s, 0, UINT32_MAX, &v);

        if (r >= 0)
                *ret = (uint32_t) v;
        return r;
}

int parse_i32(const char *s, int32_t *ret) {
        bool minus = *s == '-';
        uint64_t v;
        int r = parse_u64(s + minus, 0, minus ? (uint64_t) INT32_MAX + 1 : INT32_MAX, &v);

        if (r >= 0)
                *ret = (int32_t) (minus ? -(int64_t) v : (int64_t) v);
        return r;
}

int parse_octal(const char *s, mode_t *ret) {
        unsigned v = 0;

        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '7')
                        return -EINVAL;
                v = v << 3 | (unsigned) (*s - '0');
                if (v > 07777)
                        return -ERANGE;
        }
        *ret = v;
        return 0;
}

int parse_uid(const char *s, uid_t *ret) {
        uint64_t v;

        /* Octal and hexadecimal IDs are more often a mistake than meant. */
        if (!isdigit((unsigned char) *s) || (s[0] == '0' && s[1]))
                return -EINVAL;
        int r = parse_u64(s, 0, UINT32_MAX - 1, &v);
        if (r < 0)
                return r;
        if (v == 0xffff)
                return -ERANGE;
        *ret = (uid_t) v;
        return 0;
}

int parse_pid(const char *s, pid_t *ret) {
        uint64_t v;
        int r = parse_u64(s, 1, INT32_MAX, &v);

        if (r >= 0)
                *ret = (pid_t) v;
        return r;
}

/* Reads digits[.digits] times @unit. Return: 0, -EINVAL (no digits), -ERANGE. */
static int scaled(const char **s, uint64_t unit, const char *end_of_number, uint64_t *ret) {
        uint64_t v = 0, fraction = 0, scale = 1;
        const char *p = *s;

        if (!isdigit((unsigned char) *p))
                return -EINVAL;
        for (; isdigit((unsigned char) *p); p++)
                if (__builtin_mul_overflow(v, (uint64_t) 10, &v) ||
                    __builtin_add_overflow(v, (uint64_t) (*p - '0'), &v))
                        return -ERANGE;
        if (*p == '.' && isdigit((unsigned char) p[1]))
                for (p++; isdigit((unsigned char) *p); p++)
                        if (scale < 1000000) {
                                fraction = fraction * 10 + (uint64_t) (*p - '0');
                                scale *= 10;
                        }
        if (p != end_of_number)
                return -EINVAL;
        if (__builtin_mul_overflow(v, unit, &v))
                return -ERANGE;
        uint64_t rest = (uint64_t) ((unsigned __int128) unit * fraction / scale);
        if (__builtin_add_overflow(v, rest, ret))
                return -ERANGE;
        *s = p;
        return 0;
}

int parse_size(const char *s, uint64_t *ret) {
        static const char units[] = "BKMGTPE";
        const char *unit = s + strspn(s, "0123456789."), *found;
        unsigned shift = 0;
        uint64_t v;

        if (*unit) {
                found = strchr(units, *unit);
                if (!found)
                        return -EINVAL;
                shift = 10 * (unsigned) (found - units);
                if (unit[1] && !(shift > 0 && streq(unit + 1, "B")))
                        return -EINVAL;
        }
        int r = scaled(&s, (uint64_t) 1 << shift, unit, &v);
        if (r >= 0)
                *ret = v;
        return r;
}

static const struct {
        const char *name;
        uint64_t usec;
} time_units[] = {
        { "us", 1 },
        { "usec", 1 },
        { "ms", 1000 },
        { "msec", 1000 },
        { "s", 1000000 },
        { "sec", 1000000 },
        { "second", 1000000 },
        { "seconds", 1000000 },
        { "m", 60000000 },
        { "min", 60000000 },
        { "minute", 60000000 },
        { "minutes", 60000000 },
        { "h", 3600000000 },
        { "hr", 3600000000 },
        { "hour", 3600000000 },
        { "hours", 3600000000 },
        { "d", 86400000000 },
        { "day", 86400000000 },
        { "days", 86400000000 },
        { "w", 604800000000 },
        { "week", 604800000000 },
        { "weeks", 604800000000 },
};

static uint64_t time_unit(const char *name, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(time_units); i++)
                if (strlen(time_units[i].name) == n && memcmp(time_units[i].name, name, n) == 0)
                        return time_units[i].usec;
        return n == 0 ? 1000000 : 0;
}

int parse_duration(const char *s, uint64_t *ret) {
        uint64_t sum = 0, part;

        if (streq(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        if (!*s)
                return -EINVAL;

        while (*s) {
                const char *end = s + strspn(s, "0123456789.");
                const char *name = end + strspn(end, " ");
                size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz");
                uint64_t unit = time_unit(name, n);

                if (unit == 0)
                        return -EINVAL;
                int r = scaled(&s, unit, end, &part);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, part, &sum))
                        return -ERANGE;
                s = name + n;
                s += strspn(s, " ");
        }
        *ret = sum;
        return 0;
}

int parse_signal(const char *s, int *ret) {
        const char *p = str_skip_prefix(s, "SIG");
        const char *name = p ? p : s, *offset;
        uint64_t v;
        int r;

        if (!p && isdigit((unsigned char) *s)) {
                r = parse_u64(s, 1, (uint64_t) SIGRTMAX, &v);
                if (r >= 0)
                        *ret = (int) v;
                return r;
        }

        bool from_min = (offset = str_skip_prefix(name, "RTMIN")) != NULL;
        if (from_min || (offset = str_skip_prefix(name, "RTMAX"))) {
                v = 0;
                if (*offset) {
                        if (*offset != (from_min ? '+' : '-'))
                                return -EINVAL;
                        r = parse_u64(offset + 1, 0, (uint64_t) (SIGRTMAX - SIGRTMIN), &v);
                        if (r < 0)
                                return r;
                }
                *ret = from_min ? SIGRTMIN + (int) v : SIGRTMAX - (int) v;
                return 0;
        }

        for (int i = 1; i < SIGRTMIN; i++) {
                const char *abbrev = sigabbrev_np(i);
                if (abbrev && streq(abbrev, name)) {
                        *ret = i;
                        return 0;
                }
        }
        return -EINVAL;
}

const char *signal_name(int signal) {
        static __thread char buffer[24];
        const char *abbrev = signal > 0 && signal < SIGRTMIN ? sigabbrev_np(signal) : NULL;

        if (abbrev)
                (void) snprintf(buffer, sizeof buffer, "SIG%s", abbrev);
        else if (signal >= SIGRTMIN && signal <= SIGRTMAX)
                (void) snprintf(buffer, sizeof buffer,
                                signal == SIGRTMIN ? "SIGRTMIN" : "SIGRTMIN+%d", signal - SIGRTMIN);
        else
                (void) snprintf(buffer, sizeof buffer, "%d", signal);
        return buffer;
}
