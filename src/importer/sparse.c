/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Holes in files, see sparse.h. Knows no format. */
#include "importer/sparse.h"

#include <unistd.h>

#include "base/fd.h"

#define COPY_SIZE ((size_t) 8 * 1024 * 1024)
#define READ_SIZE ((size_t) 256 * 1024)

bool sparse_is_zero(const void *data, size_t n) {
        const unsigned char *p = data;

        for (size_t i = 0; i < MIN(n, (size_t) 16); i++)
                if (p[i] != 0)
                        return false;
        return n <= 16 || memcmp(p, p + 16, n - 16) == 0;
}

static int write_at(int fd, const unsigned char *p, size_t n, uint64_t offset) {
        while (n > 0) {
                ssize_t k = pwrite(fd, p, n, (off_t) offset);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -EIO;
                p += k;
                n -= (size_t) k;
                offset += (uint64_t) k;
        }
        return 0;
}

int sparse_write(int fd, const void *data, size_t n, uint64_t offset, _Atomic uint64_t *ret_n) {
        const unsigned char *p = data;
        size_t first = 0;
        int r = 0;

        /* [first, i) is not zero and waits to be written. */
        for (size_t i = 0; i < n && r >= 0;) {
                size_t k = MIN(SPARSE_BLOCK - (offset + i) % SPARSE_BLOCK, n - i);
                bool zero = sparse_is_zero(p + i, k);

                if (zero && i > first)
                        r = write_at(fd, p + first, i - first, offset + first);
                if (zero && ret_n)
                        (void) atomic_fetch_add_explicit(ret_n, i - first, memory_order_relaxed);
                i += k;
                if (zero)
                        first = i;
        }
        if (r < 0 || first >= n)
                return r;
        if (ret_n)
                (void) atomic_fetch_add_explicit(ret_n, n - first, memory_order_relaxed);
        return write_at(fd, p + first, n - first, offset + first);
}

int sparse_next(int fd, uint64_t at, uint64_t size, uint64_t *ret_data, uint64_t *ret_end) {
        off_t data = at < size ? lseek(fd, (off_t) at, SEEK_DATA) : (off_t) size, end;

        if (data < 0 && errno == ENXIO)
                data = (off_t) size;
        else if (data < 0)
                data = (off_t) at;
        end = (uint64_t) data < size ? lseek(fd, data, SEEK_HOLE) : (off_t) size;
        if (end < 0)
                end = (off_t) size;
        *ret_data = MIN((uint64_t) data, size);
        *ret_end = MIN((uint64_t) end, size);
        return 0;
}

/* By hand: the kernel cannot for these two, or not between these two. */
static int copy_by_hand(int from, int to, uint64_t at, uint64_t end, _Atomic uint64_t *done) {
        _cleanup_free_ unsigned char *buffer = malloc(READ_SIZE);
        int r = 0;

        if (!buffer)
                return -ENOMEM;
        while (at < end && r >= 0) {
                ssize_t n = pread(from, buffer, MIN((uint64_t) READ_SIZE, end - at), (off_t) at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -ENODATA;
                r = sparse_write(to, buffer, (size_t) n, at, NULL);
                at += (uint64_t) n;
                if (done)
                        (void) atomic_fetch_add_explicit(done, (uint64_t) n, memory_order_relaxed);
        }
        return r;
}

static int copy_range(int from, int to, uint64_t at, uint64_t end, _Atomic uint64_t *done) {
        while (at < end) {
                off_t in = (off_t) at, out = (off_t) at;
                ssize_t n = copy_file_range(from, &in, to, &out,
                                            MIN((uint64_t) COPY_SIZE, end - at), 0);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
                        return -errno;
                /* Nothing at all is also what some file systems say of what they cannot copy. */
                if (n <= 0)
                        return copy_by_hand(from, to, at, end, done);
                at += (uint64_t) n;
                if (done)
                        (void) atomic_fetch_add_explicit(done, (uint64_t) n, memory_order_relaxed);
        }
        return 0;
}

int sparse_copy(int from, int to, uint64_t size, _Atomic uint64_t *done) {
        uint64_t at = 0, data, end;
        int r = ftruncate(to, (off_t) size) < 0 ? -errno : 0;

        while (r >= 0 && at < size) {
                r = sparse_next(from, at, size, &data, &end);
                if (r >= 0 && done)
                        (void) atomic_fetch_add_explicit(done, data - at, memory_order_relaxed);
                if (r >= 0)
                        r = copy_range(from, to, data, end, done);
                at = end;
        }
        return r;
}
