/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads and checks signatures, see minisign.h. The cryptography is libcrypto's. */
#include "importer/minisign.h"

#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"

#define COMMENT         "untrusted comment: "
#define TRUSTED_COMMENT "trusted comment: "
#define ID_AT           2
#define PREFIX_SIZE     (ID_AT + MINISIGN_ID_SIZE)

static const char *const directories[] = { "/etc/skep/import-keys.d",
                                           "/usr/lib/skep/import-keys.d" };

void minisign_keys_done(MinisignKeys *k) {
        free(k->v);
        *k = (MinisignKeys){};
}

/* One line, without its end. Return: 1; 0 there is none. */
static int next_line(const char **text, size_t *n, const char **ret, size_t *ret_n) {
        if (*n == 0)
                return 0;
        const char *end = memchr(*text, '\n', *n);
        size_t k = end ? (size_t) (end - *text) : *n, whole = end ? k + 1 : k;

        *ret = *text;
        *ret_n = k > 0 && (*text)[k - 1] == '\r' ? k - 1 : k;
        *text += whole;
        *n -= whole;
        return 1;
}

static bool has_prefix(const char *line, size_t n, const char *prefix) {
        size_t k = strlen(prefix);

        return n >= k && memcmp(line, prefix, k) == 0;
}

static int value_of(char c) {
        static const char
                digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *p = c ? strchr(digits, c) : NULL;

        return p ? (int) (p - digits) : -1;
}

/* base64 of exactly @size bytes, filled up with "=". Return: 0 or -EBADMSG. */
static int decode(const char *s, size_t n, uint8_t *ret, size_t size) {
        uint32_t bits = 0;
        size_t at = 0, n_digits = (size * 8 + 5) / 6;
        unsigned have = 0;

        if (n != (size + 2) / 3 * 4)
                return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
                int v = value_of(s[i]);
                if (i >= n_digits ? s[i] != '=' : v < 0)
                        return -EBADMSG;
                if (i >= n_digits)
                        continue;
                bits = (bits << 6 | (uint32_t) v) & 0xffff;
                have += 6;
                if (have >= 8) {
                        have -= 8;
                        ret[at++] = (uint8_t) (bits >> have);
                }
        }
        /* There is one way to write it. */
        return bits & ((UINT32_C(1) << have) - 1) ? -EBADMSG : 0;
}

int minisign_key_parse(const char *text, size_t n, MinisignKey *ret) {
        uint8_t data[PREFIX_SIZE + MINISIGN_KEY_SIZE];
        const char *line, *rest;
        size_t k, n_rest;

        if (!next_line(&text, &n, &line, &k))
                return -EBADMSG;
        if (has_prefix(line, k, COMMENT) && !next_line(&text, &n, &line, &k))
                return -EBADMSG;
        if (decode(line, k, data, sizeof data) < 0 || memcmp(data, "Ed", ID_AT) != 0)
                return -EBADMSG;
        while (next_line(&text, &n, &rest, &n_rest))
                if (n_rest > 0)
                        return -EBADMSG;
        memcpy(ret->id, data + ID_AT, sizeof ret->id);
        memcpy(ret->key, data + PREFIX_SIZE, sizeof ret->key);
        return 0;
}

int minisign_signature_parse(const char *text, size_t n, MinisignSignature *ret) {
        uint8_t data[PREFIX_SIZE + MINISIGN_SIGNATURE_SIZE];
        MinisignSignature s = {};
        const char *line;
        size_t k;

        if (!next_line(&text, &n, &line, &k) || !has_prefix(line, k, COMMENT) ||
            !next_line(&text, &n, &line, &k) || decode(line, k, data, sizeof data) < 0)
                return -EBADMSG;
        if (data[0] != 'E' || (data[1] != 'd' && data[1] != 'D'))
                return -EBADMSG;
        s.is_prehashed = data[1] == 'D';
        memcpy(s.id, data + ID_AT, sizeof s.id);
        memcpy(s.signature, data + PREFIX_SIZE, sizeof s.signature);

        if (!next_line(&text, &n, &line, &k) || !has_prefix(line, k, TRUSTED_COMMENT))
                return -EBADMSG;
        s.comment = line + strlen(TRUSTED_COMMENT);
        s.n_comment = k - strlen(TRUSTED_COMMENT);
        if (!next_line(&text, &n, &line, &k) || decode(line, k, s.global, sizeof s.global) < 0 ||
            n > 0)
                return -EBADMSG;
        *ret = s;
        return 0;
}

/* Return: 1 it is right; 0 it is not; -EIO. */
static int check(const MinisignKey *key, const uint8_t signature[static MINISIGN_SIGNATURE_SIZE],
                 const void *data, size_t n) {
        EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->key,
                                                  sizeof key->key);
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        int r = -EIO;

        if (k && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1)
                r = EVP_DigestVerify(c, signature, MINISIGN_SIGNATURE_SIZE, data, n) == 1;
        EVP_MD_CTX_free(c);
        EVP_PKEY_free(k);
        return r;
}

