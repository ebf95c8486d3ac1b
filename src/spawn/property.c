/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of the machine's scope, see property.h. One row per property, one small reader per kind of
 * value; a property that has no row is refused by name rather than passed on unread. */
#include "spawn/property.h"

#include "base/parse.h"

typedef struct PropertyRow PropertyRow;
typedef int (*PropertyParse)(const PropertyRow *row, const char *value, Property *p, Error *e);

struct PropertyRow {
        const char *key;
        const char *name;  /* on the bus; NULL = the key */
        const char *scale; /* name for a value in percent */
        PropertyType type;
        PropertyParse parse;
};

void property_done(Property *p) {
        free(p->text);
        free(p->second);
        free(p->bytes);
        (void) strv_free(p->words);
        *p = (Property){};
}

static int bad(const char *value, const char *wanted, Error *e) {
        return error_set(e, EINVAL, "'%.80s' is not %s", value, wanted);
}

/* "12.5%" in hundredths of a percent. Return: 0; -EINVAL = no percentage. */
static int parse_percent(const char *value, uint64_t max, uint64_t *ret) {
        uint64_t whole, fraction = 0;
        size_t n = strlen(value);

        if (n < 2 || value[n - 1] != '%')
                return -EINVAL;
        _cleanup_free_ char *copy = strndup(value, n - 1);
        if (!copy)
                return -ENOMEM;

        char *dot = strchr(copy, '.');
        if (dot) {
                *dot++ = '\0';
                if (strlen(dot) < 1 || strlen(dot) > 2 || strspn(dot, "0123456789") != strlen(dot))
                        return -EINVAL;
                fraction = (uint64_t) (dot[0] - '0') * 10 +
                           (dot[1] ? (uint64_t) (dot[1] - '0') : 0);
        }
        int r = parse_u64(copy, 0, max, &whole);
        if (r < 0)
                return r;
        *ret = whole * 100 + fraction;
        return *ret <= max * 100 ? 0 : -ERANGE;
}

static int read_bool(const PropertyRow *row, const char *value, Property *p, Error *e) {
        bool on;

        if (parse_bool(value, &on) < 0)
                return bad(value, "yes or no", e);
        p->number = on;
        return 0;
}

/* Bytes or a number of things, with "infinity" and a share of what the host has. */
static int read_amount(const PropertyRow *row, const char *value, Property *p, Error *e) {
        uint64_t hundredths;

        if (streq(value, "infinity") || !*value) {
                p->number = UINT64_MAX;
                return 0;
        }
        if (row->scale && parse_percent(value, 100, &hundredths) >= 0) {
                p->name = row->scale;
                p->type = PROPERTY_U32;
                p->number = hundredths * UINT32_MAX / 10000;
                return 0;
        }
        if (parse_size(value, &p->number) < 0)
                return bad(value, "an amount, a percentage or 'infinity'", e);
        return 0;
}

static int read_weight(const PropertyRow *row, const char *value, Property *p, Error *e) {
        if (!*value)
                p->number = UINT64_MAX;
        else if (streq(value, "idle") && str_has_suffix(row->key, "CPUWeight"))
                p->number = 0;
        else if (parse_u64(value, 1, 10000, &p->number) < 0)
                return bad(value, "a weight from 1 to 10000", e);
        return 0;
}

static int read_quota(const PropertyRow *row, const char *value, Property *p, Error *e) {
        uint64_t hundredths;

        if (!*value || streq(value, "infinity")) {
                p->number = UINT64_MAX;
                return 0;
        }
        if (parse_percent(value, 1000 * 1000, &hundredths) < 0 || hundredths == 0)
                return bad(value, "a percentage of one CPU", e);
        p->number = hundredths * 100; /* µs per second */
        return 0;
}

static int read_duration(const PropertyRow *row, const char *value, Property *p, Error *e) {
        if (parse_duration(value, &p->number) < 0)
                return bad(value, "a duration", e);
        return 0;
}

static int read_signal(const PropertyRow *row, const char *value, Property *p, Error *e) {
        int number;

        if (parse_signal(value, &number) < 0)
                return bad(value, "a signal", e);
        p->number = (uint64_t) number;
        return 0;
}

