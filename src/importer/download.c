/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Downloads that can be gone on with, see download.h. After a power failure only what was synced is believed to be
 * there. */
#include "importer/download.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id128.h"

#define PREFIX ".skep-part."
#define SUFFIX ".state"
#define N_HEX  32

static int name_of(const char *url, uint8_t source[static 32], char **ret) {
        _cleanup_(buf_done) Buf name = {};
        int r;

        if (EVP_Digest(url, strlen(url), source, NULL, EVP_sha256(), NULL) != 1)
                return -EIO;
        r = buf_puts(&name, PREFIX);
        for (size_t i = 0; i < N_HEX / 2 && r >= 0; i++)
                r = buf_printf(&name, "%02x", source[i]);
        *ret = r < 0 ? NULL : buf_take(&name);
        return *ret ? 0 : -ENOMEM;
}

static char *state_name(const char *name) {
        return str_format("%s%s", name, SUFFIX);
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

/* Return: 1; 0 somebody has it; -errno. */
static int lock(Download *d, const char *state) {
        struct stat here, there;

        d->state_fd = openat(d->dir_fd, state, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (d->state_fd < 0)
                return -errno;
        if (flock(d->state_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? 0 : -errno;
        /* Swept between the two calls. */
        if (fstat(d->state_fd, &here) < 0 || fstatat(d->dir_fd, state, &there, 0) < 0 ||
            here.st_ino != there.st_ino)
                return 0;
        d->fd = openat(d->dir_fd, d->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        return d->fd < 0 ? -errno : 1;
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
        _cleanup_free_ char *state = NULL;
        uint8_t source[32];
        int r;

        d.dir_fd = dir_fd;
        r = name_of(url, source, &d.name);
        if (r >= 0)
                state = state_name(d.name);
        r = r < 0 ? r : !state ? -ENOMEM : lock(&d, state);
        if (r > 0)
                r = take_over(&d, source);
        else if (r == 0) {
                free(d.name);
                d.name = NULL;
                d.state_fd = fd_close(d.state_fd);
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
        _cleanup_free_ char *state = d->name ? state_name(d->name) : NULL;

        if (!state)
                return;
        (void) unlinkat(d->dir_fd, d->name, 0);
        (void) unlinkat(d->dir_fd, state, 0);
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

/* Whether a name is that of the bytes of a download, or of the state without which they are nothing. */
static bool is_own(const char *entry) {
        const char *hex = str_skip_prefix(entry, PREFIX);

        return hex && strspn(hex, "0123456789abcdef") == N_HEX &&
               (!hex[N_HEX] || streq(hex + N_HEX, SUFFIX));
}

static int sweep_one(int dir_fd, const char *name, uint64_t age_usec) {
        _cleanup_(download_done) Download d = DOWNLOAD_NULL;
        _cleanup_free_ char *state = state_name(name);
        struct stat st;
        int r;

        d.dir_fd = dir_fd;
        d.name = strdup(name);
        r = state && d.name ? lock(&d, state) : -ENOMEM;
        if (r <= 0)
                return r;
        if (fstat(d.state_fd, &st) < 0)
                return -errno;
        uint64_t now = (uint64_t) time(NULL), then = (uint64_t) MAX(st.st_mtime, 0);
        if (st.st_size > 0 && age_usec > 0 && now < then + age_usec / 1000000)
                return 0;
        download_remove(&d);
        return 1;
}

int downloads_sweep(const char *directory, uint64_t age_usec, Error *e) {
        _cleanup_dir_ DIR *dir = opendir(directory);
        int n = 0, failed = 0;

        if (!dir)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot read '%s': %m", directory);
        for (struct dirent *d; (d = readdir(dir));) {
                if (!is_own(d->d_name))
                        continue;
                _cleanup_free_ char *name = strndup(d->d_name, strlen(PREFIX) + N_HEX);
                int r = name ? sweep_one(dirfd(dir), name, age_usec) : -ENOMEM;
                if (r < 0 && failed == 0)
                        failed = error_set(e, r, "cannot remove '%s/%s': %m", directory, d->d_name);
                n += r > 0;
        }
        return failed < 0 ? failed : n;
}
