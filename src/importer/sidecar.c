/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that go with an image, see sidecar.h. How they get their places: sidecar-commit.c. */
#include "importer/sidecar.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "importer/format.h"

static const struct {
        const char *suffix;
        size_t option; /* offset of a bool */
        uint64_t max;
        bool is_of_trees, is_of_disks,
                is_of_machines; /* what it goes with; the last: with nothing else */
} kinds[] = {
        { ".nspawn", offsetof(ImportOptions, settings), 1 << 20, true, true, true },
        { ".roothash", offsetof(ImportOptions, roothash), 1 << 20, false, true, false },
        { ".roothash.p7s", offsetof(ImportOptions, roothash_signature), 1 << 20, false, true,
          false },
        { ".usrhash", offsetof(ImportOptions, roothash), 1 << 20, false, true, false },
        { ".usrhash.p7s", offsetof(ImportOptions, roothash_signature), 1 << 20, false, true,
          false },
        { ".verity", offsetof(ImportOptions, verity), UINT64_C(16) << 30, false, true, false },
};

_Static_assert(ELEMENTSOF(kinds) == SIDECARS_MAX, "one place for each");

const char *sidecar_suffix(size_t i) {
        return kinds[i].suffix;
}

uint64_t sidecar_max(size_t i) {
        return kinds[i].max;
}

bool sidecar_is_wanted(const ImportOptions *o, size_t i, bool is_disk) {
        return *(const bool *) ((const char *) o + kinds[i].option) &&
               (is_disk ? kinds[i].is_of_disks : kinds[i].is_of_trees) &&
               (!kinds[i].is_of_machines || o->class == IMAGE_CLASS_MACHINE);
}

/* As it is now: it may change while the image is made, and must not when it is mapped. */
static int keep_copy(int from, int *ret, Error *e) {
        _cleanup_fd_ int fd = memfd_create("sidecar", MFD_CLOEXEC);
        int r = fd < 0 ? -errno : fd_copy(from, fd);

        if (r < 0)
                return error_set(e, r, "cannot read it: %m");
        *ret = TAKE_FD(fd);
        return 0;
}

static int open_one(Sidecars *s, size_t i, const char *path, Error *e) {
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot open it: %m");
        if (!S_ISREG(st.st_mode))
                return error_set(e, EINVAL, "it is not a regular file");
        if ((uint64_t) st.st_size > kinds[i].max)
                return error_set(e, EFBIG, "it is larger than such a file is");
        return keep_copy(fd, s->fds + i, e);
}

int sidecars_open(Sidecars *s, const ImportOptions *o, const char *path, bool is_disk, Error *e) {
        const char *last = path_last(path);
        int n = (int) (last - path) + (int) format_strip_suffix(last), r = 0;

        for (size_t i = 0; i < SIDECARS_MAX && r >= 0; i++) {
                if (!sidecar_is_wanted(o, i, is_disk))
                        continue;
                _cleanup_free_ char *beside = str_format("%.*s%s", n, path, kinds[i].suffix);
                if (!beside)
                        return error_oom(e);
                r = streq(beside, path) ? 0 : open_one(s, i, beside, e);
                if (r < 0)
                        return error_wrap(e, r, "'%s', which lies beside it", beside);
        }
        return r;
}

void sidecars_done(Sidecars *s) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                s->fds[i] = fd_close(s->fds[i]);
}
