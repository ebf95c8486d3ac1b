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
#include "image/versions.h"

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

/* The forms of entries. Which goes before which is only asked in one directory. */
static const struct {
        const char *suffix;
        bool is_directory;
} forms[] = {
        { "", true },
        { RAW_SUFFIX, false },
        { MSTACK_SUFFIX, true },
        { VERSIONS_SUFFIX, true },
        { RAW_SUFFIX VERSIONS_SUFFIX, true },
        { MSTACK_SUFFIX VERSIONS_SUFFIX, true },
};

const char *image_form(unsigned rank) {
        return rank < ELEMENTSOF(forms) ? forms[rank].suffix : NULL;
}

/* The last form that an entry has, which is the longest. */
static unsigned form_of(const char *entry, bool is_directory) {
        for (unsigned i = ELEMENTSOF(forms) - 1; i > 0; i--)
                if (forms[i].is_directory == is_directory && str_has_suffix(entry, forms[i].suffix))
                        return i;
        return 0;
}

int image_name_from_entry(const char *s, bool is_directory, char **ret) {
        _cleanup_free_ char *name = strdup(s);

        if (!name)
                return -ENOMEM;
        /* A folder of settings is no tree: to offer it as such would be wrong. */
        if (is_directory && str_has_suffix(s, ".nspawn.d"))
                return -EINVAL;
        name[strlen(s) - strlen(forms[form_of(s, is_directory)].suffix)] = '\0';
        if (!image_name_is_valid(name) || str_skip_prefix(name, ".sysupdate."))
                return -EINVAL;

        *ret = TAKE_PTR(name);
        return 0;
}

static const char *const type_names[_IMAGE_TYPE_MAX] = {
        [IMAGE_DIRECTORY] = "directory", [IMAGE_SUBVOLUME] = "subvolume", [IMAGE_RAW] = "raw",
        [IMAGE_BLOCK] = "block",         [IMAGE_MSTACK] = "mstack",
};

unsigned image_rank(const Image *i) {
        return i->entry ? form_of(i->entry, i->is_versioned || i->type == IMAGE_DIRECTORY ||
                                                    i->type == IMAGE_SUBVOLUME ||
                                                    i->type == IMAGE_MSTACK)
                        : 0;
}

const char *image_suffix(const Image *i) {
        return forms[image_rank(i)].suffix;
}

const char *image_kind_suffix(const Image *i) {
        return i->type == IMAGE_MSTACK                          ? MSTACK_SUFFIX
               : i->type == IMAGE_RAW || i->type == IMAGE_BLOCK ? RAW_SUFFIX
                                                                : "";
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
        if (i->entry &&
            (str_has_suffix(i->entry, MSTACK_SUFFIX) || str_has_suffix(i->path, MSTACK_SUFFIX)))
                i->type = IMAGE_MSTACK;
        if (i->type == IMAGE_MSTACK && !mstack_is_writable(fd))
                i->read_only = true;
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

/* Says why something is no image. Return: 0. */
static int no_image(Error *e, const char *why) {
        (void) error_set(e, ENOTSUP, "%s", why);
        return 0;
}

/* Fills in what @path_fd shows; a file counts as a disk if its entry says so or @any_file is set.
 * Return: 1 an image; 0 something else, @e says what. */
static int fill(Image *i, int path_fd, const struct statx *sx, bool any_file, Error *e) {
        char buffer[FD_PATH_MAX];

        i->usage = i->usage_exclusive = i->limit = i->limit_exclusive = UINT64_MAX;

        if (S_ISDIR(sx->stx_mode)) {
                _cleanup_fd_ int fd = open(fd_path(path_fd, buffer),
                                           O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                fill_tree(i, fd >= 0 ? fd : path_fd, sx);
                return 1;
        }
        if (S_ISREG(sx->stx_mode)) {
                if (!any_file && !i->is_versioned && !str_has_suffix(i->entry, RAW_SUFFIX))
                        return no_image(
                                e, i->is_link ? "the name of a link to a disk has to end in '.raw'"
                                              : "the name of a disk has to end in '.raw'");
                fill_raw(i, path_fd, sx);
                return 1;
        }
        if (S_ISBLK(sx->stx_mode)) {
                fill_block(i, sx);
                return 1;
        }
        return no_image(e, "it is neither a directory nor a file nor a block device");
}

/* Goes on from a folder of versions to the best of them. Return: 1; 0 there is none; -errno. */
static int descend(Image *i, int *path_fd, struct statx *sx, Error *e) {
        unsigned form = form_of(i->entry, true);
        _cleanup_free_ char *suffix = strdup(forms[form].suffix), *picked = NULL, *path = NULL;
        bool disks = str_has_suffix(i->entry, RAW_SUFFIX VERSIONS_SUFFIX);

        if (!suffix)
                return error_oom(e);
        suffix[strlen(suffix) - strlen(VERSIONS_SUFFIX)] = '\0';
        int r = versions_pick(*path_fd, i->name, suffix, !disks, &picked);
        if (r < 0)
                return error_set(e, r, "cannot look for versions in '%s': %m", i->path);
        if (r == 0)
                return no_image(e, "there is no version in it that this machine can run");
        int fd = openat(*path_fd, picked, O_PATH | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT
                               ? 0
                               : error_set(e, errno, "cannot open '%s/%s': %m", i->path, picked);
        (void) fd_close(*path_fd);
        *path_fd = fd;
        path = path_join(i->path, picked);
        if (!path)
                return error_oom(e);
        free(i->path);
        i->path = realpath(path, NULL);
        i->is_versioned = true;
        return !i->path || statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, sx) < 0
                       ? error_set(e, errno, "cannot look at '%s': %m", path)
                       : 1;
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
        if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
                if (errno == ELOOP || lstat(full, &st) >= 0)
                        return no_image(e, "it is a link to nothing");
                return 0;
        }
        if (fd < 0 || lstat(full, &st) < 0 ||
            statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &sx) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", full);

        r = image_name_from_entry(entry, S_ISDIR(sx.stx_mode), &i->name);
        if (r < 0)
                return r == -ENOMEM ? error_oom(e) : no_image(e, "no image can have that name");

        i->is_link = S_ISLNK(st.st_mode);
        i->path = realpath(full, NULL);
        i->directory = strdup(directory);
        i->entry = strdup(entry);
        if (!i->path)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot resolve '%s': %m", full);
        if (!i->directory || !i->entry)
                return error_oom(e);

        r = S_ISDIR(sx.stx_mode) && str_has_suffix(entry, VERSIONS_SUFFIX) ? descend(i, &fd, &sx, e)
                                                                           : 1;
        if (r > 0)
                r = fill(i, fd, &sx, any_file, e);
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

        (void) fill(i, fd, &sx, false, NULL);
        *ret = TAKE_PTR(i);
        return 0;
}
