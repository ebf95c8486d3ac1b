/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of mounts, see bind-record.h. Knows nothing of mounts themselves. */
#include "machined/bind-record.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/home.h"
#include "base/json.h"
#include "base/path.h"

#define RECORD_SIZE_MAX (64 * 1024)

/* BIND_RECORDS_DIRECTORY, or the same of a user. */
#define RECORDS "skep/binds"

void bind_record_done(BindRecord *r) {
        free(r->source);
        free(r->destination);
        *r = (BindRecord){};
}

void bind_records_done(BindRecords *r) {
        for (size_t i = 0; i < r->n; i++)
                bind_record_done(r->v + i);
        free(r->v);
        *r = (BindRecords){};
}

static const struct {
        const char *name;
        size_t at;
} numbers[] = {
        { "mountId", offsetof(BindRecord, mount_id) },
        { "uniqueId", offsetof(BindRecord, unique_id) },
        { "realtime", offsetof(BindRecord, realtime) },
        { "leader", offsetof(BindRecord, leader) },
        { "started", offsetof(BindRecord, started) },
};

int bind_record_format(const BindRecord *r, Buf *ret) {
        int k = buf_puts(ret, "{\"source\":");

        if (k >= 0)
                k = json_puts(ret, r->source);
        if (k >= 0)
                k = buf_puts(ret, ",\"destination\":");
        if (k >= 0)
                k = json_puts(ret, r->destination);
        if (k >= 0)
                k = buf_printf(ret, ",\"readOnly\":%s,\"mapped\":%s",
                               r->read_only ? "true" : "false", r->is_mapped ? "true" : "false");
        for (size_t i = 0; i < ELEMENTSOF(numbers) && k >= 0; i++)
                k = buf_printf(ret, ",\"%s\":%" PRIu64, numbers[i].name,
                               *(const uint64_t *) ((const char *) r + numbers[i].at));
        return k < 0 ? k : buf_puts(ret, "}\n");
}

static int parse_flag(const char *text, const char *name, bool *ret) {
        const char *value;
        int k = json_member(text, name, &value);

        if (k < 0)
                return -EINVAL;
        *ret = str_skip_prefix(value, "true");
        return *ret || str_skip_prefix(value, "false") ? 0 : -EINVAL;
}

static int parse_path(const char *text, const char *name, char **ret) {
        const char *value;

        if (json_member(text, name, &value) < 0)
                return -EINVAL;
        int k = json_string(value, ret);
        if (k >= 0 && !path_is_absolute_clean(*ret))
                return -EINVAL;
        return k;
}

int bind_record_parse(const char *text, BindRecord *ret) {
        _cleanup_(bind_record_done) BindRecord r = {};
        int k = json_check(text);

        if (k >= 0)
                k = parse_path(text, "source", &r.source);
        if (k >= 0)
                k = parse_path(text, "destination", &r.destination);
        if (k >= 0)
                k = parse_flag(text, "readOnly", &r.read_only);
        if (k >= 0)
                k = parse_flag(text, "mapped", &r.is_mapped);
        for (size_t i = 0; i < ELEMENTSOF(numbers) && k >= 0; i++) {
                const char *value;

                k = json_member(text, numbers[i].name, &value) < 0
                            ? -EINVAL
                            : json_unsigned(value, (uint64_t *) ((char *) &r + numbers[i].at));
        }
        if (k < 0)
                return k == -ENOMEM ? k : -EINVAL;
        *ret = r;
        r = (BindRecord){};
        return 0;
}

int bind_records_open(const char *machine, bool make) {
        _cleanup_free_ char *directory = home_run(RECORDS);
        _cleanup_free_ char *path = directory ? path_join(directory, machine) : NULL;

        if (!path)
                return -ENOMEM;
        if (make) {
                int r = path_mkdirs(directory, 0755);

                if (r < 0)
                        return r;
                /* Paths of the host are nobody's business. */
                if (mkdir(path, 0700) < 0 && errno != EEXIST)
                        return -errno;
        }
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static void file_name(const BindRecord *r, char ret[static 24]) {
        (void) snprintf(ret, 24, "%" PRIu64, r->mount_id);
}

int bind_records_write(int dir_fd, const BindRecord *r) {
        _cleanup_(buf_done) Buf text = {};
        char name[24];
        int k = bind_record_format(r, &text);

        file_name(r, name);
        return k < 0 ? k : file_write_atomic(dir_fd, name, text.p, text.n, 0600);
}

void bind_records_remove(int dir_fd, const BindRecord *r) {
        char name[24];

        file_name(r, name);
        (void) unlinkat(dir_fd, name, 0);
}

static int compare(const void *x, const void *y) {
        const BindRecord *a = x, *b = y;

        if (a->realtime != b->realtime)
                return a->realtime < b->realtime ? -1 : 1;
        return a->mount_id < b->mount_id ? -1 : a->mount_id > b->mount_id;
}

/* Takes up the record of one file; one that is not of this process, or no record, is removed. */
static int read_one(int dir_fd, const char *name, uint64_t leader, uint64_t started,
                    BindRecords *all) {
        _cleanup_(bind_record_done) BindRecord r = {};
        _cleanup_free_ char *text = NULL;
        int k = file_read(dir_fd, name, RECORD_SIZE_MAX, &text, NULL);

        if (k == -ENOENT)
                return 0;
        if (k >= 0)
                k = bind_record_parse(text, &r);
        if (k == -ENOMEM)
                return k;
        if (k < 0 || r.leader != leader || r.started != started) {
                (void) unlinkat(dir_fd, name, 0);
                return 0;
        }
        BindRecord *v = reallocarray(all->v, all->n + 1, sizeof *v);
        if (!v)
                return -ENOMEM;
        all->v = v;
        all->v[all->n++] = r;
        r = (BindRecord){};
        return 0;
}

int bind_records_read(int dir_fd, uint64_t leader, uint64_t started, BindRecords *ret) {
        _cleanup_(bind_records_done) BindRecords all = {};
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);

        if (!d)
                return -errno;
        for (struct dirent *de; (de = readdir(d));) {
                /* What is being written has a dot in front. */
                if (de->d_name[0] == '.')
                        continue;
                int r = read_one(dir_fd, de->d_name, leader, started, &all);
                if (r < 0)
                        return r;
        }
        if (all.n > 1)
                qsort(all.v, all.n, sizeof *all.v, compare);
        *ret = all;
        all = (BindRecords){};
        return 0;
}

void bind_records_forget(const char *machine) {
        _cleanup_free_ char *directory = home_run(RECORDS);
        _cleanup_fd_ int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                        : -EBADF;

        if (fd >= 0)
                (void) path_remove_tree(fd, machine);
}

void bind_records_sweep(bool (*is_known)(const char *machine, void *userdata), void *userdata) {
        _cleanup_free_ char *directory = home_run(RECORDS);
        _cleanup_dir_ DIR *d = directory ? opendir(directory) : NULL;

        if (!d)
                return;
        for (struct dirent *de; (de = readdir(d));)
                if (de->d_name[0] != '.' && !is_known(de->d_name, userdata))
                        (void) path_remove_tree(dirfd(d), de->d_name);
}
