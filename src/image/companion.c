/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that go with an image. Which they are is in two lists; nothing here knows what is in them. */
#include "image/companion.h"

#include <unistd.h>

#include "base/home.h"
#include "base/path.h"
#include "image/copy.h"

#define DROP_INS ".nspawn.d"

/* Beside the image, called NAME plus one of these. */
static const char *const sidecars[] = {
        ".nspawn",  DROP_INS,       ".oci-config", ".roothash",     ".roothash.p7s",
        ".usrhash", ".usrhash.p7s", ".verity",     ".raw.tpmstate", ".raw.efinvramstate",
};

/* Settings of the administrator, or of the user; /usr/lib/systemd/nspawn is never touched. */
#define SETTINGS "systemd/nspawn"

bool companion_is_one(const char *entry) {
        for (size_t i = 0; i < ELEMENTSOF(sidecars); i++)
                if (str_has_suffix(entry, sidecars[i]))
                        return true;
        return false;
}

/* Does something to "@name@suffix"; @to_fd and @new_name say where it goes, if it goes anywhere. */
typedef void (*Change)(int dir_fd, const char *from, int to_fd, const char *to);

static void change_remove(int dir_fd, const char *from, int to_fd, const char *to) {
        (void) path_remove_tree(dir_fd, from); /* the state of a TPM is a directory */
}

static void change_rename(int dir_fd, const char *from, int to_fd, const char *to) {
        (void) renameat2(dir_fd, from, to_fd, to, RENAME_NOREPLACE);
}

static void copy_drop_ins(int dir_fd, const char *from_name, int to_fd, const char *to_name) {
        _cleanup_fd_ int from = openat(dir_fd, from_name,
                                       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_fd_ int to = -EBADF;

        if (from < 0 || mkdirat(to_fd, to_name, 0755) < 0)
                return;
        to = openat(to_fd, to_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (to < 0 || copy_tree(from, to, NULL) < 0)
                (void) path_remove_tree(to_fd, to_name);
}

/* Plain files, and what is dropped in: the state of a TPM is one machine's own. */
static void change_copy(int dir_fd, const char *from_name, int to_fd, const char *to_name) {
        if (str_has_suffix(from_name, DROP_INS)) {
                copy_drop_ins(dir_fd, from_name, to_fd, to_name);
                return;
        }
        _cleanup_fd_ int from = openat(dir_fd, from_name,
                                       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;

        if (from < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode))
                return;
        _cleanup_fd_ int to = openat(to_fd, to_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (to >= 0 && copy_file(from, to) < 0)
                (void) unlinkat(to_fd, to_name, 0);
}

static void change_one(Change change, int dir_fd, const char *name, const char *suffix, int to_fd,
                       const char *new_name) {
        _cleanup_free_ char *from = str_format("%s%s", name, suffix);
        _cleanup_free_ char *to = str_format("%s%s", strempty(new_name), suffix);

        if (from && to)
                change(dir_fd, from, to_fd, to);
}

static void change_all(Change change, int dir_fd, const char *name, int to_fd,
                       const char *new_name) {
        for (size_t i = 0; i < ELEMENTSOF(sidecars); i++)
                change_one(change, dir_fd, name, sidecars[i], to_fd, new_name);

        for (size_t i = 0; i < 2; i++) {
                _cleanup_free_ char *path = i == 0 ? home_etc(SETTINGS) : home_run(SETTINGS);
                _cleanup_fd_ int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                                           : -EBADF;
                if (fd < 0)
                        continue;
                change_one(change, fd, name, ".nspawn", fd, new_name);
                change_one(change, fd, name, DROP_INS, fd, new_name);
        }
}

void companions_remove(int dir_fd, const char *name) {
        change_all(change_remove, dir_fd, name, dir_fd, NULL);
}

void companions_rename(int dir_fd, const char *name, const char *new_name) {
        change_all(change_rename, dir_fd, name, dir_fd, new_name);
}

void companions_copy(int dir_fd, const char *name, int to_fd, const char *new_name) {
        change_all(change_copy, dir_fd, name, to_fd, new_name);
}
