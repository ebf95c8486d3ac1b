/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is needed to be let in by a server, and to know it, see pull.h. */
#include <fcntl.h>

#include "base/path.h"
#include "importer/pull.h"

#define SECRET_MAX ((size_t) 1024 * 1024)

/* A file of the caller's choice, else a credential of the service, if there is one. */
static int read_secret(const char *path, const char *credential, char **ret, Error *e) {
        const char *directory = secure_getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *place = NULL;
        int r;

        if (path)
                r = file_read(AT_FDCWD, path, SECRET_MAX, ret, NULL);
        else {
                if (!directory)
                        return 0;
                place = path_join(directory, credential);
                r = place ? file_read(AT_FDCWD, place, SECRET_MAX, ret, NULL) : -ENOMEM;
                if (r == -ENOENT)
                        return 0;
        }
        return r < 0 ? error_set(e, r, "cannot read '%s': %m", path ? path : strempty(place)) : 0;
}

int pull_secrets_read(const ImportOptions *o, PullSecrets *ret, Error *e) {
        int r = read_secret(o->netrc, "import.netrc", &ret->netrc, e);

        if (r >= 0)
                r = read_secret(o->tls_certificate, "import.tls-certificate", &ret->tls_certificate,
                                e);
        if (r >= 0)
                r = read_secret(o->tls_key, "import.tls-key", &ret->tls_key, e);
        if (r >= 0)
                r = read_secret(o->tls_ca, "import.tls-ca", &ret->tls_ca, e);
        return r;
}

void pull_secrets_done(PullSecrets *s) {
        char *const all[] = { s->netrc, s->tls_certificate, s->tls_key, s->tls_ca };

        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                if (all[i])
                        explicit_bzero(all[i], strlen(all[i]));
                free(all[i]);
        }
        *s = (PullSecrets){};
}
