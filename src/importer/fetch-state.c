/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state of a download, see fetch-state.h. */
#include "importer/fetch-state.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static const char magic[8] = { 's', 'k', 'e', 'p', 'd', 'l', '1', '\n' };

void fetch_state_reset(FetchState *s) {
        memcpy(s->magic, magic, sizeof magic);
        s->etag[0] = s->modified[0] = '\0';
        s->size = FETCH_UNKNOWN;
        s->chunk_size = FETCH_CHUNK_SIZE;
        s->synced = 0;
        memset(s->got, 0, sizeof s->got);
}

int fetch_state_map(int fd, FetchState **ret) {
        struct stat st;

        if (fstat(fd, &st) < 0 ||
            (st.st_size != (off_t) sizeof(FetchState) && ftruncate(fd, sizeof(FetchState)) < 0))
                return -errno;
        void *p = mmap(NULL, sizeof(FetchState), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        *ret = p;
        return 0;
}

int fetch_state_new(FetchState **ret, int *ret_fd) {
        _cleanup_fd_ int fd = memfd_create("download", MFD_CLOEXEC);
        int r = fd < 0 ? -errno : fetch_state_map(fd, ret);

        if (r < 0)
                return r;
        fetch_state_reset(*ret);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

FetchState *fetch_state_unmap(FetchState *s) {
        if (s)
                (void) munmap(s, sizeof *s);
        return NULL;
}

bool fetch_state_is_sane(const FetchState *s, uint64_t n) {
        uint64_t size = s->size;

        if (memcmp(s->magic, magic, sizeof magic) != 0 || !memchr(s->etag, '\0', sizeof s->etag) ||
            !memchr(s->modified, '\0', sizeof s->modified) ||
            (size != FETCH_UNKNOWN && size > FETCH_SIZE_MAX) || s->chunk_size < FETCH_CHUNK_SIZE ||
            s->chunk_size > UINT32_MAX || s->chunk_size % 4096 != 0)
                return false;
        for (uint64_t i = 0; i < FETCH_CHUNKS_MAX; i++) {
                uint64_t end = i * s->chunk_size + s->got[i];
                if (s->got[i] > s->chunk_size || (s->got[i] > 0 && (end > n || end > size)))
                        return false;
        }
        return true;
}

void fetch_state_cut(FetchState *s, uint64_t n) {
        for (uint64_t i = 0; i < FETCH_CHUNKS_MAX; i++) {
                uint64_t start = i * s->chunk_size;
                if (start + s->got[i] > n)
                        s->got[i] = n > start ? (uint32_t) (n - start) : 0;
        }
        if (s->synced > n)
                s->synced = n;
}

int fetch_state_set_size(FetchState *s, uint64_t size) {
        uint64_t chunk = (size + FETCH_CHUNKS_MAX - 1) / FETCH_CHUNKS_MAX;

        if (size > FETCH_SIZE_MAX || size > (uint64_t) FETCH_CHUNKS_MAX * (UINT32_MAX & ~4095u))
                return -EFBIG;
        chunk = (chunk + 4095) & ~UINT64_C(4095);
        if (chunk > s->chunk_size) {
                /* The first chunk grows, and those behind it are not begun yet. */
                uint64_t head = fetch_state_gap(s, 0);
                fetch_state_cut(s, MIN(head, s->chunk_size));
                s->chunk_size = chunk;
        }
        s->size = size;
        return 0;
}

uint64_t fetch_state_gap(const FetchState *s, uint64_t from) {
        uint64_t size = s->size;

        for (uint64_t i = from / s->chunk_size; i < FETCH_CHUNKS_MAX; i++) {
                uint64_t end = i * s->chunk_size + s->got[i];
                if (end >= size)
                        return size;
                if (s->got[i] < s->chunk_size)
                        return MAX(from, end);
        }
        return s->size;
}

uint64_t fetch_state_gap_end(const FetchState *s, uint64_t from) {
        for (uint64_t i = from / s->chunk_size + 1;
             i < FETCH_CHUNKS_MAX && i * s->chunk_size < s->size; i++)
                if (s->got[i] > 0)
                        return i * s->chunk_size;
        return s->size;
}

uint64_t fetch_state_have(const FetchState *s, uint64_t at) {
        uint64_t i = at / s->chunk_size, offset = at % s->chunk_size;

        return i < FETCH_CHUNKS_MAX && s->got[i] > offset ? s->got[i] - offset : 0;
}

int fetch_state_add(FetchState *s, uint64_t at, uint64_t n) {
        uint64_t i = at / s->chunk_size, end = at % s->chunk_size + n;

        if (i >= FETCH_CHUNKS_MAX || end > s->chunk_size)
                return -EFBIG;
        if (end > s->got[i])
                s->got[i] = (uint32_t) end;
        return 0;
}

bool fetch_state_is_complete(const FetchState *s) {
        return s->size != FETCH_UNKNOWN && fetch_state_gap(s, 0) == s->size;
}
