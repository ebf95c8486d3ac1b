/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes of machines, see process-list.h. Which they are the control group tells; that one is inside, and
 * not who looks after it out here, its PID namespace. */
#include "machined/process-list.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/table.h"
#include "base/cgroup.h"
#include "base/format.h"
#include "base/path.h"

#define DEPTH_MAX    32
#define PROCFILE_MAX (64 * 1024)
#define PASSWD_MAX   (1024 * 1024)
#define NSEC_PER_SEC UINT64_C(1000000000)

typedef struct List {
        ProcessEntry *v;
        size_t n, size;
        unsigned levels;
        IdMap uids;
        uint64_t boot_usec; /* when the host was booted, since 1970 */
} List;

static const char *field(const char *status, const char *key) {
        const char *p = strstr(status, key);

        return p && (p == status || p[-1] == '\n') ? p + strlen(key) : NULL;
}

/* The number of the process in the namespace that is so many levels below ours. */
static int inner_pid(const char *status, unsigned levels, uint32_t *ret) {
        const char *p = field(status, "NSpid:");

        if (!p)
                return -EBADMSG;
        for (unsigned i = 0;; i++) {
                p += strspn(p, " \t");
                if (!isdigit((unsigned char) *p))
                        return 0;
                if (i == levels) {
                        *ret = (uint32_t) strtoul(p, NULL, 10);
                        return 1;
                }
                p += strspn(p, "0123456789");
        }
}

int process_list_parse(const char *status, const char *stat, unsigned levels, ProcessEntry *ret) {
        const char *uid = field(status, "Uid:"), *memory = field(status, "VmRSS:");
        const char *p = strrchr(stat, ')');
        uint64_t user = 0, kernel = 0, started = 0;
        unsigned effective, ticks = (unsigned) sysconf(_SC_CLK_TCK);
        ProcessEntry entry = {};

        int r = inner_pid(status, levels, &entry.inner);
        if (r <= 0)
                return r;
        if (!uid || sscanf(uid, " %*u %u", &effective) != 1 || !p ||
            sscanf(p,
                   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                   " %*d %*d %*d %*d %*d %*d %" SCNu64,
                   &user, &kernel, &started) != 3 ||
            ticks == 0)
                return -EBADMSG;
        entry.uid = effective;
        entry.cpu_nsec = (user + kernel) * (NSEC_PER_SEC / ticks);
        entry.started_usec = started * (1000000 / ticks);
        if (memory)
                entry.memory = strtoull(memory + strspn(memory, " \t"), NULL, 10) * 1024;
        *ret = entry;
        return 1;
}

static int read_proc(uint32_t pid, const char *name, char **ret, size_t *ret_n) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%" PRIu32 "/%s", pid, name);
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret = calloc(1, PROCFILE_MAX + 1);
        if (!*ret)
                return -ENOMEM;
        ssize_t n = fd_read(fd, *ret, PROCFILE_MAX);
        if (n < 0)
                return (int) n;
        if (ret_n)
                *ret_n = (size_t) n;
        return 0;
}

/* Its arguments with spaces between, or its name in brackets. */
static void take_command(uint32_t pid, ProcessEntry *entry) {
        _cleanup_free_ char *text = NULL, *comm = NULL, *printable = NULL;
        size_t n = 0;

        if (read_proc(pid, "cmdline", &text, &n) >= 0)
                for (size_t i = 0; i + 1 < n; i++)
                        if (text[i] == '\0')
                                text[i] = ' ';
        if ((!text || !*text) && proc_comm((pid_t) pid, &comm) >= 0) {
                free(text);
                text = str_format("[%s]", comm);
        }
        printable = text ? text_printable(text, false) : NULL;
        if (!printable)
                return;
        n = MIN(strlen(printable), sizeof entry->command - 1);
        /* Not in the middle of a character. */
        while (n > 0 && (printable[n] & 0xc0) == 0x80)
                n--;
        memcpy(entry->command, printable, n);
}

static int add_process(List *l, uint32_t pid) {
        _cleanup_free_ char *status = NULL, *stat = NULL;
        ProcessEntry entry;
        uint32_t inside;
        int r = read_proc(pid, "status", &status, NULL);

        if (r >= 0)
                r = read_proc(pid, "stat", &stat, NULL);
        if (r >= 0)
                r = process_list_parse(status, stat, l->levels, &entry);
        if (r <= 0) /* one that has ended meanwhile is no failure */
                return r == -ENOMEM ? r : 0;
        entry.pid = pid;
        entry.started_usec += l->boot_usec;
        entry.uid = idmap_to_inside(&l->uids, entry.uid, &inside) < 0 ? UINT32_MAX : inside;
        take_command(pid, &entry);

        if (l->n == l->size) {
                size_t size = l->size ? l->size * 2 : 64;
                ProcessEntry *v = reallocarray(l->v, size, sizeof *v);

                if (!v)
                        return -ENOMEM;
                l->v = v;
                l->size = size;
        }
        l->v[l->n++] = entry;
        return 0;
}

