/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Root hash, signature and hash tree of an image, see verity.h. Files beside an image are as foreign as the
 * image: they are regular and small, and nothing of what is in them gets into a message. */
#include "image/verity.h"

#include <sys/xattr.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"

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
                int r = signature_parse(base64, &v->signature);
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
        v.signature_is_asked = options->signature;
        if (v.root_hash.n == 0 && sidecars)
                r = find_root_hash(path, image_fd, &v, e);
        v.use_signature = signatures;
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

/* Whether the image has the partition that a root hash is of. */
static bool has_data(const Dissection *d, PartitionDesignator which, const RootHash *hash) {
        Id128 data, tree;

        root_hash_partitions(hash, &data, &tree);
        for (size_t i = 0; i < d->n; i++)
                if (d->partitions[i].designator == which &&
                    id128_equal(&d->partitions[i].uuid, &data))
                        return true;
        return false;
}

static bool is_same(const RootHash *a, const RootHash *b) {
        return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0;
}

static int embed_one(Verity *v, const Dissection *d, const PartitionSignature *s) {
        PartitionDesignator which = partition_designator_protects(
                d->partitions[s->partition].designator);

        if (v->root_hash.n > 0 ? which != v->designator || !is_same(&s->root_hash, &v->root_hash)
                               : !has_data(d, which, &s->root_hash))
                return 0;
        v->designator = which;
        v->root_hash = s->root_hash;
        return buf_append(&v->signature, s->signature.p, s->signature.n);
}

int verity_embed(Verity *v, const Dissection *d, Error *e) {
        static const PartitionDesignator order[] = { PARTITION_ROOT_VERITY_SIG,
                                                     PARTITION_USR_VERITY_SIG };

        for (size_t o = 0; o < ELEMENTSOF(order); o++)
                for (size_t i = 0; i < d->n_signatures; i++) {
                        const PartitionSignature *s = d->signatures + i;

                        if (!v->use_embedded || !v->use_signature || v->signature.n > 0 ||
                            d->partitions[s->partition].designator != order[o])
                                continue;
                        if (embed_one(v, d, s) < 0)
                                return error_oom(e);
                }
        return 0;
}
