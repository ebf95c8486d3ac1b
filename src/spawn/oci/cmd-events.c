/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events: what a container uses, and that it ran out of memory. Read from its control group, told in the form of
 * runc. */
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/proc.h"
#include "spawn/oci/group.h"
#include "spawn/oci/oci.h"

/* A file with one number; "max" is the greatest there is. Return: 0; -ENODATA there is none. */
static int read_number(int group, const char *file, uint64_t *ret) {
        _cleanup_free_ char *text = NULL;

        if (file_read_line(group, file, &text) < 0)
                return -ENODATA;
        if (streq(text, "max")) {
                *ret = UINT64_MAX;
                return 0;
        }
        return parse_u64(text, 0, UINT64_MAX, ret) < 0 ? -ENODATA : 0;
}

/* Of a file with a name and a number in each line. */
static uint64_t find_number(const char *text, const char *name) {
        size_t n = strlen(name);

        for (const char *p = text; p && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
                unsigned long long v;

                if (strncmp(p, name, n) == 0 && p[n] == ' ' && sscanf(p + n, " %llu", &v) == 1)
                        return v;
        }
        return 0;
}

static int put_cpu(int group, Buf *out) {
        _cleanup_free_ char *text = NULL;

        (void) file_read(group, "cpu.stat", 65536, &text, NULL);
        const char *t = strempty(text);
        return buf_printf(out,
                          "\"cpu\":{\"usage\":{\"total\":%llu,\"kernel\":%llu,\"user\":%llu},"
                          "\"throttling\":{\"periods\":%llu,\"throttledPeriods\":%llu,"
                          "\"throttledTime\":%llu}}",
                          (unsigned long long) find_number(t, "usage_usec") * 1000,
                          (unsigned long long) find_number(t, "system_usec") * 1000,
                          (unsigned long long) find_number(t, "user_usec") * 1000,
                          (unsigned long long) find_number(t, "nr_periods"),
                          (unsigned long long) find_number(t, "nr_throttled"),
                          (unsigned long long) find_number(t, "throttled_usec") * 1000);
}

static int put_memory_use(int group, const char *name, const char *prefix, Buf *out) {
        char file[64];
        uint64_t use = 0, limit = UINT64_MAX, peak = 0;

        (void) snprintf(file, sizeof file, "%s.current", prefix);
        (void) read_number(group, file, &use);
        (void) snprintf(file, sizeof file, "%s.max", prefix);
        (void) read_number(group, file, &limit);
        (void) snprintf(file, sizeof file, "%s.peak", prefix);
        (void) read_number(group, file, &peak);
        return buf_printf(out, "\"%s\":{\"limit\":%llu,\"usage\":%llu,\"max\":%llu,\"failcnt\":0}",
                          name, (unsigned long long) limit, (unsigned long long) use,
                          (unsigned long long) peak);
}

static int put_raw(const char *text, Buf *out) {
        int r = buf_puts(out, "\"raw\":{");
        bool any = false;

        for (const char *p = text; *p && r >= 0; p += strcspn(p, "\n"), p += *p == '\n') {
                size_t n = strcspn(p, " \n");
                unsigned long long v;

                if (p[n] != ' ' || sscanf(p + n, " %llu", &v) != 1)
                        continue;
                r = buf_printf(out, "%s\"%.*s\":%llu", any ? "," : "", (int) n, p, v);
                any = true;
        }
        return r < 0 ? r : buf_puts(out, "}");
}

static int put_memory(int group, Buf *out) {
        _cleanup_free_ char *text = NULL;

        (void) file_read(group, "memory.stat", 65536, &text, NULL);
        int r = buf_printf(out, "\"memory\":{\"cache\":%llu,",
                           (unsigned long long) find_number(strempty(text), "file"));
        if (r >= 0)
                r = put_memory_use(group, "usage", "memory", out);
        if (r >= 0)
                r = buf_puts(out, ",");
        if (r >= 0)
                r = put_memory_use(group, "swap", "memory.swap", out);
        if (r >= 0)
                r = buf_puts(out, ",");
        if (r >= 0)
                r = put_raw(strempty(text), out);
        return r < 0 ? r : buf_puts(out, "}");
}

