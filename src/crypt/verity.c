/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices that check every block that is read from them. */
#include "base/aide.h"
#include "crypt/crypt.h"
#include "image/loop.h"
#include "image/verity.h"

typedef struct Signature {
        char *bytes;
        size_t n;
        bool must; /* no device without */
} Signature;

static void signature_done(Signature *s) {
        free(s->bytes);
}

static int read_signature(const char *word, int n_fds, Signature *ret, Error *e) {
        if (n_fds < 3 || streq(word, "unsigned"))
                return 0;
        int r = fd_read_all(AIDE_FDS + 2, SIGNATURE_SIZE_MAX, &ret->bytes, &ret->n);
        if (r < 0)
                return error_set(e, r, "cannot read the signature: %m");
        ret->must = streq(word, "signed");
        return 0;
}

/* Makes the device. The kernel looks for who signed among its own keys first; certificates of the
 * administrator's that it does not know count as well. */
static int activate(struct crypt_device *cd, const char *name, const char *text,
                    const RootHash *hash, const Signature *s, Error *e) {
        const char *key = (const char *) hash->bytes;
        int r;

        if (s->n > 0) {
                r = crypt_activate_by_signed_key(cd, name, key, hash->n, s->bytes, s->n,
                                                 CRYPT_ACTIVATE_READONLY);
                if (r >= 0)
                        return 0;
                r = signature_is_trusted(text, s->bytes, s->n, e);
                if (r < 0)
                        return r;
                if (r == 0 && s->must)
                        return error_set(
                                e, EKEYREJECTED,
                                "nobody whom this host trusts has signed the root hash (see"
                                " /etc/verity.d)");
        }
        r = crypt_activate_by_volume_key(cd, name, key, hash->n, CRYPT_ACTIVATE_READONLY);
        return r < 0 ? device_error(cd, r, "cannot set up verity", e) : 0;
}

/* verity IMAGE PARTITION HASH unsigned|maybe-signed|signed */
int verity_verb(char **argv, int n_fds, Error *e) {
        _cleanup_(signature_done) Signature signature = {};
        _cleanup_(mapping_done) Mapping mapping = MAPPING_NULL;
        struct crypt_params_verity params = {};
        char data[BLOCK_PATH_MAX];
        _cleanup_crypt_ struct crypt_device *cd = NULL;
        RootHash hash;
        int r;

        if (root_hash_parse(argv[2], &hash) < 0)
                return error_set(e, EINVAL, "'%.140s' is not a root hash", argv[2]);
        r = read_signature(argv[3], n_fds, &signature, e);
        if (r >= 0)
                r = device_require_mapper(e);
        if (r >= 0)
                r = device_init(AIDE_FDS + 1, &cd, e);
        if (r < 0)
                return r;

        r = crypt_load(cd, CRYPT_VERITY, &params);
        if (r >= 0)
                r = crypt_set_data_device(cd, block_path(AIDE_FDS, data));
        if (r < 0)
                return device_error(cd, r, "cannot read the hash tree", e);

        r = mapping_begin(&mapping, e);
        if (r >= 0)
                r = activate(cd, mapping.name, argv[2], &hash, &signature, e);
        return r < 0 ? r : mapping_hand_out(&mapping, cd, true, true, e);
}
