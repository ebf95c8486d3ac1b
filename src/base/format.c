/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values as text for people, see format.h. The way back is parse.c. No locale is asked: names of
 * days stay English, as in every log and table around us. */
#include "base/format.h"

#include <inttypes.h>
#include <limits.h>
#include <time.h>

#define USEC_PER_SEC   UINT64_C(1000000)
#define USEC_PER_MIN   (60 * USEC_PER_SEC)
#define USEC_PER_HOUR  (60 * USEC_PER_MIN)
#define USEC_PER_DAY   (24 * USEC_PER_HOUR)
#define USEC_PER_WEEK  (7 * USEC_PER_DAY)
#define USEC_PER_YEAR  (UINT64_C(31557600) * USEC_PER_SEC) /* 365.25 days */
#define USEC_PER_MONTH (USEC_PER_YEAR / 12)

const char *format_bytes(uint64_t bytes, char text[static FORMAT_MAX]) {
        static const char units[] = "KMGTPE";

        if (bytes == UINT64_MAX)
                return strcpy(text, "infinity");
        for (size_t i = sizeof(units) - 1; i > 0; i--) {
                unsigned shift = 10 * (unsigned) i;
                uint64_t whole = bytes >> shift;

                if (whole == 0)
                        continue;
                uint64_t rest = bytes - (whole << shift);
                unsigned tenth = (unsigned) ((unsigned __int128) rest * 10 >> shift);
                if (tenth > 0)
                        (void) snprintf(text, FORMAT_MAX, "%" PRIu64 ".%u%c", whole, tenth,
                                        units[i - 1]);
                else
                        (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "%c", whole, units[i - 1]);
                return text;
        }
        (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "B", bytes);
        return text;
}

const char *format_timestamp(uint64_t realtime_usec, char text[static FORMAT_MAX]) {
        static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
        time_t t = (time_t) (realtime_usec / USEC_PER_SEC);
        struct tm tm;
        char zone[16] = "";

        if (realtime_usec == 0 || realtime_usec == UINT64_MAX || !localtime_r(&t, &tm) ||
            tm.tm_year + 1900 > 9999)
                return strcpy(text, "-");

        if (tm.tm_zone && strlen(tm.tm_zone) < sizeof(zone) - 1)
                (void) snprintf(zone, sizeof(zone), " %s", tm.tm_zone);
        (void) snprintf(text, FORMAT_MAX, "%s %04d-%02d-%02d %02d:%02d:%02d%s", days[tm.tm_wday],
                        tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                        tm.tm_sec, zone);
        return text;
}

static const char *plural(uint64_t n) {
        return n == 1 ? "" : "s";
}

/* Two neighbouring long units: "1 week 0 days". */
static void long_units(uint64_t d, uint64_t big, const char *big_name, uint64_t small,
                       const char *small_name, const char *suffix, char *text) {
        uint64_t a = d / big, b = d % big / small;

        (void) snprintf(text, FORMAT_MAX, "%" PRIu64 " %s%s %" PRIu64 " %s%s %s", a, big_name,
                        plural(a), b, small_name, plural(b), suffix);
}

/* Two neighbouring short units, the second only when it is not zero and asked for: "1d 4h", "3h". */
static void short_units(uint64_t d, uint64_t big, const char *big_name, uint64_t small,
                        const char *small_name, char *text) {
        uint64_t a = d / big, b = small > 0 ? d % big / small : 0;

        if (b > 0)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "%s %" PRIu64 "%s", a, big_name, b,
                                small_name);
        else
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "%s", a, big_name);
}

const char *format_relative(uint64_t realtime_usec, uint64_t now, char text[static FORMAT_MAX]) {
        const char *s = realtime_usec > now ? "left" : "ago";
        uint64_t d = realtime_usec > now ? realtime_usec - now : now - realtime_usec;

        if (d >= USEC_PER_YEAR)
                long_units(d, USEC_PER_YEAR, "year", USEC_PER_MONTH, "month", s, text);
        else if (d >= USEC_PER_MONTH)
                long_units(d, USEC_PER_MONTH, "month", USEC_PER_DAY, "day", s, text);
        else if (d >= USEC_PER_WEEK)
                long_units(d, USEC_PER_WEEK, "week", USEC_PER_DAY, "day", s, text);
        else if (d >= 2 * USEC_PER_DAY)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 " days %s", d / USEC_PER_DAY, s);
        else if (d >= 25 * USEC_PER_HOUR)
                (void) snprintf(text, FORMAT_MAX, "1 day %" PRIu64 "h %s",
                                (d - USEC_PER_DAY) / USEC_PER_HOUR, s);
        else if (d >= 6 * USEC_PER_HOUR)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "h %s", d / USEC_PER_HOUR, s);
        else if (d >= USEC_PER_HOUR)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "h %" PRIu64 "min %s",
                                d / USEC_PER_HOUR, d % USEC_PER_HOUR / USEC_PER_MIN, s);
        else if (d >= 5 * USEC_PER_MIN)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "min %s", d / USEC_PER_MIN, s);
        else if (d >= USEC_PER_MIN)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "min %" PRIu64 "s %s",
                                d / USEC_PER_MIN, d % USEC_PER_MIN / USEC_PER_SEC, s);
        else if (d >= USEC_PER_SEC)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "s %s", d / USEC_PER_SEC, s);
        else if (d >= 1000)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "ms %s", d / 1000, s);
        else if (d > 0)
                (void) snprintf(text, FORMAT_MAX, "%" PRIu64 "us %s", d, s);
        else
                return strcpy(text, "now");
        return text;
}

const char *format_span(uint64_t usec, char text[static FORMAT_MAX]) {
        if (usec == UINT64_MAX)
                return strcpy(text, "infinity");
        if (usec >= USEC_PER_DAY)
                short_units(usec, USEC_PER_DAY, "d", USEC_PER_HOUR, "h", text);
        else if (usec >= USEC_PER_HOUR)
                short_units(usec, USEC_PER_HOUR, "h", USEC_PER_MIN, "min", text);
        else if (usec >= USEC_PER_MIN)
                short_units(usec, USEC_PER_MIN, "min", USEC_PER_SEC, "s", text);
        else if (usec >= USEC_PER_SEC || usec < 1000)
                short_units(usec, USEC_PER_SEC, "s", 0, "", text);
        else
                short_units(usec, 1000, "ms", 0, "", text);
        return text;
}

unsigned format_percent(uint64_t part, uint64_t whole) {
        if (part == UINT64_MAX || whole == UINT64_MAX || whole == 0)
                return UINT_MAX;
        double percent = (double) part / (double) whole * 100;
        return percent < (double) INT_MAX ? (unsigned) percent : (unsigned) INT_MAX;
}

uint64_t now_realtime_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}
