/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files beside what is pulled that go with the image, see pull.h. They are fetched and verified before the image is,
 * and are in place when it is seen. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/pull.h"
#include "importer/url.h"

static int check_digest(int fd, const Digest *expected, Error *e) {
        _cleanup_free_ uint8_t *buffer = malloc(65536);
        Digest found = { .type = expected->type };
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        ssize_t n = 0;
        bool ok = buffer && c && EVP_DigestInit_ex(c, digest_function(expected->type), NULL) == 1;

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
        int r = fetcher_get_file(&p->fetcher, url, sidecar_max(i), !is_verified, &fd, e);
        if (r == -ENOENT && !is_verified)
                return 0;
        if (r == 0 && is_verified)
                r = check_digest(fd, &expected, e);
        if (r == 0)
                p->sidecars.fds[i] = TAKE_FD(fd);
        return r < 0 ? error_wrap(e, r, "%s", name) : r;
}

int pull_sidecars_fetch(Pull *p, const char *stem, bool is_disk, Error *e) {
        int r = 0;

        /* A digest that is given is of one file, and so is a signature of it. */
        if (p->verify == PULL_VERIFY_DIGEST || p->seal)
                return 0;
        for (size_t i = 0; i < SIDECARS_MAX && r == 0; i++) {
                if (!sidecar_is_wanted(p->context->options, i, is_disk) || p->sidecars.fds[i] >= 0)
                        continue;
                _cleanup_free_ char *name = str_format("%s%s", stem, sidecar_suffix(i));
                r = name ? fetch_one(p, i, name, e) : error_oom(e);
        }
        return r;
}
