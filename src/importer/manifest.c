/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of digests and their signatures, see manifest.h. What a list says counts once its signature was found to be
 * right, and only what was signed of it. */
#include "importer/manifest.h"

#include <syslog.h>

#include "importer/minisign.h"
#include "importer/openpgp.h"
#include "importer/url.h"

#define SIGNATURE_MAX ((size_t) 1024 * 1024)

static const struct {
        const char *suffix, *name;
} lists[] = {
        { ".sha256", NULL },
        { NULL, "SHA256SUMS" },
        { ".sha512", NULL },
        { NULL, "SHA512SUMS" },
};

static const char *const signatures[] = { ".asc", ".gpg", ".sig" };

void manifest_done(Manifest *m) {
        free(m->text);
        free(m->name);
        *m = (Manifest){};
}

/* Return: 0; > 0 a signal; -ENOENT there is no such signature, or no key for such; -ENOKEY; -EKEYREJECTED; -errno. */
static int check_minisign(Fetcher *f, const char *list_url, Manifest *m, Error *e) {
        _cleanup_(minisign_keys_done) MinisignKeys keys = {};
        _cleanup_free_ char *url = url_with_suffix(list_url, ".minisig"), *data = NULL;
        size_t n;

        if (!url)
                return error_oom(e);
        int r = minisign_keys_load(&keys, e);
        if (r >= 0 && keys.n == 0)
                return error_set(e, ENOENT, "%s: there is no key of minisign", m->name);
        if (r >= 0)
                r = fetcher_get(f, url, MINISIGN_MAX, true, &data, &n, e);
        if (r != 0)
                return r;
        r = minisign_verify(&keys, m->text, m->n, data, n, e);
        return r < 0 ? error_wrap(e, r, "%s.minisig", m->name) : 0;
}

/* Return: as check_minisign(). */
static int check_openpgp(Fetcher *f, const char *list_url, Manifest *m, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(signatures); i++) {
                _cleanup_free_ char *url = url_with_suffix(list_url, signatures[i]), *data = NULL,
                                    *text = NULL;
                size_t n, n_text;

                if (!url)
                        return error_oom(e);
                int r = fetcher_get(f, url, SIGNATURE_MAX, true, &data, &n, e);
                if (r == -ENOENT)
                        continue;
                if (r == 0)
                        r = openpgp_verify(m->text, m->n, data, n, &text, &n_text, e);
                return r < 0 ? error_wrap(e, r, "%s%s", m->name, signatures[i]) : r;
        }
        return error_set(e, ENOENT, "%s: no signature is beside it", m->name);
}

/* What one key is there for need not be signed by others. */
static int check_signature(Fetcher *f, const char *list_url, Manifest *m, Error *e) {
        Error why = {}, other = {};
        int r = check_minisign(f, list_url, m, &why);

        if (r == -ENOENT || r == -ENOKEY) {
                int k = check_openpgp(f, list_url, m, &other);
                if (k != -ENOENT || r == -ENOENT) {
                        why = other;
                        r = k;
                }
        }
        if (r < 0)
                *e = why;
        return r;
}

/* Puts in place of the text what was signed of it. */
static int check_inline(Manifest *m, Error *e) {
        char *text;
        size_t n;
        int r = openpgp_verify(m->text, m->n, NULL, 0, &text, &n, e);

        if (r < 0)
                return error_wrap(e, r, "%s", m->name);
        free(m->text);
        m->text = text;
        m->n = n;
        return 0;
}

int manifest_find(const Manifest *m, const char *file, Digest *ret, Error *e) {
        int r = checksum_list_find(m->text, m->n, file, ret, e);

        return r < 0 ? error_wrap(e, r, "%s", m->name) : r;
}

static int pull_one(Fetcher *f, const char *url, const char *file, PullVerify verify, size_t i,
                    Manifest *ret, Digest *ret_digest, Error *e) {
        _cleanup_(manifest_done) Manifest m = { .is_single = lists[i].suffix };
        _cleanup_free_ char *list_url = lists[i].suffix ? url_with_suffix(url, lists[i].suffix)
                                                        : url_with_last(url, lists[i].name);

        m.name = lists[i].suffix ? str_format("%s%s", file, lists[i].suffix)
                                 : strdup(lists[i].name);
        if (!m.name || !list_url)
                return error_oom(e);
        int r = fetcher_get(f, list_url, CHECKSUM_LIST_MAX, true, &m.text, &m.n, e);
        if (r == 0 && verify == PULL_VERIFY_SIGNATURE)
                r = openpgp_is_inline(m.text, m.n) ? check_inline(&m, e)
                                                   : check_signature(f, list_url, &m, e);
        if (r != 0)
                return r;
        r = manifest_find(&m, file, ret_digest, e);
        if (r == -ENOENT && m.is_single)
                r = checksum_list_find(m.text, m.n, NULL, ret_digest, NULL);
        if (r == 0) {
                *ret = m;
                m = (Manifest){};
        }
        return r;
}

int manifest_pull(Fetcher *f, const char *url, const char *file, PullVerify verify, Manifest *ret,
                  Digest *ret_digest, Error *e) {
        Error first = {};

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                Error why = {};
                int r = pull_one(f, url, file, verify, i, ret, ret_digest, &why);

                if (r >= 0)
                        return r;
                if (r != -ENOENT) {
                        *e = why;
                        return r;
                }
                /* That a list is not there says less than that it has no signature. */
                if (!error_is_set(&first) || !strstr(why.text, "404"))
                        first = why;
        }
        return error_set(e, ENOENT, "%s: nothing is there to verify it with (%s)", file,
                         first.text);
}
