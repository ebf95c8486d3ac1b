/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the end of a unit's journal. A small part of journalctl on purpose: enough to see beside a
 * machine's state what it said last. */
#include "ctl/journal.h"

#include <inttypes.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "app/table.h"
#include "base/home.h"

#define MESSAGE_MAX  4096 /* bytes shown of one field */
#define USEC_PER_SEC UINT64_C(1000000)
#define DELTA_WIDTH  16 /* " <    0.000123 >" */

static sd_journal *journal_close(sd_journal *j) {
        if (j)
                sd_journal_close(j);
        return NULL;
}
DEFINE_CLEANUP(sd_journal *, journal_close)

static int match(sd_journal *j, const char *field, const char *value) {
        _cleanup_free_ char *s = str_format("%s=%s", field, value);

        return s ? sd_journal_add_match(j, s, 0) : -ENOMEM;
}

/* Either: of the unit itself; of PID 1 about it; of a privileged process about it. All of this boot. */
static int match_unit(sd_journal *j, const char *unit) {
        bool is_user = home_is_user();
        char boot_text[SD_ID128_STRING_MAX];
        sd_id128_t boot;
        int r = match(j, is_user ? "_SYSTEMD_USER_UNIT" : "_SYSTEMD_UNIT", unit);

        if (r >= 0)
                r = sd_journal_add_disjunction(j);
        if (r >= 0 && !is_user)
                r = match(j, "_PID", "1");
        if (r >= 0)
                r = match(j, is_user ? "USER_UNIT" : "UNIT", unit);
        if (r >= 0)
                r = sd_journal_add_disjunction(j);
        if (r >= 0)
                r = match(j, "_UID", "0");
        if (r >= 0)
                r = match(j, "OBJECT_SYSTEMD_UNIT", unit);
        if (r >= 0 && str_has_suffix(unit, ".slice")) {
                r = sd_journal_add_disjunction(j);
                if (r >= 0)
                        r = match(j, "_SYSTEMD_SLICE", unit);
        }
        if (r >= 0)
                r = sd_journal_add_conjunction(j);
        if (r >= 0)
                r = sd_id128_get_boot(&boot);
        return r < 0 ? r : match(j, "_BOOT_ID", sd_id128_to_string(boot, boot_text));
}

static int open_unit(const char *unit, sd_journal **ret) {
        _cleanup_(journal_closep) sd_journal *j = NULL;
        int r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY);

        if (r >= 0)
                r = match_unit(j, unit);
        if (r >= 0)
                r = sd_journal_seek_tail(j);
        if (r >= 0)
                *ret = TAKE_PTR(j);
        return r;
}

/* Escape sequences that only colour are taken out; all others stay, and are shown as text later. */
static void strip_colours(char *s) {
        char *to = s;

        while (*s) {
                size_t n = s[0] == '\033' && s[1] == '[' ? strspn(s + 2, "0123456789;:") : 0;

                if (s[0] == '\033' && s[1] == '[' && s[2 + n] == 'm')
                        s += n + 3;
                else
                        *to++ = *s++;
        }
        *to = 0;
}

/* Value of a field of the current entry, not yet made printable; NULL if it has none. */
static char *field(sd_journal *j, const char *name) {
        const void *data;
        size_t n, skip = strlen(name) + 1;

        if (sd_journal_get_data(j, name, &data, &n) < 0 || n < skip)
                return NULL;
        char *s = strndup((const char *) data + skip, MIN(n - skip, (size_t) MESSAGE_MAX));
        if (s) {
                strip_colours(s);
                for (size_t i = strlen(s); i > 0 && (s[i - 1] == '\n' || s[i - 1] == '\r'); i--)
                        s[i - 1] = 0;
        }
        return s;
}

static char *printable_field(sd_journal *j, const char *name, bool lines) {
        _cleanup_free_ char *s = field(j, name);

        return s ? text_printable(s, lines) : NULL;
}

int journal_last_message(const char *unit, char **ret) {
        _cleanup_(journal_closep) sd_journal *j = NULL;
        int r = open_unit(unit, &j);

        /* What PID 1 says about the end of a unit is known already: look for the unit's own words. */
        for (unsigned i = 0; r >= 0 && i < 50 && (r = sd_journal_previous(j)) > 0; i++) {
                _cleanup_free_ char *pid = printable_field(j, "_PID", false);
                _cleanup_free_ char *message = printable_field(j, "MESSAGE", false);

                if (message && *message && !streq_ptr(pid, "1")) {
                        *ret = TAKE_PTR(message);
                        return 0;
                }
        }
        return r < 0 ? r : -ENODATA;
}

static int put_time(const char *mode, const JournalTime *at, Buf *out) {
        static const struct {
                const char *mode, *format;
                bool micro, zone_after;
        } forms[] = {
                { "short", "%b %d %H:%M:%S" },
                { "with-unit", "%a %Y-%m-%d %H:%M:%S %Z" },
                { "short-full", "%a %Y-%m-%d %H:%M:%S %Z" },
                { "short-precise", "%b %d %H:%M:%S", .micro = true },
                { "short-iso", "%Y-%m-%dT%H:%M:%S", .zone_after = true },
                { "short-iso-precise", "%Y-%m-%dT%H:%M:%S", .micro = true, .zone_after = true },
        };
        time_t t = (time_t) (at->realtime / USEC_PER_SEC);
        char text[64] = "", zone[16] = "";
        struct tm tm;

        if (streq(mode, "short-unix"))
                return buf_printf(out, "%" PRIu64 ".%06" PRIu64, at->realtime / USEC_PER_SEC,
                                  at->realtime % USEC_PER_SEC);
        if (streq(mode, "short-monotonic") || streq(mode, "short-delta"))
                return buf_printf(out, "[%5" PRIu64 ".%06" PRIu64 "%*s]",
                                  at->monotonic / USEC_PER_SEC, at->monotonic % USEC_PER_SEC,
                                  streq(mode, "short-delta") ? DELTA_WIDTH : 0, "");
        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                if (!streq(forms[i].mode, mode) || !localtime_r(&t, &tm))
                        continue;
                (void) strftime(text, sizeof(text), forms[i].format, &tm);
                if (forms[i].zone_after)
                        (void) strftime(zone, sizeof(zone), "%z", &tm);
                int r = buf_puts(out, text);
                if (r >= 0 && forms[i].micro)
                        r = buf_printf(out, ".%06" PRIu64, at->realtime % USEC_PER_SEC);
                /* "+0100" in the form that ISO 8601 has beside hyphens and colons */
                return r < 0 || !*zone ? r : buf_printf(out, "%.3s:%s", zone, zone + 3);
        }
        return -EINVAL;
}

