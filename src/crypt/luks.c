/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encrypted devices: LUKS, opened with a passphrase. */
#include "base/aide.h"
#include "crypt/crypt.h"

#define TRIES   3 /* at the terminal */
#define KEY_MAX 512

typedef struct Key {
        char bytes[KEY_MAX];
        size_t n;
} Key;

static void key_done(Key *k) {
        explicit_bzero(k, sizeof *k);
}

/* Gets the volume key with a passphrase. This is what takes time, and needs no lock. */
static int unlock(struct crypt_device *cd, const char *passphrase, size_t n, Key *key, Error *e) {
        int r;

        key->n = sizeof key->bytes;
        r = crypt_volume_key_get(cd, CRYPT_ANY_SLOT, key->bytes, &key->n, passphrase, n);
        return r == -EPERM ? error_set(e, EKEYREJECTED, "the passphrase is wrong")
               : r < 0     ? device_error(cd, r, "cannot decrypt the volume key", e)
                           : 0;
}

static int unlock_with_file(struct crypt_device *cd, Key *key, Error *e) {
        char *passphrase;
        size_t n;
        int r = passphrase_read(AIDE_FDS + 1, &passphrase, &n, e);

        if (r < 0)
                return r;
        r = unlock(cd, passphrase, n, key, e);
        (void) passphrase_free(passphrase, n);
        return r;
}

static int unlock_with_terminal(struct crypt_device *cd, char **names, Key *key, Error *e) {
        int r = -EKEYREJECTED;

        for (unsigned i = 0; i < TRIES && r == -EKEYREJECTED; i++) {
                char *passphrase;
                r = passphrase_ask(names[0], names[1], &passphrase, e);
                if (r < 0)
                        return r;
                r = unlock(cd, passphrase, strlen(passphrase), key, e);
                (void) passphrase_free(passphrase, strlen(passphrase));
        }
        return r;
}

static int load(struct crypt_device *cd, bool integrity, Error *e) {
        struct crypt_params_integrity params = {};
        int r = crypt_load(cd, CRYPT_LUKS, NULL);

        if (r < 0)
                return device_error(cd, r, "cannot read the LUKS header", e);
        if (!integrity)
                return 0;
        r = crypt_get_integrity_info(cd, &params);
        return r < 0 || params.tag_size == 0
                       ? error_set(e, EPERM,
                                   "it has no integrity data, which the image policy demands")
                       : 0;
}

/* luks IMAGE PARTITION [read-only] [integrity] [ask] */
int luks_verb(char **argv, int n_fds, Error *e) {
        bool read_only = strv_contains(argv + 2, "read-only");
        _cleanup_(mapping_done) Mapping mapping = MAPPING_NULL;
        _cleanup_crypt_ struct crypt_device *cd = NULL;
        _cleanup_(key_done) Key key = {};
        int r = device_require_mapper(e);

        if (r >= 0)
                r = device_init(AIDE_FDS, &cd, e);
        if (r >= 0)
                r = load(cd, strv_contains(argv + 2, "integrity"), e);
        if (r < 0)
                return r;

        if (n_fds > 1)
                r = unlock_with_file(cd, &key, e);
        else if (strv_contains(argv + 2, "ask"))
                r = unlock_with_terminal(cd, argv, &key, e);
        else
                r = error_set(e, ENOKEY,
                              "there is no passphrase; the credential image-passphrase is the place"
                              " for it");
        if (r >= 0)
                r = mapping_begin(&mapping, e);
        if (r < 0)
                return r;
        r = crypt_activate_by_volume_key(cd, mapping.name, key.bytes, key.n,
                                         read_only ? CRYPT_ACTIVATE_READONLY : 0);
        if (r < 0)
                return device_error(cd, r, "cannot set up decryption", e);
        return mapping_hand_out(&mapping, cd, read_only, false, e);
}
