/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of machines for each other, see hosts.h. A file needs no resolver inside, nobody who answers
 * outside, and what it says still holds when every program of ours is dead. */
#include "net/hosts.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/name.h"

#define FOLDER "/run/skep/network/hosts"
#define BESIDE "../hosts"

#define LINES_MAX                                                                                  \
        (1024 * 1024) /* bytes; as the machine may have made it bigger, no more is looked at */

static bool line_names(const char *line, size_t n, const char *name) {
        _cleanup_free_ char *copy = strndup(line,
                                            strcspn(line, "#\n") < n ? strcspn(line, "#\n") : n);
        char *save = NULL, *word = copy ? strtok_r(copy, " \t\r", &save) : NULL;

        while (word && (word = strtok_r(NULL, " \t\r", &save)))
                if (streq(word, name))
                        return true;
        return false;
}

static bool text_names(const char *text, size_t n, const char *name) {
        for (size_t at = 0; at < n; at += strcspn(text + at, "\n") + 1)
                if (line_names(text + at, n - at, name))
                        return true;
        return false;
}

int hosts_head(const char *text, size_t n, Buf *out) {
        int r = 0;

        /* What holds a NUL is no text. */
        if (text && n > 0 && !memchr(text, '\0', n)) {
                r = buf_append(out, text, n);
                if (r >= 0 && text[n - 1] != '\n')
                        r = buf_puts(out, "\n");
        }
        if (r >= 0 && (out->n == 0 || !text_names(out->p, out->n, "localhost")))
                r = buf_puts(out, "127.0.0.1 localhost\n::1 localhost\n");
        if (r >= 0)
                r = buf_puts(out, "# What follows is kept up to date by skep.");
        while (r >= 0 && (out->n + 1) % HOSTS_LINE != 0)
                r = buf_puts(out, " ");
        return r < 0 ? r : buf_puts(out, "\n");
}

static int add_line(char ***lines, const Ip *ip, const char *name, const char *alias) {
        bool has_alias = alias && *alias && !streq(alias, name);
        char text[IP_TEXT_MAX];

        return strv_append_format(lines, "%s %s%s%s", ip_format(ip, text), name,
                                  has_alias ? " " : "", has_alias ? alias : "");
}

