/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Points in time, see when.h. */
#include "ctl/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/parse.h"
#include "base/text.h"

#define SECOND UINT64_C(1000000)

/* "90s", "1h 30min": numbers with units, a number alone is seconds. */
static int parse_span(const char *text, uint64_t *ret) {
        static const struct {
                const char *unit;
                uint64_t seconds;
        } units[] = {
                { "s", 1 },         { "sec", 1 },      { "seconds", 1 },  { "second", 1 },
                { "m", 60 },        { "min", 60 },     { "minutes", 60 }, { "minute", 60 },
                { "h", 3600 },      { "hours", 3600 }, { "hour", 3600 },  { "d", 86400 },
                { "days", 86400 },  { "day", 86400 },  { "w", 604800 },   { "weeks", 604800 },
                { "week", 604800 }, { "", 1 },
        };
        uint64_t sum = 0;

        text += strspn(text, " ");
        if (!*text)
                return -EINVAL;
        while (*text) {
                uint64_t n = 0, one;
                size_t k = strspn(text, "0123456789"), i;

                if (k == 0 || k > 12)
                        return -EINVAL;
                for (; k > 0; k--)
                        n = n * 10 + (uint64_t) (*text++ - '0');
                text += strspn(text, " ");
                k = strspn(text, "abcdefghijklmnopqrstuvwxyz");
                for (i = 0; i < ELEMENTSOF(units); i++)
                        if (strlen(units[i].unit) == k && strncmp(units[i].unit, text, k) == 0)
                                break;
                if (i == ELEMENTSOF(units) || __builtin_mul_overflow(n, units[i].seconds, &one) ||
                    __builtin_add_overflow(sum, one, &sum))
                        return -EINVAL;
                text += k;
                text += strspn(text, " ");
        }
        return __builtin_mul_overflow(sum, SECOND, ret) ? -EINVAL : 0;
}

/* How often a day there is: a date, a time of the day, or both. */
static int parse_calendar(const char *text, struct tm *tm) {
        const char *time = strchr(text, '-') ? strchr(text, ' ') : text;
        int n = 0;

        if (time != text) {
                if (sscanf(text, "%4d-%2d-%2d%n", &tm->tm_year, &tm->tm_mon, &tm->tm_mday, &n) !=
                            3 ||
                    (text[n] != '\0' && text + n != time) || tm->tm_year < 1970 || tm->tm_mon < 1 ||
                    tm->tm_mon > 12 || tm->tm_mday < 1 || tm->tm_mday > 31)
                        return -EINVAL;
                tm->tm_year -= 1900;
                tm->tm_mon--;
        }
        tm->tm_hour = tm->tm_min = tm->tm_sec = 0;
        if (time) {
                time += strspn(time, " ");
                if (sscanf(time, "%2d:%2d%n", &tm->tm_hour, &tm->tm_min, &n) != 2)
                        return -EINVAL;
                time += n;
                if (*time && (sscanf(time, ":%2d%n", &tm->tm_sec, &n) != 1 || time[n]))
                        return -EINVAL;
        }
        return tm->tm_hour < 0 || tm->tm_hour > 23 || tm->tm_min < 0 || tm->tm_min > 59 ||
                               tm->tm_sec < 0 || tm->tm_sec > 60
                       ? -EINVAL
                       : 0;
}

static int from_calendar(struct tm *tm, uint64_t *ret) {
        tm->tm_isdst = -1;
        time_t t = mktime(tm);

        if (t < 0)
                return -ERANGE;
        *ret = (uint64_t) t * SECOND;
        return 0;
}

int when_parse(const char *text, uint64_t now, uint64_t *ret) {
        time_t seconds = (time_t) (now / SECOND);
        uint64_t span;
        struct tm tm;
        int r;

        if (streq(text, "now")) {
                *ret = now;
                return 0;
        }
        if (text[0] == '@') {
                r = text[1] >= '0' && text[1] <= '9' ? parse_u64(text + 1, 0, UINT64_MAX, &span)
                                                     : -EINVAL;
                if (r >= 0 && __builtin_mul_overflow(span, SECOND, ret))
                        r = -EINVAL;
                return r < 0 ? -EINVAL : 0;
        }
        if (!localtime_r(&seconds, &tm))
                return -EINVAL;
        if (streq(text, "today") || streq(text, "yesterday")) {
                tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
                tm.tm_mday -= streq(text, "yesterday");
                return from_calendar(&tm, ret);
        }
        if (text[0] == '-' || str_has_suffix(text, " ago")) {
                _cleanup_free_ char *plain = strdup(text + (text[0] == '-'));

                if (!plain)
                        return -ENOMEM;
                if (text[0] != '-')
                        plain[strlen(plain) - strlen(" ago")] = '\0';
                r = parse_span(plain, &span);
                if (r < 0)
                        return r;
                *ret = span > now ? 0 : now - span;
                return 0;
        }
        r = parse_calendar(text, &tm);
        return r < 0 ? r : from_calendar(&tm, ret);
}
