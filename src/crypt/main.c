/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-crypt: what it is told to do. An aide; it makes one device, sends it, and ends. */
#include <fcntl.h>
#include <linux/capability.h>

#include "base/aide.h"
#include "base/confine.h"
#include "base/text.h"
#include "crypt/crypt.h"

static const struct {
        const char *name;
        size_t n; /* words that it needs */
        int fds;  /* descriptors that it needs */
        int (*run)(char **argv, int n_fds, Error *e);
} verbs[] = {
        { "verity", 4, 2, verity_verb }, /* IMAGE PARTITION HASH SIGNED; data, tree [, signature] */
        { "luks", 2, 1, luks_verb },     /* IMAGE PARTITION [FLAG…]; data [, passphrase] */
};

/* How many descriptors we were given. */
static int count_fds(void) {
        int n = 0;

        while (n < AIDE_FDS_MAX && fcntl(AIDE_FDS + n, F_GETFD) >= 0)
                n++;
        for (int i = 0; i < n; i++)
                (void) fd_set_cloexec(AIDE_FDS + i, true);
        return n;
}

static int run(char **argv, Error *e) {
        int n = count_fds();

        for (size_t i = 0; argv[0] && i < ELEMENTSOF(verbs); i++)
                if (streq(argv[0], verbs[i].name) && strv_length(argv + 1) >= verbs[i].n &&
                    n >= verbs[i].fds)
                        return verbs[i].run(argv + 1, n, e);
        return error_set(e, EINVAL, "skep-crypt is for skep-spawn alone");
}

/* What devices, their nodes, locked memory, a module to load, and giving up the rest take; nothing that reads a header needs
 * more. */
static int give_up(Error *e) {
        static const int kept[] = { CAP_SYS_ADMIN, CAP_SYS_MODULE, CAP_SETPCAP, CAP_IPC_LOCK,
                                    CAP_MKNOD,     CAP_CHOWN,      CAP_FOWNER,  CAP_DAC_OVERRIDE };
        uint64_t mask = 0;
        int r = confine_privileges(e);

        for (size_t i = 0; i < ELEMENTSOF(kept); i++)
                mask |= UINT64_C(1) << kept[i];
        return r < 0 ? r : confine_capabilities(mask, e);
}

int main(int argc, char **argv) {
        Error e = {};
        int r = give_up(&e);

        if (r >= 0)
                r = run(argv + (argc > 0), &e);

        return aide_end(r, &e);
}
