/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All fields of a journal entry: as JSON, as text, and in the format that systemd-journal-remote reads. */
#include <endian.h>
#include <inttypes.h>
#include <systemd/sd-id128.h>
#include <time.h>

#include "base/json.h"
#include "base/parse.h"
#include "ctl/journal.h"

#define USEC_PER_SEC UINT64_C(1000000)

static bool is_text(const char *s, size_t n) {
        if (!str_is_utf8(s, n))
                return false;
        for (size_t i = 0; i < n; i++)
                if (((unsigned char) s[i] < ' ' && s[i] != '\n' && s[i] != '\t') || s[i] == 0x7f)
                        return false;
        return true;
}

/* Text that is fit to be shown as a string, anything else as an array of bytes. */
static int put_json_value(const char *s, size_t n, Buf *out) {
        int r;

        if (is_text(s, n)) {
                _cleanup_free_ char *text = strndup(s, n);

                return text ? json_puts(out, text) : -ENOMEM;
        }
        r = buf_puts(out, "[");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = buf_printf(out, "%s%u", i > 0 ? "," : "", (unsigned char) s[i]);
        return r < 0 ? r : buf_puts(out, "]");
}

static int put_json_field(const char *data, size_t n, bool pretty, Buf *out) {
        const char *equals = memchr(data, '=', n);
        _cleanup_free_ char *name = equals ? strndup(data, (size_t) (equals - data)) : NULL;
        int r;

        if (!equals)
                return 0;
        if (!name)
                return -ENOMEM;
        r = buf_puts(out, pretty ? ",\n\t" : ",");
        if (r >= 0)
                r = json_puts(out, name);
        if (r >= 0)
                r = buf_puts(out, pretty ? " : " : ":");
        return r < 0 ? r : put_json_value(equals + 1, n - (size_t) (equals + 1 - data), out);
}

static int put_json(sd_journal *j, const char *mode, const JournalTime *at, Buf *out) {
        _cleanup_free_ char *cursor = NULL;
        bool pretty = streq(mode, "json-pretty");
        const void *data;
        size_t n;
        int r = streq(mode, "json-seq")   ? buf_puts(out, "\x1e")
                : streq(mode, "json-sse") ? buf_puts(out, "data: ")
                                          : 0;

        if (r >= 0)
                r = sd_journal_get_cursor(j, &cursor);
        if (r >= 0)
                r = buf_printf(out,
                               pretty ? "{\n\t\"__CURSOR\" : \"%s\",\n"
                                        "\t\"__REALTIME_TIMESTAMP\" : \"%" PRIu64 "\",\n"
                                        "\t\"__MONOTONIC_TIMESTAMP\" : \"%" PRIu64 "\""
                                      : "{\"__CURSOR\":\"%s\","
                                        "\"__REALTIME_TIMESTAMP\":\"%" PRIu64 "\","
                                        "\"__MONOTONIC_TIMESTAMP\":\"%" PRIu64 "\"",
                               cursor, at->realtime, at->monotonic);
        sd_journal_restart_data(j);
        while (r >= 0 && sd_journal_enumerate_data(j, &data, &n) > 0)
                r = put_json_field(data, n, pretty, out);
        if (r >= 0)
                r = buf_puts(out, pretty ? "\n}\n" : "}\n");
        if (r >= 0 && streq(mode, "json-sse"))
                r = buf_puts(out, "\n");
        return r;
}

/* "TIME [CURSOR]", then a field in each line; further lines of a value are below its beginning. */
static int put_verbose_field(const char *data, size_t n, Buf *out) {
        const char *equals = memchr(data, '=', n);
        int r;

        if (!equals)
                return 0;
        int name = (int) (equals - data);
        size_t size = n - (size_t) name - 1;
        if (!is_text(equals + 1, size))
                return buf_printf(out, "    %.*s=[%zuB blob data]\n", name, data, size);
        r = buf_printf(out, "    %.*s=", name, data);
        for (const char *s = equals + 1, *end = data + n; r >= 0;) {
                const char *line = memchr(s, '\n', (size_t) (end - s));

                r = buf_append(out, s, (size_t) ((line ? line : end) - s));
                if (r >= 0)
                        r = buf_puts(out, "\n");
                if (!line)
                        break;
                s = line + 1;
                if (r >= 0)
                        r = buf_printf(out, "%*s", name + 5, "");
        }
        return r;
}

