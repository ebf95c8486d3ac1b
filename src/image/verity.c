/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Root hash, signature and hash tree of an image, see verity.h. Files beside an image are as foreign as the
 * image: they are regular and small, and nothing of what is in them gets into a message. */
#include "image/verity.h"

#include <sys/xattr.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"

int root_hash_parse(const char *text, RootHash *ret) {
        size_t n = strlen(text);
        RootHash h = { .n = n / 2 };

        if (n % 2 != 0 || h.n < ROOT_HASH_MIN || h.n > ROOT_HASH_MAX ||
            hex_parse(text, h.bytes, h.n) < 0)
                return -EINVAL;
        *ret = h;
        return 0;
}

const char *root_hash_format(const RootHash *h, char text[static ROOT_HASH_TEXT_MAX]) {
        text[0] = '\0';
        for (size_t i = 0; i < h->n; i++)
                (void) snprintf(text + 2 * i, 3, "%02x", h->bytes[i]);
        return text;
}

void root_hash_partitions(const RootHash *h, Id128 *ret_data, Id128 *ret_tree) {
        memcpy(ret_data->bytes, h->bytes, sizeof ret_data->bytes);
        memcpy(ret_tree->bytes, h->bytes + h->n - sizeof ret_tree->bytes, sizeof ret_tree->bytes);
}

static int base64_digit(char c) {
        static const char
                digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *p = c ? strchr(digits, c) : NULL;

        return p ? (int) (p - digits) : -1;
}

/* Appends the bytes that @text stands for; white space may be in it. */
static int base64_parse(const char *text, Buf *out) {
        unsigned bits = 0, value = 0, digits = 0, padding = 0;

        for (; *text; text++) {
                int d = base64_digit(*text);
                if (strchr(" \t\r\n", *text))
                        continue;
                if (*text == '=' && padding < 2) {
                        padding++;
                        continue;
                }
                if (d < 0 || padding > 0)
                        return -EINVAL;
                digits++;
                value = (value << 6 | (unsigned) d) & 0xffff;
                bits += 6;
                if (bits < 8)
                        continue;
                bits -= 8;
                uint8_t byte = (uint8_t) (value >> bits);
                if (buf_append(out, &byte, 1) < 0)
                        return -ENOMEM;
        }
        return digits == 0 || (digits + padding) % 4 != 0 ? -EINVAL : 0;
}

int signature_check(const char *text, Error *e) {
        const char *base64 = str_skip_prefix(text, "base64:");
        _cleanup_(buf_done) Buf bytes = {};

        if (!base64)
                return *text == '/' && path_is_safe(text)
                               ? 0
                               : error_set(e, EINVAL,
                                           "'%.80s' is neither an absolute path nor 'base64:…'",
                                           text);
        int r = base64_parse(base64, &bytes);
        return r == -ENOMEM ? error_oom(e)
               : r < 0      ? error_set(e, r, "what follows 'base64:' is not Base64")
                            : 0;
}

void verity_done(Verity *v) {
        buf_done(&v->signature);
        v->tree_fd = fd_close(v->tree_fd);
        *v = VERITY_NULL;
}

/* A knob of the reference, on unless it says no. */
static int knob(const char *name, bool *ret, Error *e) {
        const char *value = getenv(name);

        *ret = true;
        if (value && parse_bool(value, ret) < 0)
                return error_set(e, EINVAL, "$%s: '%.40s' is neither yes nor no", name, value);
        return 0;
}

/* Path of the file beside the image: without ".raw", with @suffix. */
static char *beside(const char *path, const char *suffix) {
        size_t n = strlen(path) - (str_has_suffix(path, ".raw") ? strlen(".raw") : 0);

        return str_format("%.*s%s", (int) n, path, suffix);
}

/* Return: 1 it was there, 0 it was not, -errno. */
static int read_attribute(int image_fd, const char *path, const char *name, RootHash *ret,
                          Error *e) {
        char text[ROOT_HASH_TEXT_MAX + 1] = {};
        ssize_t n = fgetxattr(image_fd, name, text, sizeof text - 1);

        if (n < 0 && (errno == ENODATA || errno == EOPNOTSUPP || errno == ENOTTY))
                return 0;
        if (n < 0 && errno != ERANGE)
                return error_set(e, errno, "cannot read the attribute '%s' of '%s': %m", name,
                                 path);
        if (n < 0 || root_hash_parse(str_strip(text), ret) < 0)
                return error_set(e, EINVAL, "the attribute '%s' of '%s' is not a root hash", name,
                                 path);
        return 1;
}