static int read_text(const PropertyRow *row, const char *value, Property *p, Error *e) {
        return str_replace(&p->text, value) < 0 ? error_oom(e) : 0;
}

static int read_words(const PropertyRow *row, const char *value, Property *p, Error *e) {
        return str_split_quoted(value, &p->words, e);
}

/* A list of CPUs or nodes, "0-3,8", as a bit mask of bytes. */
static int read_set(const PropertyRow *row, const char *value, Property *p, Error *e) {
        enum { SET_MAX = 8192 };
        _cleanup_strv_ char **words = NULL;

        if (str_split(value, ", \t", &words) < 0)
                return error_oom(e);
        STRV_FOREACH(word, words) {
                uint64_t first, last;
                char *dash = strchr(*word, '-');

                if (dash)
                        *dash = '\0';
                if (parse_u64(*word, 0, SET_MAX - 1, &first) < 0 ||
                    parse_u64(dash ? dash + 1 : *word, first, SET_MAX - 1, &last) < 0)
                        return bad(value, "a list of numbers and ranges", e);
                size_t n = MAX((size_t) last / 8 + 1, p->n_bytes);
                uint8_t *bytes = realloc(p->bytes, n);
                if (!bytes)
                        return error_oom(e);
                memset(bytes + p->n_bytes, 0, n - p->n_bytes);
                p->bytes = bytes;
                p->n_bytes = n;
                for (uint64_t i = first; i <= last; i++)
                        p->bytes[i / 8] |= (uint8_t) (1 << i % 8);
        }
        return 0;
}

/* Splits "DEVICE REST"; a path or a class like "char-pts". Return: 0; 1 = the value is empty. */
static int split_device(const char *value, Property *p, const char **ret_rest, Error *e) {
        size_t n = strcspn(value, " \t");

        if (!*value)
                return 1;
        p->text = strndup(value, n);
        if (!p->text)
                return error_oom(e);
        *ret_rest = value + n + strspn(value + n, " \t");
        if (p->text[0] != '/' && !str_skip_prefix(p->text, "char-") &&
            !str_skip_prefix(p->text, "block-"))
                return bad(p->text, "a device path, 'char-…' or 'block-…'", e);
        return 0;
}

static int read_device_allow(const PropertyRow *row, const char *value, Property *p, Error *e) {
        const char *rest = "";
        int r = split_device(value, p, &rest, e);

        if (r != 0)
                return MIN(r, 0);
        if (rest[strspn(rest, "rwm")] != '\0')
                return bad(rest, "a combination of r, w and m", e);
        p->second = strdup(*rest ? rest : "rwm");
        return p->second ? 0 : error_oom(e);
}

static int read_device_amount(const PropertyRow *row, const char *value, Property *p, Error *e) {
        const char *rest = "";
        int r = split_device(value, p, &rest, e);

        if (r != 0)
                return MIN(r, 0);
        if (streq(rest, "infinity"))
                p->number = UINT64_MAX;
        else if (parse_size(rest, &p->number) < 0)
                return bad(rest, "an amount or 'infinity'", e);
        return 0;
}

static int read_device_weight(const PropertyRow *row, const char *value, Property *p, Error *e) {
        const char *rest = "";
        int r = split_device(value, p, &rest, e);

        return r != 0 ? MIN(r, 0) : read_weight(row, rest, p, e);
}

#define BOOL(k)                                                                                    \
        { .key = k, .type = PROPERTY_BOOL, .parse = read_bool }
#define AMOUNT(k)                                                                                  \
        { .key = k, .scale = k "Scale", .type = PROPERTY_U64, .parse = read_amount }
#define WEIGHT(k)                                                                                  \
        { .key = k, .type = PROPERTY_U64, .parse = read_weight }
#define TEXT(k)                                                                                    \
        { .key = k, .type = PROPERTY_STRING, .parse = read_text }
#define WORDS(k)                                                                                   \
        { .key = k, .type = PROPERTY_STRINGS, .parse = read_words }