static int put_stats(int group, const char *id, Buf *out) {
        uint64_t tasks = 0, limit = 0;
        int r = buf_puts(out, "{\"type\":\"stats\",\"id\":");

        (void) read_number(group, "pids.current", &tasks);
        (void) read_number(group, "pids.max", &limit);
        if (r >= 0)
                r = json_puts(out, id);
        if (r >= 0)
                r = buf_puts(out, ",\"data\":{");
        if (r >= 0)
                r = put_cpu(group, out);
        if (r >= 0)
                r = buf_puts(out, ",");
        if (r >= 0)
                r = put_memory(group, out);
        /* No limit is 0. */
        return r < 0 ? r
                     : buf_printf(out, ",\"pids\":{\"current\":%llu,\"limit\":%llu}}}\n",
                                  (unsigned long long) tasks,
                                  (unsigned long long) (limit == UINT64_MAX ? 0 : limit));
}

static int flush(Buf *out, Error *e) {
        int r = fd_write_all(STDOUT_FILENO, out->p, out->n);

        out->n = 0;
        return r < 0 ? error_set(e, r, "cannot write: %m") : 0;
}

static uint64_t count_ooms(int group) {
        _cleanup_free_ char *text = NULL;

        return file_read(group, "memory.events", 4096, &text, NULL) < 0
                       ? 0
                       : find_number(text, "oom_kill");
}

/* Until the container ends. The kernel tells of changes to memory.events. */
static int follow(Oci *oci, const Container *c, int group, Error *e) {
        char watched[64], events[4096];
        _cleanup_fd_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        uint64_t ooms = count_ooms(group), next = now_usec();
        int r = 0;

        (void) snprintf(watched, sizeof watched, "/proc/self/fd/%d/memory.events", group);
        if (watch < 0)
                return error_set(e, errno, "cannot wait for events: %m");
        (void) inotify_add_watch(watch, watched, IN_MODIFY);
        while (r >= 0) {
                uint64_t now = now_usec();
                struct pollfd fds[] = { { .fd = c->pidfd, .events = POLLIN },
                                        { .fd = watch, .events = POLLIN } };
                if (now >= next) {
                        r = put_stats(group, c->id, &oci->out) < 0 ? error_oom(e)
                                                                   : flush(&oci->out, e);
                        next = now + oci->o.interval;
                        continue;
                }
                uint64_t wait = MIN((next - now) / 1000 + 1, (uint64_t) INT32_MAX);
                if (poll(fds, ELEMENTSOF(fds), (int) wait) < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot wait for events: %m");
                (void) !read(watch, events, sizeof events);
                uint64_t seen = count_ooms(group);
                for (; ooms < seen && r >= 0; ooms++) {
                        r = buf_puts(&oci->out, "{\"type\":\"oom\",\"id\":");
                        if (r >= 0)
                                r = json_puts(&oci->out, c->id);
                        if (r >= 0)
                                r = buf_puts(&oci->out, "}\n");
                        r = r < 0 ? error_oom(e) : flush(&oci->out, e);
                }
                if (fds[0].revents)
                        return MIN(r, 0);
        }
        return r;
}

int oci_events(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        _cleanup_fd_ int group = -EBADF;
        int r = container_open(oci->o.root, args[0], &c, e);

        if (r < 0)
                return r;
        if (c.pidfd < 0)
                return error_set(e, ESRCH, "container %s is not running", c.id);
        group = group_open(&c, e);
        if (group < 0)
                return group;
        if (oci->o.stats)
                return put_stats(group, c.id, &oci->out) < 0 ? error_oom(e) : 0;
        return follow(oci, &c, group, e);
}