/* When it happened, if who wrote it has said so, as journalctl has it here. */
static uint64_t source_time(sd_journal *j, const JournalTime *at) {
        static const char field[] = "_SOURCE_REALTIME_TIMESTAMP";
        const void *data;
        char text[32];
        uint64_t usec;
        size_t n;

        if (sd_journal_get_data(j, field, &data, &n) < 0 || n < sizeof field ||
            n - sizeof field >= sizeof text)
                return at->realtime;
        n -= sizeof field;
        memcpy(text, (const char *) data + sizeof field, n);
        text[n] = '\0';
        return parse_u64(text, 0, INT64_MAX, &usec) < 0 ? at->realtime : usec;
}

static int put_verbose_head(sd_journal *j, const JournalTime *at, Buf *out) {
        _cleanup_free_ char *cursor = NULL;
        uint64_t usec = source_time(j, at);
        time_t t = (time_t) (usec / USEC_PER_SEC);
        char text[64], zone[16];
        struct tm tm;
        int r = sd_journal_get_cursor(j, &cursor);

        if (r < 0)
                return r;
        if (!localtime_r(&t, &tm))
                return -EINVAL;
        (void) strftime(text, sizeof text, "%a %Y-%m-%d %H:%M:%S", &tm);
        (void) strftime(zone, sizeof zone, "%Z", &tm);
        return buf_printf(out, "%s.%06" PRIu64 " %s [%s]\n", text, usec % USEC_PER_SEC, zone,
                          cursor);
}

/* What is no text comes as its length and its bytes. */
static int put_export_field(const char *data, size_t n, Buf *out) {
        const char *equals = memchr(data, '=', n);
        int r;

        if (!equals || str_skip_prefix(data, "_BOOT_ID="))
                return 0;
        size_t name = (size_t) (equals - data), size = n - name - 1;
        if (is_text(equals + 1, size) && !memchr(equals + 1, '\n', size))
                r = buf_append(out, data, n);
        else {
                uint64_t length = htole64(size);

                r = buf_append(out, data, name);
                if (r >= 0)
                        r = buf_puts(out, "\n");
                if (r >= 0)
                        r = buf_append(out, (const char *) &length, sizeof length);
                if (r >= 0)
                        r = buf_append(out, equals + 1, size);
        }
        return r < 0 ? r : buf_puts(out, "\n");
}

static int put_export_head(sd_journal *j, const JournalTime *at, Buf *out) {
        _cleanup_free_ char *cursor = NULL;
        char boot[SD_ID128_STRING_MAX];
        int r = sd_journal_get_cursor(j, &cursor);

        return r < 0 ? r
                     : buf_printf(out,
                                  "__CURSOR=%s\n__REALTIME_TIMESTAMP=%" PRIu64 "\n"
                                  "__MONOTONIC_TIMESTAMP=%" PRIu64 "\n_BOOT_ID=%s\n",
                                  cursor, at->realtime, at->monotonic,
                                  sd_id128_to_string(at->boot, boot));
}

int journal_put_fields(sd_journal *j, const char *mode, const JournalTime *at, Buf *out) {
        bool verbose = streq(mode, "verbose");
        const void *data;
        size_t n;

        if (str_skip_prefix(mode, "json"))
                return put_json(j, mode, at, out);
        int r = verbose ? put_verbose_head(j, at, out) : put_export_head(j, at, out);
        sd_journal_restart_data(j);
        while (r >= 0 && sd_journal_enumerate_data(j, &data, &n) > 0)
                r = verbose ? put_verbose_field(data, n, out) : put_export_field(data, n, out);
        return r < 0 || verbose ? r : buf_puts(out, "\n");
}