static int read_hash_file(const char *path, const char *suffix, RootHash *ret, Error *e) {
        _cleanup_free_ char *file = beside(path, suffix), *text = NULL;

        if (!file)
                return error_oom(e);
        int r = file_read(AT_FDCWD, file, ROOT_HASH_TEXT_MAX + 16, &text, NULL);
        if (r == -ENOENT)
                return 0;
        if (r < 0 && r != -EFBIG)
                return error_set(e, r, "cannot read '%s': %m", file);
        if (r < 0 || root_hash_parse(str_strip(text), ret) < 0)
                return error_set(e, EINVAL, "'%s' holds no root hash", file);
        return 1;
}

static int find_root_hash(const char *path, int image_fd, Verity *v, Error *e) {
        static const struct {
                PartitionDesignator designator;
                const char *attribute, *suffix;
        } places[] = {
                { PARTITION_ROOT, "user.verity.roothash", ".roothash" },
                { PARTITION_USR, "user.verity.usrhash", ".usrhash" },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(places) && r == 0; i++) {
                r = read_attribute(image_fd, path, places[i].attribute, &v->root_hash, e);
                if (r == 0)
                        r = read_hash_file(path, places[i].suffix, &v->root_hash, e);
                if (r > 0)
                        v->designator = places[i].designator;
        }
        return MIN(r, 0);
}

static int read_signature_file(const char *file, bool must, Buf *ret, Error *e) {
        _cleanup_free_ char *bytes = NULL;
        size_t n;
        int r = file_read(AT_FDCWD, file, SIGNATURE_SIZE_MAX, &bytes, &n);

        if (r == -ENOENT && !must)
                return 0;
        if (r < 0)
                return error_set(e, r, "cannot read the signature '%s': %m", file);
        return buf_append(ret, bytes, n) < 0 ? error_oom(e) : 0;
}

static int find_signature(const char *path, const char *given, bool beside_too, Verity *v,
                          Error *e) {
        const char *base64 = given ? str_skip_prefix(given, "base64:") : NULL;
        const char *suffix = v->designator == PARTITION_USR ? ".usrhash.p7s" : ".roothash.p7s";

        if (base64) {
                int r = base64_parse(base64, &v->signature);
                return r < 0 ? error_set(e, r, "what follows 'base64:' is not Base64") : 0;
        }
        if (given)
                return read_signature_file(given, true, &v->signature, e);
        if (!beside_too || v->root_hash.n == 0)
                return 0;
        _cleanup_free_ char *file = beside(path, suffix);
        return file ? read_signature_file(file, false, &v->signature, e) : error_oom(e);
}

static int open_tree_file(const char *path, const char *given, Verity *v, Error *e) {
        _cleanup_free_ char *file = given ? strdup(given) : beside(path, ".verity");
        struct stat st;

        if (!file)
                return error_oom(e);
        v->tree_fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (v->tree_fd < 0 && errno == ENOENT && !given)
                return 0;
        if (v->tree_fd < 0)
                return error_set(e, errno, "cannot open the hash tree '%s': %m", file);
        if (fstat(v->tree_fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
                return error_set(e, EINVAL, "the hash tree '%s' is neither a file nor a device",
                                 file);
        return 0;
}

int verity_read(const char *path, int image_fd, const VerityOptions *options, Verity *ret,
                Error *e) {
        _cleanup_(verity_done) Verity v = VERITY_NULL;
        bool sidecars = true, signatures = true;
        struct stat st;
        int r = knob("SYSTEMD_DISSECT_VERITY_SIDECAR", &sidecars, e);

        if (r >= 0)
                r = knob("SYSTEMD_DISSECT_VERITY_SIGNATURE", &signatures, e);
        if (r >= 0)
                r = knob("SYSTEMD_DISSECT_VERITY_EMBEDDED", &v.use_embedded, e);
        if (r < 0)
                return r;
        if (fstat(image_fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", path);
        sidecars = sidecars && S_ISREG(st.st_mode);

        v.designator = PARTITION_ROOT;
        v.root_hash = options->root_hash;
        v.is_asked = options->root_hash.n > 0 || options->signature || options->tree;
        if (v.root_hash.n == 0 && sidecars)
                r = find_root_hash(path, image_fd, &v, e);
        if (r >= 0 && (signatures || options->signature))
                r = find_signature(path, options->signature, sidecars, &v, e);
        if (r >= 0 && (options->tree || (sidecars && v.root_hash.n > 0)))
                r = open_tree_file(path, options->tree, &v, e);
        if (r < 0)
                return r;
        if (v.root_hash.n == 0 && (options->signature || options->tree))
                return error_set(e, EINVAL,
                                 "no root hash of '%s' is known, which its signature or hash tree"
                                 " takes; give it with --root-hash=",
                                 path);
        *ret = v;
        v = VERITY_NULL;
        return 0;
}
