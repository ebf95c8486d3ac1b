/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines from worker to daemon, see record.h. */
#include "importer/record.h"

#include "base/fd.h"
#include "base/parse.h"

#define RATIO_ONE 10000

static const char *const words[_RECORD_TYPE_MAX] = {
        [RECORD_PHASE] = "phase",   [RECORD_PROGRESS] = "progress", [RECORD_LOG] = "log",
        [RECORD_DONE] = "done",     [RECORD_CANCELED] = "canceled", [RECORD_FAILED] = "failed",
        [RECORD_WORKER] = "worker",
};

static const char *const phases[_PHASE_MAX] = {
        [PHASE_PREPARE] = "prepare", [PHASE_FETCH] = "fetch",     [PHASE_VERIFY] = "verify",
        [PHASE_UNPACK] = "unpack",   [PHASE_CONVERT] = "convert", [PHASE_COPY] = "copy",
        [PHASE_PACK] = "pack",       [PHASE_SYNC] = "sync",       [PHASE_COMMIT] = "commit",
};

const char *phase_name(Phase p) {
        return p < _PHASE_MAX ? phases[p] : NULL;
}

static const char *number(uint64_t v, char buffer[static 24]) {
        (void) snprintf(buffer, 24, v == RECORD_UNKNOWN ? "-" : "%llu", (unsigned long long) v);
        return buffer;
}

static int format(const Record *r, char *line, size_t size) {
        char ratio[24], done[24], total[24];
        const char *text = strempty(r->text);
        int n = (int) MIN(strcspn(text, "\n"), size - 32);

        switch (r->type) {
        case RECORD_PHASE:
                return snprintf(line, size, "phase %s\n", strempty(phase_name(r->phase)));
        case RECORD_PROGRESS:
                return snprintf(line, size, "progress %s %s %s\n",
                                number(r->ratio < 0 ? RECORD_UNKNOWN
                                                    : (uint64_t) (r->ratio * RATIO_ONE),
                                       ratio),
                                number(r->done, done), number(r->total, total));
        case RECORD_WORKER:
                return snprintf(line, size, "worker %d %s\n", r->pid, number(r->start, total));
        case RECORD_LOG:
                return snprintf(line, size, "log %d %.*s\n", r->level, n, text);
        case RECORD_FAILED:
                return snprintf(line, size, "failed %d %.*s\n", -r->code, n, text);
        default:
                return snprintf(line, size, "%s\n", words[r->type]);
        }
}

int record_write(int fd, const Record *r) {
        char line[RECORD_LINE_MAX];
        int n = format(r, line, sizeof line);

        return fd_write_all(fd, line, (size_t) n);
}

/* The number that @p begins with, behind which it goes on at *@ret_rest. */
static int parse_number(char *p, uint64_t max, uint64_t *ret, char **ret_rest) {
        char *end = p + strcspn(p, " ");

        *ret_rest = *end ? end + 1 : end;
        *end = '\0';
        if (streq(p, "-")) {
                *ret = RECORD_UNKNOWN;
                return 0;
        }
        return parse_u64(p, 0, max, ret) < 0 ? -EINVAL : 0;
}

static int parse_progress(char *p, Record *ret) {
        uint64_t ratio;
        int r = parse_number(p, RATIO_ONE, &ratio, &p);

        if (r >= 0)
                r = parse_number(p, RECORD_UNKNOWN - 1, &ret->done, &p);
        if (r >= 0)
                r = parse_number(p, RECORD_UNKNOWN - 1, &ret->total, &p);
        if (r < 0 || *p)
                return -EINVAL;
        ret->ratio = ratio == RECORD_UNKNOWN ? -1 : (double) ratio / RATIO_ONE;
        return 0;
}

static int parse_phase(char *p, Record *ret) {
        for (int i = 0; i < _PHASE_MAX; i++)
                if (streq(p, phases[i])) {
                        ret->phase = (Phase) i;
                        return 0;
                }
        return -EINVAL;
}

static int parse_worker(char *p, Record *ret) {
        uint64_t pid;
        int r = parse_number(p, INT32_MAX, &pid, &p);

        if (r >= 0)
                r = parse_number(p, RECORD_UNKNOWN - 1, &ret->start, &p);
        if (r < 0 || *p || pid == 0 || pid == RECORD_UNKNOWN)
                return -EINVAL;
        ret->pid = (pid_t) pid;
        return 0;
}

static int parse_log(char *p, Record *ret) {
        if (p[0] < '0' || p[0] > '7' || p[1] != ' ')
                return -EINVAL;
        ret->level = p[0] - '0';
        ret->text = p + 2;
        return 0;
}

static int parse_failed(char *p, Record *ret) {
        uint64_t code;
        int r = parse_number(p, 4095, &code, &p);

        if (r < 0 || code == 0 || code == RECORD_UNKNOWN)
                return -EINVAL;
        ret->code = -(int) code;
        ret->text = p;
        return 0;
}

int record_parse(char *line, Record *ret) {
        static int (*const parsers[_RECORD_TYPE_MAX])(char *, Record *) = {
                [RECORD_PHASE] = parse_phase,   [RECORD_PROGRESS] = parse_progress,
                [RECORD_WORKER] = parse_worker, [RECORD_LOG] = parse_log,
                [RECORD_FAILED] = parse_failed,
        };
        size_t n = strcspn(line, " ");

        for (int t = 0; t < _RECORD_TYPE_MAX; t++) {
                Record record = { .type = (RecordType) t };
                int r = 0;

                if (strlen(words[t]) != n || memcmp(line, words[t], n) != 0)
                        continue;
                if (!parsers[t] != !line[n])
                        return -EINVAL;
                if (parsers[t])
                        r = parsers[t](line + n + 1, &record);
                if (r >= 0)
                        *ret = record;
                return r;
        }
        return -EINVAL;
}
