/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a tar archive: whatever they say, nothing changes outside of the directory they are
 * unpacked in, and in it is nothing that could do harm. */
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/path.h"
#include "importer/confine.h"
#include "importer/sink-tar.h"

typedef struct Place {
        int base_fd, canary_fd;
        struct stat base, canary, file;
} Place;

static void look(const Place *p, struct stat ret[static 3]) {
        assert_se(fstat(p->base_fd, ret) >= 0 && fstat(p->canary_fd, ret + 1) >= 0 &&
                  fstatat(p->canary_fd, "file", ret + 2, AT_SYMLINK_NOFOLLOW) >= 0);
}

static void remove_base(void) {
        (void) chdir("/");
        (void) path_remove_tree(AT_FDCWD, getenv("FUZZ_TAR_SINK"));
}

/* A folder with a canary in it, in which each input gets a directory of its own. */
static Place *place(void) {
        static Place p = { .base_fd = -EBADF };
        char name[] = "/dev/shm/fuzz-tar-sink-XXXXXX";

        if (p.base_fd >= 0)
                return &p;
        /* As in the unpacker. */
        (void) setlocale(LC_CTYPE, "C");
        (void) umask(0);
        assert_se(confine_memory(UINT64_C(256) * 1024 * 1024, NULL) >= 0);
        assert_se(mkdtemp(name) && setenv("FUZZ_TAR_SINK", name, true) >= 0);
        assert_se(atexit(remove_base) == 0);
        p.base_fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_se(p.base_fd >= 0 && mkdirat(p.base_fd, "canary", 0755) >= 0);
        p.canary_fd = openat(p.base_fd, "canary", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_se(p.canary_fd >= 0 &&
                  file_write(p.canary_fd, "file", "host\n", O_CREAT, 0644) >= 0);
        /* Relative names that escape would be looked up here. */
        assert_se(fchdir(p.canary_fd) >= 0);

        /* The directory that inputs get is made once, so that the base does not change by our doing. */
        assert_se(mkdirat(p.base_fd, "root", 0700) >= 0);
        struct stat st[3];
        look(&p, st);
        p.base = st[0];
        p.canary = st[1];
        p.file = st[2];
        return &p;
}

static bool same(const struct stat *a, const struct stat *b) {
        return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
               a->st_nlink == b->st_nlink && a->st_size == b->st_size &&
               memcmp(&a->st_mtim, &b->st_mtim, sizeof a->st_mtim) == 0 &&
               memcmp(&a->st_ctim, &b->st_ctim, sizeof a->st_ctim) == 0;
}

static void check_outside(const Place *p) {
        struct stat st[3];

        look(p, st);
        assert_se(same(st, &p->base) && same(st + 1, &p->canary) && same(st + 2, &p->file));
}

/* Nothing in the tree is a device that matters; empties it on the way. Owns @fd. */
static void check_inside(int fd) {
        _cleanup_dir_ DIR *d = fdopendir(fd);

        assert_se(d);
        for (struct dirent *de; (de = readdir(d));) {
                struct stat st;
                if (streq(de->d_name, ".") || streq(de->d_name, ".."))
                        continue;
                assert_se(fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW) >= 0);
                assert_se(!S_ISBLK(st.st_mode));
                if (S_ISDIR(st.st_mode))
                        check_inside(openat(dirfd(d), de->d_name,
                                            O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
                assert_se(path_remove_tree(dirfd(d), de->d_name) >= 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const Place *p = place();
        int fd = openat(p->base_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Stage *chain;

        if (size > 256 * 1024)
                return 0;
        assert_se(fd >= 0 &&
                  sink_tar_new(fd, IMAGE_CLASS_MACHINE, "root", NULL, &chain, NULL) >= 0);
        if (stage_push(chain, data, size, NULL) >= 0)
                (void) stage_end(chain, NULL);
        (void) stage_free(chain);

        check_outside(p);
        check_inside(fd);
        return 0;
}
