/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resource limits, see limit.h. Which settings there are is in spec-settings.c. */
#include "spawn/limit.h"

#include <strings.h>
#include <unistd.h>

#include "base/parse.h"

#define PREFIX "RLIMIT_"

/* How a value is written. */
typedef enum LimitUnit {
        UNIT_NUMBER,
        UNIT_BYTES,
        UNIT_SECONDS, /* a bare number is seconds */
        UNIT_USEC,    /* a bare number is µs */
        UNIT_NICE,
} LimitUnit;

static const struct {
        char name[12]; /* no pointers: nothing to relocate */
        uint8_t unit;
} limits[LIMITS_MAX] = {
        [RLIMIT_CPU] = { "CPU", UNIT_SECONDS },
        [RLIMIT_FSIZE] = { "FSIZE", UNIT_BYTES },
        [RLIMIT_DATA] = { "DATA", UNIT_BYTES },
        [RLIMIT_STACK] = { "STACK", UNIT_BYTES },
        [RLIMIT_CORE] = { "CORE", UNIT_BYTES },
        [RLIMIT_RSS] = { "RSS", UNIT_BYTES },
        [RLIMIT_NPROC] = { "NPROC", UNIT_NUMBER },
        [RLIMIT_NOFILE] = { "NOFILE", UNIT_NUMBER },
        [RLIMIT_MEMLOCK] = { "MEMLOCK", UNIT_BYTES },
        [RLIMIT_AS] = { "AS", UNIT_BYTES },
        [RLIMIT_LOCKS] = { "LOCKS", UNIT_NUMBER },
        [RLIMIT_SIGPENDING] = { "SIGPENDING", UNIT_NUMBER },
        [RLIMIT_MSGQUEUE] = { "MSGQUEUE", UNIT_BYTES },
        [RLIMIT_NICE] = { "NICE", UNIT_NICE },
        [RLIMIT_RTPRIO] = { "RTPRIO", UNIT_NUMBER },
        [RLIMIT_RTTIME] = { "RTTIME", UNIT_USEC },
};

const char *limit_name(int resource) {
        return limits[resource].name;
}

int limit_find(const char *name) {
        size_t skip = strncasecmp(name, PREFIX, strlen(PREFIX)) == 0 ? strlen(PREFIX) : 0;

        for (int i = 0; i < LIMITS_MAX; i++)
                if (strcasecmp(name + skip, limits[i].name) == 0)
                        return i;
        return -EINVAL;
}

/* A level from -20 to +19, which the limit counts down from 20, or the limit itself. */
static int parse_nice(const char *s, rlim_t *ret) {
        uint64_t v;
        int r;

        if (*s == '+')
                r = parse_u64(s + 1, 0, 19, &v), v = 20 - v;
        else if (*s == '-')
                r = parse_u64(s + 1, 0, 20, &v), v = 20 + v;
        else
                r = parse_u64(s, 0, 40, &v);
        if (r >= 0)
                *ret = v;
        return r;
}

static int parse_time(LimitUnit unit, const char *s, rlim_t *ret) {
        bool bare = s[strspn(s, "0123456789")] == '\0';
        uint64_t usec;
        int r;

        if (bare && unit == UNIT_USEC)
                r = parse_u64(s, 0, RLIM_INFINITY - 1, &usec);
        else
                r = parse_duration(s, &usec);
        if (r < 0)
                return r;
        /* The kernel counts full seconds: less than one is one, as zero would end it at once. */
        *ret = unit == UNIT_USEC ? usec : usec / 1000000 + (usec % 1000000 > 0);
        return 0;
}

static int parse_one(int resource, const char *s, rlim_t *ret) {
        uint64_t v;
        int r;

        if (streq(s, "infinity")) {
                *ret = RLIM_INFINITY;
                return 0;
        }
        switch (limits[resource].unit) {
        case UNIT_NICE:
                return parse_nice(s, ret);
        case UNIT_SECONDS:
        case UNIT_USEC:
                return parse_time(limits[resource].unit, s, ret);
        case UNIT_BYTES:
                r = parse_size(s, &v);
                break;
        default:
                r = parse_u64(s, 0, RLIM_INFINITY - 1, &v);
                break;
        }
        if (r >= 0)
                *ret = v;
        return r;
}

