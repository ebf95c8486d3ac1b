/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers of responses, see fetch-head.h. A header that makes no sense counts as one that is not there. */
#include "importer/fetch-head.h"

#include <strings.h>
#include <time.h>

#include "base/parse.h"
#include "base/text.h"

void fetch_head_init(FetchHead *h) {
        *h = (FetchHead){
                .length = FETCH_UNKNOWN,
                .from = FETCH_UNKNOWN,
                .to = FETCH_UNKNOWN,
                .total = FETCH_UNKNOWN,
                .retry_after = FETCH_UNKNOWN,
        };
}

/* Decimal digits alone; parse_u64() has more forms than HTTP. */
static int parse_number(const char *s, uint64_t *ret) {
        if (!s[0] || s[strspn(s, "0123456789")])
                return -EINVAL;
        /* A zero in front would be read as a sign for another base. */
        while (s[0] == '0' && s[1])
                s++;
        return parse_u64(s, 0, INT64_MAX, ret);
}

static void take_text(char *to, size_t size, const char *value) {
        size_t n = strlen(value);

        to[0] = '\0';
        if (n < size && str_is_utf8(value, n))
                memcpy(to, value, n + 1);
}

/* "bytes 0-99/100", "bytes 0-99/" + "*", "bytes " + "*" + "/100" */
static void take_range(FetchHead *h, char *value) {
        char *s = (char *) str_skip_prefix(value, "bytes "), *slash = s ? strchr(s, '/') : NULL,
             *dash;
        uint64_t from, last, total = FETCH_UNKNOWN;

        /* Of two of them the last one counts, and nothing of the first. */
        h->has_range = false;
        h->from = h->to = h->total = FETCH_UNKNOWN;
        if (!slash)
                return;
        *slash++ = '\0';
        if (!streq(slash, "*") && parse_number(slash, &total) < 0)
                return;
        if (streq(s, "*")) {
                h->total = total;
                return;
        }
        dash = strchr(s, '-');
        if (!dash)
                return;
        *dash++ = '\0';
        if (parse_number(s, &from) < 0 || parse_number(dash, &last) < 0 || last < from ||
            (total != FETCH_UNKNOWN && last >= total))
                return;
        h->has_range = true;
        h->from = from;
        h->to = last + 1;
        h->total = total;
}

/* Seconds, or a date. Of two of them the last one counts. */
static void take_retry_after(FetchHead *h, const char *value) {
        h->retry_after = FETCH_UNKNOWN;
        h->retry_date[0] = '\0';
        if (parse_number(value, &h->retry_after) < 0)
                take_text(h->retry_date, sizeof h->retry_date, value);
}

int64_t fetch_date_parse(const char *text) {
        static const char *const forms[] = {
                "%a, %d %b %Y %H:%M:%S GMT",
                "%A, %d-%b-%y %H:%M:%S GMT",
                "%a %b %e %H:%M:%S %Y",
        };

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                struct tm tm = {};
                const char *end = strptime(text, forms[i], &tm);
                time_t t = end && !*end ? timegm(&tm) : -1;

                if (t >= 0)
                        return t;
        }
        return -EINVAL;
}

uint64_t fetch_head_wait(const FetchHead *h, int64_t now) {
        int64_t until, theirs;

        if (h->retry_after != FETCH_UNKNOWN || !h->retry_date[0])
                return h->retry_after;
        until = fetch_date_parse(h->retry_date);
        if (until < 0)
                return FETCH_UNKNOWN;
        theirs = fetch_date_parse(h->date);
        if (theirs >= 0)
                now = theirs;
        return until > now ? (uint64_t) (until - now) : 0;
}

static void take_header(FetchHead *h, const char *name, char *value) {
        if (strcasecmp(name, "Content-Length") == 0)
                (void) parse_number(value, &h->length);
        else if (strcasecmp(name, "Content-Range") == 0)
                take_range(h, value);
        else if (strcasecmp(name, "Accept-Ranges") == 0)
                h->takes_ranges = strcasecmp(value, "bytes") == 0;
        else if (strcasecmp(name, "Content-Encoding") == 0)
                h->is_encoded = value[0] && strcasecmp(value, "identity") != 0;
        else if (strcasecmp(name, "Retry-After") == 0)
                take_retry_after(h, value);
        else if (strcasecmp(name, "ETag") == 0)
                take_text(h->etag, sizeof h->etag, value);
        else if (strcasecmp(name, "Last-Modified") == 0)
                take_text(h->modified, sizeof h->modified, value);
        else if (strcasecmp(name, "Date") == 0)
                take_text(h->date, sizeof h->date, value);
}

/* "HTTP/1.1 200 OK" */
static void take_status(FetchHead *h, const char *line) {
        size_t n = h->n;
        const char *s = strchr(line, ' ');
        unsigned status = 0;

        fetch_head_init(h);
        h->n = n;
        for (int i = 1; s && i <= 3 && s[i] >= '0' && s[i] <= '9'; i++)
                status = status * 10 + (unsigned) (s[i] - '0');
        h->status = status;
}

int fetch_head_line(FetchHead *h, const char *line, size_t n) {
        char text[FETCH_ETAG_MAX + 64];

        h->n += n;
        if (h->n > FETCH_HEAD_MAX)
                return -E2BIG;
        /* Nothing that is looked at is longer. */
        if (n >= sizeof text || memchr(line, '\0', n))
                return 0;
        memcpy(text, line, n);
        text[n] = '\0';

        char *s = str_strip(text);
        if (strncmp(s, "HTTP/", 5) == 0) {
                take_status(h, s);
                return 0;
        }
        char *colon = strchr(s, ':');
        if (!colon)
                return 0;
        *colon++ = '\0';
        take_header(h, s, str_strip(colon));
        return 0;
}

bool fetch_etag_is_strong(const char *etag) {
        size_t n = strlen(etag);

        return n >= 2 && etag[0] == '"' && etag[n - 1] == '"';
}