/* "TIME HOST IDENTIFIER[PID]: MESSAGE", further lines of the message below its beginning. */
static int put_short(sd_journal *j, const char *mode, const JournalTime *at, Buf *out) {
        _cleanup_free_ char *host = printable_field(j, "_HOSTNAME", false);
        _cleanup_free_ char *name = printable_field(j, "SYSLOG_IDENTIFIER", false);
        _cleanup_free_ char *pid = printable_field(j, "_PID", false);
        _cleanup_free_ char *message = printable_field(j, "MESSAGE", true);
        _cleanup_(buf_done) Buf head = {};
        int r = put_time(mode, at, &head);

        if (!name)
                name = printable_field(j, "_COMM", false);
        if (!pid)
                pid = printable_field(j, "SYSLOG_PID", false);
        if (streq(mode, "with-unit")) {
                free(name);
                name = printable_field(j, "_SYSTEMD_UNIT", false);
        }
        if (r >= 0 && host)
                r = buf_printf(&head, " %s", host);
        if (r >= 0)
                r = buf_printf(&head, " %s", name ? name : "unknown");
        if (r >= 0 && pid)
                r = buf_printf(&head, "[%s]", pid);
        if (r >= 0)
                r = buf_puts(&head, ": ");
        if (r < 0)
                return r;

        const char *s = strempty(message);
        for (bool first = true; r >= 0; first = false) {
                size_t n = strcspn(s, "\n");

                r = first ? buf_puts(out, head.p) : buf_printf(out, "%*s", (int) head.n, "");
                if (r >= 0)
                        r = buf_append(out, s, n);
                if (r >= 0)
                        r = buf_puts(out, "\n");
                if (!s[n])
                        break;
                s += n + 1;
        }
        return r;
}

static int put_entry(sd_journal *j, const char *mode, const JournalTime *at, Buf *out) {
        if (str_skip_prefix(mode, "json") || streq(mode, "verbose") || streq(mode, "export"))
                return journal_put_fields(j, mode, at, out);
        if (streq(mode, "cat")) {
                _cleanup_free_ char *message = printable_field(j, "MESSAGE", true);

                return buf_printf(out, "%s\n", strempty(message));
        }
        return put_short(j, mode, at, out);
}

static int get_time(sd_journal *j, JournalTime *ret) {
        *ret = (JournalTime){};
        int r = sd_journal_get_realtime_usec(j, &ret->realtime);

        if (r >= 0)
                (void) sd_journal_get_monotonic_usec(j, &ret->monotonic, &ret->boot);
        return r;
}

int journal_format_entry(sd_journal *j, const char *mode, JournalTime *ret_at, Buf *out) {
        int r = get_time(j, ret_at);

        return r < 0 ? r : put_entry(j, mode ? mode : "short", ret_at, out);
}

void journal_put_delta(char *text, size_t n, const JournalTime *before, const JournalTime *at) {
        char delta[64];
        const char *dot = memchr(text, '.', n);
        size_t i = dot ? (size_t) (dot - text) + 1 + 6 : n;

        if (text[0] != '[' || i + DELTA_WIDTH > n || before->realtime == 0 ||
            at->monotonic < before->monotonic || !sd_id128_equal(before->boot, at->boot))
                return;
        uint64_t usec = at->monotonic - before->monotonic;
        int k = snprintf(delta, sizeof delta, " <%5" PRIu64 ".%06" PRIu64 " >", usec / USEC_PER_SEC,
                         usec % USEC_PER_SEC);
        if (k == DELTA_WIDTH && strspn(text + i, " ") >= DELTA_WIDTH)
                memcpy(text + i, delta, DELTA_WIDTH);
}

int journal_tail(const char *unit, const char *mode, unsigned lines, uint64_t since_usec, Buf *out,
                 Error *e) {
        _cleanup_(journal_closep) sd_journal *j = NULL;
        JournalTime before = {};
        int n = 0, r;

        if (!mode)
                mode = "short";
        if (lines == 0)
                return 0;
        r = open_unit(unit, &j);
        if (r >= 0)
                r = sd_journal_previous_skip(j, lines);
        for (; r > 0; r = sd_journal_next(j)) {
                size_t start = out->n;
                JournalTime at;

                if (get_time(j, &at) < 0 || at.monotonic < since_usec)
                        continue;
                r = put_entry(j, mode, &at, out);
                if (r < 0)
                        break;
                if (streq(mode, "short-delta"))
                        journal_put_delta(out->p + start, out->n - start, &before, &at);
                before = at;
                n++;
        }
        return r < 0 ? error_set(e, r, "cannot read the journal of %s: %m", unit) : n;
}