static int walk(List *l, int group_fd, unsigned depth) {
        _cleanup_free_ char *procs = NULL;
        _cleanup_dir_ DIR *d = NULL;
        char *end;

        if (file_read(group_fd, "cgroup.procs", 1024 * 1024, &procs, NULL) >= 0)
                for (char *p = procs; *p && l->n < PROCESS_LIST_MAX; p = end + (*end == '\n')) {
                        uint32_t pid = (uint32_t) strtoul(p, &end, 10);

                        if (end == p)
                                break;
                        int r = pid > 0 ? add_process(l, pid) : 0;
                        if (r < 0)
                                return r;
                }
        int fd = openat(group_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || !(d = fdopendir(fd))) {
                (void) fd_close(fd);
                return 0;
        }
        for (struct dirent *de;
             depth < DEPTH_MAX && l->n < PROCESS_LIST_MAX && (de = readdir(d));) {
                if (de->d_type != DT_DIR || de->d_name[0] == '.')
                        continue;
                _cleanup_fd_ int below = openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                int r = below < 0 ? 0 : walk(l, below, depth + 1);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The name of a user by the text of a passwd file. Return: whether there is one that fits. */
static bool find_user(const char *passwd, uint32_t uid, char *ret, size_t size) {
        for (const char *line = passwd; line && *line;) {
                size_t name = strcspn(line, ":\n");
                size_t password = line[name] == ':' ? strcspn(line + name + 1, ":\n") : 0;
                const char *number = line + name + 1 + password;
                char *end;

                if (line[name] == ':' && *number == ':' && isdigit((unsigned char) number[1]) &&
                    strtoul(number + 1, &end, 10) == uid && *end == ':' && name > 0 &&
                    name < size) {
                        memcpy(ret, line, name);
                        ret[name] = '\0';
                        return true;
                }
                line = strchr(line, '\n');
                line = line ? line + 1 : NULL;
        }
        return false;
}

/* Names of users, as the machine's own passwd has them. */
static void name_users(const Target *t, List *l) {
        _cleanup_free_ char *passwd = NULL;
        _cleanup_fd_ int root = target_open_root(t, NULL);

        if (root >= 0 && path_read_in_root(root, "/etc/passwd", PASSWD_MAX, &passwd, NULL) < 0)
                passwd = NULL;
        for (size_t i = 0; i < l->n; i++) {
                ProcessEntry *entry = l->v + i;
                char name[sizeof entry->user];

                if (entry->uid == UINT32_MAX)
                        (void) snprintf(entry->user, sizeof entry->user, "?");
                else
                        (void) snprintf(entry->user, sizeof entry->user, "%" PRIu32, entry->uid);
                if (!passwd || !find_user(passwd, entry->uid, name, sizeof name))
                        continue;
                _cleanup_free_ char *printable = text_printable(name, false);
                if (printable && strlen(printable) < sizeof entry->user)
                        (void) snprintf(entry->user, sizeof entry->user, "%s", printable);
        }
}

/* How many PID namespaces deep the leader is, as we see it: entries of NSpid but one. */
static int count_levels(const Target *t, unsigned *ret) {
        _cleanup_free_ char *status = NULL;
        uint64_t theirs, ours;
        uint32_t pid;
        int r = proc_ns_id(t->pid, "pid", &theirs);

        if (r >= 0)
                r = proc_ns_id(0, "pid", &ours);
        if (r >= 0)
                r = read_proc((uint32_t) t->pid, "status", &status, NULL);
        if (r < 0)
                return r;
        *ret = 0;
        while (theirs != ours && inner_pid(status, *ret + 1, &pid) > 0)
                (*ret)++;
        return 0;
}

static int compare(const void *x, const void *y) {
        const ProcessEntry *a = x, *b = y;

        return a->pid < b->pid ? -1 : a->pid > b->pid;
}

int process_list_read(const Target *t, const char *group, ProcessEntry **ret, Error *e) {
        _cleanup_free_ char *mount = NULL, *path = NULL;
        struct timespec boot;
        List l = {};
        int r = cgroup_mount(&mount);

        if (r < 0)
                return error_set(e, r, "cannot find the control groups: %m");
        path = path_join(mount, group);
        if (!path)
                return error_oom(e);
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno, "cannot open %s: %m", path);
        r = count_levels(t, &l.levels);
        if (r >= 0)
                r = idmap_read(t->pid, "uid_map", &l.uids);
        if (r < 0)
                return error_set(e, r, "cannot look at machine '%s': %m", t->name);

        (void) clock_gettime(CLOCK_BOOTTIME, &boot);
        l.boot_usec = now_realtime_usec() -
                      ((uint64_t) boot.tv_sec * 1000000 + (uint64_t) boot.tv_nsec / 1000);
        r = walk(&l, fd, 0);
        idmap_done(&l.uids);
        if (r < 0) {
                free(l.v);
                return error_oom(e);
        }
        if (l.n > 1)
                qsort(l.v, l.n, sizeof *l.v, compare);
        name_users(t, &l);
        *ret = l.v;
        return (int) l.n;
}
