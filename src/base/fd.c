/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File descriptors, see fd.h. Knows no paths inside images: those go through path.c. */
#include "base/fd.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;
                (void) close(fd);
                errno = saved;
        }
        return -EBADF;
}

DIR *dir_take(int fd) {
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d)
                (void) fd_close(fd);
        return d;
}

DIR *dir_open_again(int fd) {
        return dir_take(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

ssize_t fd_read(int fd, void *data, size_t n) {
        size_t done = 0;

        while (done < n) {
                ssize_t k = read(fd, (char *) data + done, n - done);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                done += (size_t) k;
        }
        return (ssize_t) done;
}

int fd_write_all(int fd, const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                ssize_t k = write(fd, p, n);
                if (k < 0 && errno == EAGAIN) {
                        int r = fd_wait(fd, POLLOUT, UINT64_MAX);
                        if (r < 0)
                                return r;
                        continue;
                }
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

int fd_read_all(int fd, size_t max, char **ret, size_t *ret_n) {
        _cleanup_(buf_done) Buf b = {};

        for (;;) {
                int r = buf_reserve(&b, 4096);
                if (r < 0)
                        return r;
                ssize_t k = fd_read(fd, b.p + b.n, 4096);
                if (k < 0)
                        return (int) k;
                b.n += (size_t) k;
                b.p[b.n] = '\0';
                if (b.n > max)
                        return -EFBIG;
                if (k < 4096)
                        break;
        }

        if (ret_n)
                *ret_n = b.n;
        *ret = buf_take(&b);
        return *ret ? 0 : -ENOMEM;
}

int fd_copy(int from, int to) {
        char buffer[64 * 1024];
        bool in_kernel = true;

        for (;;) {
                ssize_t k = in_kernel ? copy_file_range(from, NULL, to, NULL, 1 << 26, 0)
                                      : read(from, buffer, sizeof buffer);
                if (k < 0 && errno == EINTR)
                        continue;
                /* Other file systems, pipes and special files cannot; nothing was copied then. */
                if (k < 0 && in_kernel) {
                        in_kernel = false;
                        continue;
                }
                if (k < 0)
                        return -errno;
                if (k == 0)
                        return 0;
                if (in_kernel)
                        continue;
                int r = fd_write_all(to, buffer, (size_t) k);
                if (r < 0)
                        return r;
        }
}

#define READ_AT_ONCE (64 * 1024)

/* A small file that tells its size: one read that comes back short of it and a byte has met the end. */
static int read_at_once(int fd, size_t size, size_t max, char **ret, size_t *ret_n) {
        _cleanup_free_ char *text = malloc(size + 2);
        ssize_t n;

        if (!text)
                return -ENOMEM;
        do
                n = read(fd, text, size + 1);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if ((size_t) n > size || (size_t) n > max) {
                if (lseek(fd, 0, SEEK_SET) < 0)
                        return -errno;
                return fd_read_all(fd, max, ret, ret_n);
        }
        text[n] = '\0';
        if (ret_n)
                *ret_n = (size_t) n;
        *ret = TAKE_PTR(text);
        return 0;
}

int file_read(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_n) {
        /* O_NONBLOCK: opening a FIFO must not wait for a writer that never comes. */
        _cleanup_fd_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        return st.st_size > 0 && st.st_size < READ_AT_ONCE
                       ? read_at_once(fd, (size_t) st.st_size, max, ret, ret_n)
                       : fd_read_all(fd, max, ret, ret_n);
}

int file_read_line(int dir_fd, const char *path, char **ret) {
        int r = file_read(dir_fd, path, 1024 * 1024, ret, NULL);

        if (r >= 0)
                (*ret)[strcspn(*ret, "\n")] = '\0';
        return r;
}

int file_write(int dir_fd, const char *path, const char *text, int flags, mode_t mode) {
        _cleanup_fd_ int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY | flags, mode);

        return fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
}

int file_write_atomic(int dir_fd, const char *name, const char *data, size_t n, mode_t mode) {
        const char *slash = strrchr(name, '/');
        int prefix = slash ? (int) (slash - name) + 1 : 0;
        char temp[4096];
        uint64_t random;
        int r;

        ssize_t n_random = getrandom(&random, sizeof random, 0);
        if (n_random != sizeof random)
                return n_random < 0 ? -errno : -EIO;
        if (snprintf(temp, sizeof temp, "%.*s.#%s%016llx", prefix, name, name + prefix,
                     (unsigned long long) random) >= (int) sizeof temp)
                return -ENAMETOOLONG;

        _cleanup_fd_ int fd = openat(dir_fd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        r = fd_write_all(fd, data, n);
        if (r >= 0 && (fchmod(fd, mode) < 0 || renameat(dir_fd, temp, dir_fd, name) < 0))
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir_fd, temp, 0);
        return r;
}

static int change_flag(int fd, int get, int set, int flag, bool on) {
        int flags = fcntl(fd, get);

        if (flags < 0)
                return -errno;
        if (!(flags & flag) == !on)
                return 0;
        return fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0 ? -errno : 0;
}

int fd_set_nonblock(int fd, bool on) {
        return change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int fd_set_cloexec(int fd, bool on) {
        return change_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

int fd_wait(int fd, short events, uint64_t timeout_usec) {
        uint64_t end = timeout_usec == UINT64_MAX ? UINT64_MAX : now_usec() + timeout_usec;
        struct pollfd p = { .fd = fd, .events = events };

        for (;;) {
                uint64_t now = end == UINT64_MAX ? 0 : now_usec(), left = end > now ? end - now : 0;
                struct timespec t = { .tv_sec = (time_t) (left / 1000000),
                                      .tv_nsec = (long) (left % 1000000) * 1000 };
                int k = ppoll(&p, 1, end == UINT64_MAX ? NULL : &t, NULL);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k > 0 && (p.revents & POLLNVAL))
                        return -EBADF;
                return k == 0 ? 0 : p.revents;
        }
}

static int compare_ints(const void *a, const void *b) {
        return *(const int *) a < *(const int *) b ? -1 : *(const int *) a > *(const int *) b;
}

int fd_close_range_except(const int *keep, size_t n) {
        unsigned from = 3;

        if (n > 0) {
                _cleanup_free_ int *sorted = calloc(n, sizeof *sorted);
                if (!sorted)
                        return -ENOMEM;
                memcpy(sorted, keep, n * sizeof *sorted);
                qsort(sorted, n, sizeof *sorted, compare_ints);

                for (size_t i = 0; i < n; i++) {
                        if (sorted[i] < (int) from)
                                continue;
                        if (sorted[i] > (int) from &&
                            close_range(from, (unsigned) sorted[i] - 1, 0) < 0)
                                return -errno;
                        from = (unsigned) sorted[i] + 1;
                }
        }
        return close_range(from, ~0u, 0) < 0 ? -errno : 0;
}

int fd_unshare_except(const int *keep, size_t n) {
        int last = 2;

        for (size_t i = 0; i < n; i++)
                last = MAX(last, keep[i]);
        /* The kernel does not even copy what is behind. */
        if (close_range((unsigned) last + 1, ~0u, CLOSE_RANGE_UNSHARE) < 0)
                return -errno;
        return fd_close_range_except(keep, n);
}

const char *fd_path(int fd, char buffer[static FD_PATH_MAX]) {
        (void) snprintf(buffer, FD_PATH_MAX, "/proc/self/fd/%d", fd);
        return buffer;
}