static int add_host(char ***lines, const MemberList *l, const Member *self, const char *hostname) {
        /* A machine that is called as the host is means more to its neighbours. */
        if (hostname && member_list_find(l, hostname))
                hostname = NULL;
        for (size_t i = 0; i < self->n; i++) {
                const MemberAddress *a = self->v + i;
                if (a->host.ip.family != AF_UNSPEC &&
                    add_line(lines, &a->host.ip, "_gateway", hostname) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static int add_member(char ***lines, const Member *m) {
        for (size_t i = 0; i < m->n; i++)
                if (add_line(lines, &m->v[i].address.ip, m->name, m->hostname) < 0)
                        return -ENOMEM;
        return 0;
}

int hosts_lines(const MemberList *l, const Member *self, const char *hostname, char ***ret) {
        _cleanup_strv_ char **lines = NULL;
        int r = add_member(&lines, self);

        if (r >= 0)
                r = add_host(&lines, l, self, hostname);
        for (size_t i = 0; i < l->n && r >= 0; i++)
                if (*self->segment && streq(l->v[i].segment, self->segment) &&
                    !streq(l->v[i].name, self->name))
                        r = add_member(&lines, l->v + i);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(lines);
        return 0;
}

/* A line as it stands in the file; an empty one is blank. */
static void fill(const char *line, char ret[static HOSTS_LINE]) {
        size_t n = line ? strnlen(line, HOSTS_LINE - 1) : 0;

        memset(ret, ' ', HOSTS_LINE - 1);
        ret[HOSTS_LINE - 1] = '\n';
        if (n > 0)
                memcpy(ret, line, n);
}

static int put(int fd, off_t at, const char line[static HOSTS_LINE]) {
        ssize_t n = pwrite(fd, line, HOSTS_LINE, at);

        return n == HOSTS_LINE ? 0 : n < 0 ? -errno : -EIO;
}

/* Finds each wanted line where it stands already; the places of others are free. */
static void match(const char *old, size_t n, char *const *lines, bool *kept, bool *there) {
        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; lines && lines[j] && !kept[i]; j++) {
                        char line[HOSTS_LINE];
                        fill(lines[j], line);
                        if (there[j] || memcmp(old + i * HOSTS_LINE, line, sizeof line) != 0)
                                continue;
                        kept[i] = there[j] = true;
                }
}

/* What is new comes first, then what is gone goes: nobody who stays is ever missing. */
static int change(int fd, size_t head, const char *old, size_t n, char *const *lines, bool *kept,
                  const bool *there) {
        char line[HOSTS_LINE];
        size_t next = 0;
        int r = 0;

        for (size_t j = 0; lines && lines[j] && r >= 0; j++) {
                if (there[j])
                        continue;
                while (next < n && kept[next])
                        next++;
                fill(lines[j], line);
                r = put(fd, (off_t) (head + next * HOSTS_LINE), line);
                if (next < n)
                        kept[next] = true;
                next++;
        }
        fill(NULL, line);
        for (size_t i = 0; i < n && r >= 0; i++)
                if (!kept[i] && memcmp(old + i * HOSTS_LINE, line, sizeof line) != 0)
                        r = put(fd, (off_t) (head + i * HOSTS_LINE), line);
        return r;
}

int hosts_update(int fd, size_t head, char *const *lines) {
        _cleanup_free_ char *old = NULL;
        struct stat st;

        if (head == 0 || head % HOSTS_LINE != 0)
                return -EINVAL;
        if (fstat(fd, &st) < 0)
                return -errno;
        size_t size = st.st_size > (off_t) head ? (size_t) st.st_size - head : 0;
        size_t n = MIN(size, (size_t) LINES_MAX) / HOSTS_LINE;
        old = malloc(n * HOSTS_LINE + 1);
        _cleanup_free_ bool *kept = calloc(n + 1, sizeof *kept);
        _cleanup_free_ bool *there = calloc(strv_length(lines) + 1, sizeof *there);
        if (!old || !kept || !there)
                return -ENOMEM;
        if (pread(fd, old, n * HOSTS_LINE, (off_t) head) != (ssize_t) (n * HOSTS_LINE))
                return -EIO;
        match(old, n, lines, kept, there);
        return change(fd, head, old, n, lines, kept, there);
}

int hosts_open(int lock_fd, const char *name, int flags) {
        char path[sizeof BESIDE + 1 + MEMBER_NAME_MAX];

        if (flags & O_CREAT)
                (void) mkdirat(lock_fd, BESIDE, 0755);
        if (snprintf(path, sizeof path, BESIDE "/%s", name) >= (int) sizeof path)
                return -ENAMETOOLONG;
        int fd = openat(lock_fd, path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0644);
        return fd < 0 ? -errno : fd;
}

char *hosts_path(const char *name) {
        return str_format(FOLDER "/%s", name);
}

int hosts_remove(int lock_fd, const char *name) {
        char path[sizeof BESIDE + 1 + MEMBER_NAME_MAX];

        if (snprintf(path, sizeof path, BESIDE "/%s", name) >= (int) sizeof path)
                return 0;
        return unlinkat(lock_fd, path, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static void refresh_one(int lock_fd, const MemberList *l, const Member *m, const char *hostname) {
        _cleanup_strv_ char **lines = NULL;
        _cleanup_fd_ int fd = hosts_open(lock_fd, m->name, 0);

        if (fd >= 0 && hosts_lines(l, m, hostname, &lines) >= 0)
                (void) hosts_update(fd, m->hosts_head, lines);
}

void hosts_refresh(int lock_fd, const MemberList *l, const char *name, const char *segment) {
        char host[HOST_NAME_MAX + 1] = "";
        bool named = gethostname(host, sizeof host - 1) >= 0 && hostname_is_valid(host) &&
                     !streq(host, "localhost");

        for (size_t i = 0; i < l->n; i++) {
                const Member *m = l->v + i;
                bool concerned = streq(m->name, name) || (*segment && streq(m->segment, segment));
                if (concerned && m->hosts_head > 0)
                        refresh_one(lock_fd, l, m, named ? host : NULL);
        }
}
