/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downloads that are not complete, see partial.h. */
#include "image/partial.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

static char *state_name(const char *name) {
        return str_format("%s%s", name, PARTIAL_STATE);
}

int partial_lock(int dir_fd, const char *name, int *ret_fd, int *ret_state_fd) {
        _cleanup_free_ char *state = state_name(name);
        _cleanup_fd_ int state_fd = -EBADF, fd = -EBADF;
        struct stat here, there;

        if (!state)
                return -ENOMEM;
        state_fd = openat(dir_fd, state, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (state_fd < 0)
                return -errno;
        if (flock(state_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? 0 : -errno;
        /* Swept between the two calls. */
        if (fstat(state_fd, &here) < 0 || fstatat(dir_fd, state, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
            here.st_ino != there.st_ino)
                return 0;
        fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        *ret_state_fd = TAKE_FD(state_fd);
        return 1;
}

void partial_remove(int dir_fd, const char *name) {
        _cleanup_free_ char *state = state_name(name);

        (void) unlinkat(dir_fd, name, 0);
        if (state)
                (void) unlinkat(dir_fd, state, 0);
}

/* Whether a name is that of the bytes, or of the state, which may be all that there is. */
static bool is_own(const char *entry) {
        const char *hex = str_skip_prefix(entry, PARTIAL_PREFIX);

        return hex && strspn(hex, "0123456789abcdef") == PARTIAL_DIGITS &&
               (!hex[PARTIAL_DIGITS] || streq(hex + PARTIAL_DIGITS, PARTIAL_STATE));
}

/* Return: 1 removed; 0 not; -errno. */
static int sweep_one(int dir_fd, const char *name, uint64_t age_usec) {
        _cleanup_fd_ int fd = -EBADF, state_fd = -EBADF;
        struct stat st, bytes;
        int r = partial_lock(dir_fd, name, &fd, &state_fd);

        if (r <= 0)
                return r;
        if (fstat(state_fd, &st) < 0 || fstat(fd, &bytes) < 0)
                return -errno;
        uint64_t now = (uint64_t) time(NULL);
        uint64_t then = (uint64_t) MAX(MAX(st.st_mtime, bytes.st_mtime), 0);
        if (st.st_size > 0 && age_usec > 0 && now < then + age_usec / 1000000)
                return 0;
        partial_remove(dir_fd, name);
        return 1;
}

int partials_sweep(const char *directory, uint64_t age_usec, Error *e) {
        _cleanup_dir_ DIR *dir = opendir(directory);
        int n = 0, failed = 0;

        if (!dir)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot read '%s': %m", directory);
        for (struct dirent *d; (d = readdir(dir));) {
                if (!is_own(d->d_name))
                        continue;
                _cleanup_free_ char *name = strndup(d->d_name,
                                                    strlen(PARTIAL_PREFIX) + PARTIAL_DIGITS);
                int r = name ? sweep_one(dirfd(dir), name, age_usec) : -ENOMEM;
                if (r < 0 && failed == 0)
                        failed = error_set(e, r, "cannot remove '%s/%s': %m", directory, d->d_name);
                n += r > 0;
        }
        return failed < 0 ? failed : n;
}
