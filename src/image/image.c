/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tells what an entry of the pool is and what the file system knows of it: type, read-only, times,
 * sizes. Does not look inside an image (metadata.c), does not search (pool.c), changes nothing. */
#include "image/image.h"

#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/name.h"
#include "base/path.h"
#include "image/mstack.h"
#include "image/subvolume.h"

#define RAW_SUFFIX ".raw"

Image *image_free(Image *i) {
        if (i) {
                free(i->name);
                free(i->path);
                free(i->directory);
                free(i->entry);
                free(i);
        }
        return NULL;
}

bool image_is_host(const Image *i) {
        return streq(i->name, IMAGE_HOST_NAME);
}

bool image_is_vendor(const Image *i) {
        return path_is_below(i->path, "/usr");
}

bool image_is_hidden(const Image *i) {
        return i->name[0] == '.';
}

bool image_name_is_valid(const char *s) {
        if (!s || !filename_is_valid(s) || (s[0] == '.' && s[1] == '#'))
                return false;

        for (const char *p = s; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return false;
        return str_is_utf8(s, strlen(s));
}

int image_name_from_entry(const char *s, bool is_directory, char **ret) {
        /* Folders of versions and of settings are not plain trees: to offer them as such would be wrong. */
        static const char *const foreign[] = { ".v", ".nspawn.d" };
        _cleanup_free_ char *name = strdup(s);

        if (!name)
                return -ENOMEM;

        for (size_t i = 0; is_directory && i < ELEMENTSOF(foreign); i++)
                if (str_has_suffix(s, foreign[i]))
                        return -EINVAL;

        const char *suffix = is_directory ? MSTACK_SUFFIX : RAW_SUFFIX;
        if (str_has_suffix(s, suffix))
                name[strlen(name) - strlen(suffix)] = '\0';
        if (!image_name_is_valid(name) || str_skip_prefix(name, ".sysupdate."))
                return -EINVAL;

        *ret = TAKE_PTR(name);
        return 0;
}

static const char *const type_names[_IMAGE_TYPE_MAX] = {
        [IMAGE_DIRECTORY] = "directory", [IMAGE_SUBVOLUME] = "subvolume", [IMAGE_RAW] = "raw",
        [IMAGE_BLOCK] = "block",         [IMAGE_MSTACK] = "mstack",
};

const char *image_suffix(const Image *i) {
        if (i->type == IMAGE_MSTACK)
                return MSTACK_SUFFIX;
        return i->entry && str_has_suffix(i->entry, RAW_SUFFIX) ? RAW_SUFFIX : "";
}

const char *image_type_name(ImageType t) {
        return t >= 0 && t < _IMAGE_TYPE_MAX ? type_names[t] : "unknown";
}

ImageType image_type_parse(const char *s) {
        for (ImageType t = 0; t < _IMAGE_TYPE_MAX; t++)
                if (streq(s, type_names[t]))
                        return t;
        return _IMAGE_TYPE_INVALID;
}

static uint64_t timestamp_usec(const struct statx_timestamp *t) {
        return t->tv_sec < 0 ? 0 : (uint64_t) t->tv_sec * 1000000 + t->tv_nsec / 1000;
}

/* Whether something that is no image's own business forbids to write: the file system, or /usr. */
static bool is_read_only_place(const Image *i, int fd) {
        struct statvfs v;

        return image_is_vendor(i) || (fstatvfs(fd, &v) >= 0 && (v.f_flag & ST_RDONLY));
}

static void fill_tree(Image *i, int fd, const struct statx *sx) {
        int flags;

        if (subvolume_is(fd)) {
                bool ro = false;

                i->type = IMAGE_SUBVOLUME;
                i->read_only = subvolume_get_read_only(fd, &ro) >= 0 && ro;
                (void) subvolume_get_times(fd, &i->crtime_usec, &i->mtime_usec);
        } else {
                i->type = IMAGE_DIRECTORY;
                i->read_only = ioctl(fd, FS_IOC_GETFLAGS, &flags) >= 0 && (flags & FS_IMMUTABLE_FL);
                if (sx->stx_mask & STATX_BTIME)
                        i->crtime_usec = timestamp_usec(&sx->stx_btime);
        }
        if (is_read_only_place(i, fd))
                i->read_only = true;
        if (i->entry && str_has_suffix(i->entry, MSTACK_SUFFIX))
                i->type = IMAGE_MSTACK;
}

static void fill_raw(Image *i, int path_fd, const struct statx *sx) {
        i->type = IMAGE_RAW;
        i->read_only = !(sx->stx_mode & 0222) || is_read_only_place(i, path_fd);
        if (sx->stx_mask & STATX_BTIME)
                i->crtime_usec = timestamp_usec(&sx->stx_btime);
        i->mtime_usec = timestamp_usec(&sx->stx_mtime);
        i->usage = i->usage_exclusive = sx->stx_blocks * 512;
        i->limit = i->limit_exclusive = sx->stx_size;
}

static void fill_block(Image *i, const struct statx *sx) {
        _cleanup_fd_ int fd = open(i->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        uint64_t size;
        int ro = 0;

        i->type = IMAGE_BLOCK;
        i->read_only = !(sx->stx_mode & 0222) || (fd >= 0 && ioctl(fd, BLKROGET, &ro) >= 0 && ro);
        if (fd >= 0 && ioctl(fd, BLKGETSIZE64, &size) >= 0)
                i->usage = i->usage_exclusive = i->limit = i->limit_exclusive = size;
}

/* Fills in what @path_fd shows; a file counts as a disk if its entry says so or @any_file is set.
 * Return: 1 an image; 0 something else. */
static int fill(Image *i, int path_fd, const struct statx *sx, bool any_file) {
        char buffer[FD_PATH_MAX];

        i->usage = i->usage_exclusive = i->limit = i->limit_exclusive = UINT64_MAX;

        if (S_ISDIR(sx->stx_mode)) {
                _cleanup_fd_ int fd = open(fd_path(path_fd, buffer),
                                           O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                fill_tree(i, fd >= 0 ? fd : path_fd, sx);
                return 1;
        }
        if (S_ISREG(sx->stx_mode)) {
                if (!any_file && !str_has_suffix(i->entry, RAW_SUFFIX))
                        return 0;
                fill_raw(i, path_fd, sx);
                return 1;
        }
        if (S_ISBLK(sx->stx_mode)) {
                fill_block(i, sx);
                return 1;
        }
        return 0;
}

static int probe(const char *directory, const char *entry, bool any_file, Image **ret, Error *e) {
        _cleanup_fd_ int fd = -EBADF;
        _cleanup_image_ Image *i = NULL;
        struct statx sx;
        struct stat st;
        int r;

        _cleanup_free_ char *full = path_join(directory, entry);
        if (!full || !(i = calloc(1, sizeof(*i))))
                return error_oom(e);

        fd = open(full, O_PATH | O_CLOEXEC);
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
                return 0;
        if (fd < 0 || lstat(full, &st) < 0 ||
            statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", full);

        r = image_name_from_entry(entry, S_ISDIR(sx.stx_mode), &i->name);
        if (r < 0)
                return r == -ENOMEM ? error_oom(e) : 0;

        i->is_link = S_ISLNK(st.st_mode);
        i->path = realpath(full, NULL);
        i->directory = strdup(directory);
        i->entry = strdup(entry);
        if (!i->path)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot resolve '%s': %m", full);
        if (!i->directory || !i->entry)
                return error_oom(e);

        r = fill(i, fd, &sx, any_file);
        if (r > 0) {
                if (image_is_hidden(i))
                        i->read_only = true;
                *ret = TAKE_PTR(i);
        }
        return r;
}

int image_probe(const char *directory, const char *entry, Image **ret, Error *e) {
        return probe(directory, entry, false, ret, e);
}

int image_probe_path(const char *path, Image **ret, Error *e) {
        _cleanup_free_ char *clean = path_clean(path);

        if (!clean)
                return error_oom(e);
        if (!path_is_safe(clean))
                return error_set(e, EINVAL, "'%s' is not an absolute path without '..'", path);
        if (streq(clean, "/")) {
                int r = image_host(ret, e);
                return r < 0 ? r : 1;
        }

        char *slash = strrchr(clean, '/');
        *slash = '\0';
        return probe(slash == clean ? "/" : clean, slash + 1, true, ret, e);
}

int image_host(Image **ret, Error *e) {
        _cleanup_image_ Image *i = calloc(1, sizeof(*i));
        struct statx sx;

        if (!i || !(i->name = strdup(IMAGE_HOST_NAME)) || !(i->path = strdup("/")))
                return error_oom(e);

        _cleanup_fd_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0)
                return error_set(e, errno, "cannot look at '/': %m");

        (void) fill(i, fd, &sx, false);
        *ret = TAKE_PTR(i);
        return 0;
}
