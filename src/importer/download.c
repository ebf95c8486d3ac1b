/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downloads that can be gone on with, see download.h. After a power failure only what was synced is believed to be
 * there. */
#include "importer/download.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id128.h"
#include "image/partial.h"

static int name_of(const char *url, uint8_t source[static 32], char **ret) {
        _cleanup_(buf_done) Buf name = {};
        int r;

        if (EVP_Digest(url, strlen(url), source, NULL, EVP_sha256(), NULL) != 1)
                return -EIO;
        r = buf_puts(&name, PARTIAL_PREFIX);
        for (size_t i = 0; i < PARTIAL_DIGITS / 2 && r >= 0; i++)
                r = buf_printf(&name, "%02x", source[i]);
        *ret = r < 0 ? NULL : buf_take(&name);
        return *ret ? 0 : -ENOMEM;
}

/* Without a name: nobody goes on with it. */
static int open_anonymous(Download *d, Error *e) {
        d->fd = openat(d->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (d->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
                char name[] = "/tmp/skep-part-XXXXXX";
                d->fd = mkostemp(name, O_CLOEXEC);
                if (d->fd >= 0)
                        (void) unlink(name);
        }
        int r = d->fd < 0 ? -errno : fetch_state_new(&d->state, &d->state_fd);
        return r < 0 ? error_set(e, r, "cannot make a file for the download: %m") : 0;
}

/* Whether what is there can be gone on with; makes it empty if not. */
static int take_over(Download *d, const uint8_t source[static 32]) {
        struct stat st;
        _cleanup_free_ char *text = NULL;
        Id128 boot = {};
        int r = fetch_state_map(d->state_fd, &d->state);

        if (r < 0 || fstat(d->fd, &st) < 0)
                return r < 0 ? r : -errno;
        if (file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &text) >= 0)
                (void) id128_parse(text, &boot);
        if (!fetch_state_is_sane(d->state, (uint64_t) st.st_size) ||
            memcmp(d->state->source, source, sizeof d->state->source) != 0) {
                fetch_state_reset(d->state);
                if (ftruncate(d->fd, 0) < 0)
                        return -errno;
        } else if (memcmp(d->state->boot, &boot, sizeof boot) != 0)
                fetch_state_cut(d->state, d->state->synced);
        memcpy(d->state->source, source, sizeof d->state->source);
        memcpy(d->state->boot, &boot, sizeof boot);
        return 0;
}

int download_open(int dir_fd, const char *url, Download *ret, Error *e) {
        _cleanup_(download_done) Download d = DOWNLOAD_NULL;
        uint8_t source[32];
        int r;

        d.dir_fd = dir_fd;
        r = name_of(url, source, &d.name);
        if (r >= 0)
                r = partial_lock(dir_fd, d.name, &d.fd, &d.state_fd);
        if (r > 0)
                r = take_over(&d, source);
        else if (r == 0) {
                free(d.name);
                d.name = NULL;
                r = open_anonymous(&d, e);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return error_set(e, r, "cannot make a file for the download: %m");
        *ret = d;
        d = DOWNLOAD_NULL;
        return 0;
}

int download_forget(Download *d, Error *e) {
        fetch_state_reset(d->state);
        return ftruncate(d->fd, 0) < 0 ? error_set(e, errno, "cannot empty a download: %m") : 0;
}

void download_remove(Download *d) {
        if (!d->name)
                return;
        partial_remove(d->dir_fd, d->name);
        free(d->name);
        d->name = NULL;
}

bool download_can_resume(const Download *d) {
        const FetchState *s = d->state;

        return d->name && fetch_state_gap(s, 0) > 0 && (s->etag[0] == '"' || s->modified[0]);
}

void download_done(Download *d) {
        d->state = fetch_state_unmap(d->state);
        d->fd = fd_close(d->fd);
        d->state_fd = fd_close(d->state_fd);
        free(d->name);
        *d = DOWNLOAD_NULL;
}
