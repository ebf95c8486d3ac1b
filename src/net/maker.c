/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures of processes, see maker.h. */
#include "net/maker.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"

/* Start time of a process in clock ticks: with the PID, what no other process had since boot. */
static int start_time(pid_t pid, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int r = file_read(AT_FDCWD, path, 64 * 1024, &text, NULL);
        if (r < 0)
                return r;

        /* The command, in parentheses, may hold anything; field 22 counts from after its end. */
        char *p = strrchr(text, ')');
        for (int field = 2; p && field < 22; field++)
                p = strchr(p + 1, ' ');
        if (!p)
                return -EBADMSG;
        p++;
        p[strcspn(p, " ")] = '\0';
        return parse_u64(p, 0, UINT64_MAX, ret);
}

int maker_sign(char ret[static MAKER_MAX]) {
        uint64_t start;
        int r = start_time(getpid(), &start);

        if (r >= 0)
                (void) snprintf(ret, MAKER_MAX, "skep %d %llu", getpid(),
                                (unsigned long long) start);
        return r;
}

bool maker_is_dead(const char *text) {
        _cleanup_strv_ char **words = NULL;
        uint64_t start, now;
        pid_t pid;

        if (str_split(text, " ", &words) < 0 || strv_length(words) != 3 ||
            !streq(words[0], "skep") || parse_pid(words[1], &pid) < 0 ||
            parse_u64(words[2], 0, UINT64_MAX, &start) < 0)
                return false;
        return start_time(pid, &now) < 0 || now != start;
}
