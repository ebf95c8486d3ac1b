/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files beside what is pulled that go with the image, see pull.h. They are fetched and verified before the image is,
 * and are in place when it is seen. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/pull.h"
#include "importer/url.h"

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

_Static_assert(ELEMENTSOF(kinds) == PULL_SIDECARS_MAX, "one place for each");

static bool is_wanted(const Pull *p, size_t i, bool is_disk) {
        const ImportOptions *o = p->context->options;

        return *(const bool *) ((const char *) o + kinds[i].option) &&
               (is_disk ? kinds[i].is_of_disks : kinds[i].is_of_trees) &&
               (!kinds[i].is_of_machines || o->class == IMAGE_CLASS_MACHINE);
}

static int check_digest(int fd, const Digest *expected, Error *e) {
        _cleanup_free_ uint8_t *buffer = malloc(65536);
        Digest found = { .type = expected->type };
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        ssize_t n = 0;
        bool ok = buffer && c &&
                  EVP_DigestInit_ex(c,
                                    expected->type == DIGEST_SHA512 ? EVP_sha512() : EVP_sha256(),
                                    NULL) == 1;

        for (off_t at = 0; ok && (n = pread(fd, buffer, 65536, at)) > 0; at += n)
                ok = EVP_DigestUpdate(c, buffer, (size_t) n) == 1;
        ok = ok && n == 0 && EVP_DigestFinal_ex(c, found.bytes, NULL) == 1;
        EVP_MD_CTX_free(c);
        if (!ok)
                return error_set(e, EIO, "cannot compute a %s", digest_name(expected->type));
        if (!digest_is_equal(&found, expected))
                return error_set(e, EBADMSG, "its %s is not the expected one",
                                 digest_name(expected->type));
        return 0;
}

/* Return: 0, also if it is not there; > 0 a signal's number; -errno. */
static int fetch_one(Pull *p, size_t i, const char *name, Error *e) {
        _cleanup_free_ char *url = url_with_last(p->url, name);
        bool is_verified = p->verify != PULL_VERIFY_NO;
        _cleanup_fd_ int fd = -EBADF;
        Digest expected;
        Error why = {};
        int listed = is_verified ? manifest_find(&p->manifest, name, &expected, &why) : 0;

        if (!url)
                return error_oom(e);
        /* Nobody vouches for what is in no list. */
        if (listed == -ENOENT)
                return 0;
        if (listed < 0) {
                *e = why;
                return listed;
        }
        int r = fetcher_get_file(&p->fetcher, url, kinds[i].max, !is_verified, &fd, e);
        if (r == -ENOENT && !is_verified)
                return 0;
        if (r == 0 && is_verified)
                r = check_digest(fd, &expected, e);
        if (r == 0)
                p->sidecars[i] = TAKE_FD(fd);
        return r < 0 ? error_wrap(e, r, "%s", name) : r;
}

int pull_sidecars_fetch(Pull *p, const char *stem, bool is_disk, Error *e) {
        int r = 0;

        /* A digest that is given is of one file. */
        if (p->verify == PULL_VERIFY_DIGEST)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(kinds) && r == 0; i++) {
                if (!is_wanted(p, i, is_disk) || p->sidecars[i] >= 0)
                        continue;
                _cleanup_free_ char *name = str_format("%s%s", stem, kinds[i].suffix);
                r = name ? fetch_one(p, i, name, e) : error_oom(e);
        }
        return r;
}

/* Whether the same is there, because a pull was killed before the image was seen, or because somebody put it there. */
static bool is_there(int dir_fd, const char *entry, const void *data, size_t n) {
        _cleanup_fd_ int fd = openat(dir_fd, entry, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t) st.st_size != n)
                return false;
        if (n == 0)
                return true;
        void *there = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
        bool same = there != MAP_FAILED && memcmp(there, data, n) == 0;
        if (there != MAP_FAILED)
                (void) munmap(there, n);
        return same;
}

static int place_one(Pull *p, size_t i, int dir_fd, const char *name, bool force, Error *e) {
        _cleanup_free_ char *entry = str_format("%s%s", name, kinds[i].suffix);
        void *data = NULL;
        struct stat st;
        int r = 0;

        if (!entry)
                return error_oom(e);
        if (fstat(p->sidecars[i], &st) < 0)
                return error_set(e, errno, "cannot read what was fetched: %m");
        size_t n = (size_t) st.st_size;
        if (n > 0) {
                data = mmap(NULL, n, PROT_READ, MAP_PRIVATE, p->sidecars[i], 0);
                if (data == MAP_FAILED)
                        return error_set(e, errno, "cannot read what was fetched: %m");
        }
        const void *bytes = data ? data : "";
        if (!is_there(dir_fd, entry, bytes, n)) {
                r = staging_place(dir_fd, entry, bytes, n, force, e);
                p->placed[i] = r >= 0;
        }
        if (data)
                (void) munmap(data, n);
        return r;
}

int pull_sidecars_place(Pull *p, int dir_fd, const char *name, bool force, Error *e) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(kinds) && r >= 0; i++)
                if (p->sidecars[i] >= 0)
                        r = place_one(p, i, dir_fd, name, force, e);
        if (r < 0)
                pull_sidecars_remove(p, dir_fd, name);
        return r;
}

void pull_sidecars_remove(Pull *p, int dir_fd, const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_free_ char *entry = p->placed[i]
                                                     ? str_format("%s%s", name, kinds[i].suffix)
                                                     : NULL;
                if (entry)
                        (void) unlinkat(dir_fd, entry, 0);
                p->placed[i] = false;
        }
}

void pull_sidecars_done(Pull *p) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                p->sidecars[i] = fd_close(p->sidecars[i]);
}
