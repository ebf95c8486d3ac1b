/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines from worker to daemon, see record.h. */
#include "importer/record.h"

#include "base/fd.h"
#include "base/parse.h"

static const char *const words[_RECORD_TYPE_MAX] = {
        [RECORD_PROGRESS] = "progress", [RECORD_LOG] = "log",       [RECORD_DONE] = "done",
        [RECORD_CANCELED] = "canceled", [RECORD_FAILED] = "failed",
};

int record_write(int fd, const Record *r) {
        char line[RECORD_LINE_MAX];
        int n;

        switch (r->type) {
        case RECORD_PROGRESS:
                n = snprintf(line, sizeof line, "progress %u\n", (unsigned) (r->ratio * 10000));
                break;
        case RECORD_LOG:
                n = snprintf(line, sizeof line, "log %d %.*s\n", r->level,
                             (int) MIN(strcspn(r->text, "\n"), sizeof line - 16), r->text);
                break;
        default:
                n = snprintf(line, sizeof line, "%s\n", words[r->type]);
        }
        return fd_write_all(fd, line, (size_t) n);
}

static int parse_progress(const char *text, Record *ret) {
        uint64_t v;
        int r = parse_u64(text, 0, 10000, &v);

        if (r < 0)
                return -EINVAL;
        ret->ratio = (double) v / 10000;
        return 0;
}

static int parse_log(const char *text, Record *ret) {
        if (text[0] < '0' || text[0] > '7' || text[1] != ' ')
                return -EINVAL;
        ret->level = text[0] - '0';
        ret->text = text + 2;
        return 0;
}

int record_parse(const char *line, Record *ret) {
        Record record = {};

        for (int t = 0; t < _RECORD_TYPE_MAX; t++) {
                const char *rest = str_skip_prefix(line, words[t]);
                int r = 0;

                if (!rest || (*rest && *rest != ' '))
                        continue;
                record.type = (RecordType) t;
                if (t == RECORD_PROGRESS || t == RECORD_LOG) {
                        if (*rest != ' ')
                                return -EINVAL;
                        r = t == RECORD_LOG ? parse_log(rest + 1, &record)
                                            : parse_progress(rest + 1, &record);
                } else if (*rest)
                        return -EINVAL;
                if (r >= 0)
                        *ret = record;
                return r;
        }
        return -EINVAL;
}