int limit_parse(int resource, const char *value, Limit *ret, Error *e) {
        const char *colon = strchr(value, ':');
        _cleanup_free_ char *soft = strndup(value,
                                            colon ? (size_t) (colon - value) : strlen(value));
        Limit limit = { .given = true };

        if (!soft)
                return error_oom(e);
        int r = parse_one(resource, soft, &limit.soft);
        limit.hard = limit.soft;
        if (r >= 0 && colon)
                r = parse_one(resource, colon + 1, &limit.hard);
        if (r < 0)
                return error_set(e, r, "'%.60s' is not a limit SOFT[:HARD] for %s", value,
                                 limit_name(resource));
        if (limit.soft > limit.hard)
                return error_set(e, EINVAL, "the soft limit of '%.60s' is above the hard one",
                                 value);
        *ret = limit;
        return 0;
}

int limit_setting(const Setting *row, const char *value, void *at, Error *e) {
        int resource = limit_find(row->key + strlen("Limit"));

        assert_se(resource >= 0);
        return limit_parse(resource, value, at, e);
}

int limit_setting_named(const Setting *row, const char *value, void *at, Error *e) {
        Limit *all = (Limit *) ((char *) at - (uintptr_t) row->data);
        const char *equals = strchr(value, '=');
        char name[24];

        if (!equals || (size_t) (equals - value) >= sizeof name)
                return error_set(e, EINVAL, "'%.60s' is not NAME=SOFT[:HARD]", value);
        (void) snprintf(name, sizeof name, "%.*s", (int) (equals - value), value);
        int resource = limit_find(name);
        if (resource < 0)
                return error_set(e, EINVAL, "'%s' is not the name of a limit", name);
        return limit_parse(resource, equals + 1, all + resource, e);
}

static int cannot(Error *e, int code, int resource) {
        return error_set(e, code, "cannot set the resource limit %s: %m%s", limit_name(resource),
                         code == EPERM ? " (to raise it needs CAP_SYS_RESOURCE)" : "");
}

int limit_apply(const Limit given[static LIMITS_MAX], Error *e) {
        for (int i = 0; i < LIMITS_MAX; i++) {
                const struct rlimit l = { given[i].soft, given[i].hard };

                if (given[i].given && setrlimit((__rlimit_resource_t) i, &l) < 0)
                        return cannot(e, errno, i);
        }
        return 0;
}

int limit_raise(pid_t pid, const Limit given[static LIMITS_MAX], Error *e) {
        for (int i = 0; i < LIMITS_MAX; i++) {
                struct rlimit l;

                if (!given[i].given)
                        continue;
                if (prlimit(pid, (__rlimit_resource_t) i, NULL, &l) < 0)
                        return error_set(e, errno, "cannot read the resource limit %s: %m",
                                         limit_name(i));
                if (given[i].hard <= l.rlim_max)
                        continue;
                l.rlim_max = given[i].hard;
                if (prlimit(pid, (__rlimit_resource_t) i, &l, NULL) < 0)
                        return cannot(e, errno, i);
        }
        return 0;
}

bool limit_is_any_given(const Limit given[static LIMITS_MAX]) {
        for (int i = 0; i < LIMITS_MAX; i++)
                if (given[i].given)
                        return true;
        return false;
}

static int format_value(rlim_t v, Buf *out) {
        return v == RLIM_INFINITY ? buf_puts(out, "infinity")
                                  : buf_printf(out, "%llu", (unsigned long long) v);
}

int limit_format(const Limit given[static LIMITS_MAX], Buf *out) {
        int r = 0;

        for (int i = 0; i < LIMITS_MAX && r >= 0; i++) {
                if (!given[i].given)
                        continue;
                r = buf_printf(out, "limit %s: ", limit_name(i));
                if (r >= 0)
                        r = format_value(given[i].soft, out);
                if (r >= 0)
                        r = buf_puts(out, ":");
                if (r >= 0)
                        r = format_value(given[i].hard, out);
                if (r >= 0)
                        r = buf_puts(out, "\n");
        }
        return r;
}