static int check_text(const MinisignKey *key, const MinisignSignature *s, const void *text,
                      size_t n) {
        uint8_t hash[MINISIGN_HASH_SIZE];

        if (!s->is_prehashed)
                return check(key, s->signature, text, n);
        if (EVP_Digest(text, n, hash, NULL, EVP_blake2b512(), NULL) != 1)
                return -EIO;
        return check(key, s->signature, hash, sizeof hash);
}

static int check_comment(const MinisignKey *key, const MinisignSignature *s) {
        _cleanup_(buf_done) Buf b = {};

        if (buf_append(&b, s->signature, sizeof s->signature) < 0 ||
            buf_append(&b, s->comment, s->n_comment) < 0)
                return -ENOMEM;
        return check(key, s->global, b.p, b.n);
}

/* Return: 0 and the key that it says it is by; -EBADMSG; -ENOKEY. */
static int find_key(const MinisignKeys *keys, const char *signature, size_t n,
                    MinisignSignature *ret, const MinisignKey **ret_key, Error *e) {
        if (minisign_signature_parse(signature, n, ret) < 0)
                return error_set(e, EBADMSG, "this is not a signature as minisign makes them");
        for (size_t i = 0; i < keys->n; i++)
                if (memcmp(keys->v[i].id, ret->id, sizeof ret->id) == 0) {
                        *ret_key = keys->v + i;
                        return 0;
                }
        return error_set(e, ENOKEY,
                         "the signature is by a key that is not in the directory of keys");
}

/* @r: of the signature itself, as from check(). */
static int judge(const MinisignKey *key, const MinisignSignature *s, int r, Error *e) {
        if (r == 0)
                return error_set(e, EKEYREJECTED, "the signature is not of this");
        if (r > 0)
                r = check_comment(key, s);
        if (r == 0)
                return error_set(e, EKEYREJECTED, "the comment of the signature was not signed");
        return r < 0 ? error_set(e, r, "cannot check a signature: %m") : 0;
}

int minisign_verify(const MinisignKeys *keys, const void *text, size_t n, const char *signature,
                    size_t n_signature, Error *e) {
        const MinisignKey *key;
        MinisignSignature s;
        int r = find_key(keys, signature, n_signature, &s, &key, e);

        return r < 0 ? r : judge(key, &s, check_text(key, &s, text, n), e);
}

int minisign_verify_hash(const MinisignKeys *keys, const uint8_t hash[static MINISIGN_HASH_SIZE],
                         const char *signature, size_t n_signature, Error *e) {
        const MinisignKey *key;
        MinisignSignature s;
        int r = find_key(keys, signature, n_signature, &s, &key, e);

        if (r < 0)
                return r;
        if (!s.is_prehashed)
                return error_set(e, EOPNOTSUPP,
                                 "the signature is of the old kind, which is of all bytes at once: "
                                 "have minisign -SH sign it");
        return judge(key, &s, check(key, s.signature, hash, MINISIGN_HASH_SIZE), e);
}

static int add_key(MinisignKeys *keys, int dir_fd, const char *directory, const char *name,
                   Error *e) {
        _cleanup_free_ char *text = NULL;
        MinisignKey key, *v;
        size_t n;
        int r = file_read(dir_fd, name, MINISIGN_MAX, &text, &n);

        if (r >= 0)
                r = minisign_key_parse(text, n, &key);
        if (r < 0)
                return error_set(e, r,
                                 r == -EBADMSG ? "'%s/%s' is not a public key of minisign"
                                               : "cannot read the key '%s/%s': %m",
                                 directory, name);
        v = reallocarray(keys->v, keys->n + 1, sizeof *v);
        if (!v)
                return error_oom(e);
        keys->v = v;
        keys->v[keys->n++] = key;
        return 0;
}

/* @over: a directory whose names count in place of those here; NULL = none */
static int load_directory(MinisignKeys *keys, const char *directory, const char *over, Error *e) {
        _cleanup_dir_ DIR *d = opendir(directory);
        int r = 0;

        if (!d)
                return errno == ENOENT || errno == ENOTDIR
                               ? 0
                               : error_set(e, errno, "cannot read '%s': %m", directory);
        for (struct dirent *de; r >= 0 && (de = readdir(d));) {
                _cleanup_free_ char *other = over ? path_join(over, de->d_name) : NULL;

                if (!str_has_suffix(de->d_name, ".pub") || de->d_name[0] == '.' ||
                    (other && access(other, F_OK) >= 0))
                        continue;
                r = add_key(keys, dirfd(d), directory, de->d_name, e);
        }
        return r;
}

int minisign_keys_load(MinisignKeys *ret, Error *e) {
        const char *own = secure_getenv("SKEP_IMPORT_KEYS");
        _cleanup_(minisign_keys_done) MinisignKeys keys = {};
        int r = load_directory(&keys, own ? own : directories[0], NULL, e);

        if (r >= 0 && !own)
                r = load_directory(&keys, directories[1], directories[0], e);
        if (r < 0)
                return r;
        *ret = keys;
        keys = (MinisignKeys){};
        return 0;
}