#define SET(k)                                                                                     \
        { .key = k, .type = PROPERTY_BYTES, .parse = read_set }
#define DURATION(k, n)                                                                             \
        { .key = k, .name = n, .type = PROPERTY_U64, .parse = read_duration }
#define DEVICE_AMOUNT(k)                                                                           \
        { .key = k, .type = PROPERTY_DEVICE, .parse = read_device_amount }

static const PropertyRow rows[] = {
        AMOUNT("MemoryMax"),
        AMOUNT("MemoryHigh"),
        AMOUNT("MemoryLow"),
        AMOUNT("MemoryMin"),
        AMOUNT("MemorySwapMax"),
        AMOUNT("TasksMax"),
        { .key = "MemoryZSwapMax", .type = PROPERTY_U64, .parse = read_amount },
        { .key = "CPUQuota",
          .name = "CPUQuotaPerSecUSec",
          .type = PROPERTY_U64,
          .parse = read_quota },
        DURATION("CPUQuotaPeriodSec", "CPUQuotaPeriodUSec"),
        WEIGHT("CPUWeight"),
        WEIGHT("StartupCPUWeight"),
        WEIGHT("IOWeight"),
        WEIGHT("StartupIOWeight"),
        { .key = "IODeviceWeight", .type = PROPERTY_DEVICE, .parse = read_device_weight },
        DEVICE_AMOUNT("IOReadBandwidthMax"),
        DEVICE_AMOUNT("IOWriteBandwidthMax"),
        DEVICE_AMOUNT("IOReadIOPSMax"),
        DEVICE_AMOUNT("IOWriteIOPSMax"),
        SET("AllowedCPUs"),
        SET("StartupAllowedCPUs"),
        SET("AllowedMemoryNodes"),
        SET("StartupAllowedMemoryNodes"),
        BOOL("CPUAccounting"),
        BOOL("IOAccounting"),
        BOOL("IPAccounting"),
        BOOL("MemoryAccounting"),
        BOOL("TasksAccounting"),
        TEXT("DevicePolicy"),
        { .key = "DeviceAllow", .type = PROPERTY_PAIR, .parse = read_device_allow },
        TEXT("ManagedOOMSwap"),
        TEXT("ManagedOOMMemoryPressure"),
        TEXT("ManagedOOMPreference"),
        TEXT("OOMPolicy"),
        TEXT("Description"),
        TEXT("CollectMode"),
        TEXT("KillMode"),
        { .key = "KillSignal", .type = PROPERTY_I32, .parse = read_signal },
        BOOL("SendSIGHUP"),
        BOOL("SendSIGKILL"),
        DURATION("TimeoutStopSec", "TimeoutStopUSec"),
        DURATION("RuntimeMaxSec", "RuntimeMaxUSec"),
        BOOL("DefaultDependencies"),
        WORDS("After"),
        WORDS("Before"),
        WORDS("Wants"),
        WORDS("Requires"),
        WORDS("BindsTo"),
        WORDS("PartOf"),
        WORDS("Conflicts"),
};

int property_parse(const char *assignment, Property *ret, Error *e) {
        _cleanup_(property_done) Property p = {};
        const char *equals = strchr(assignment, '=');
        size_t n = equals ? (size_t) (equals - assignment) : 0;

        if (n == 0)
                return error_set(e, EINVAL, "'%.80s' is not NAME=VALUE", assignment);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const PropertyRow *row = rows + i;
                if (strlen(row->key) != n || strncmp(row->key, assignment, n) != 0)
                        continue;

                p.name = row->name ? row->name : row->key;
                p.type = row->type;
                int r = row->parse(row, equals + 1, &p, e);
                if (r < 0)
                        return error_wrap(e, r, "%s", row->key);
                *ret = p;
                p = (Property){};
                return 0;
        }
        return error_set(e, EOPNOTSUPP, "property '%.*s' is not supported",
                         (int) MIN(n, (size_t) 80), assignment);
}

int property_check(const char *assignment, Error *e) {
        _cleanup_(property_done) Property p = {};

        return property_parse(assignment, &p, e);
}
