/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures of root hashes, by certificates that the administrator has put in /etc/verity.d and its
 * likes. The PKCS#7 is a stranger's: it is read by a child without rights, without files, and with little
 * time. */
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/x509.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/path.h"
#include "crypt/crypt.h"

#define CERTIFICATE_MAX (64 * 1024)
#define CHILD_SECONDS   10

static const char *const directories[] = { "/etc/verity.d", "/run/verity.d",
                                           "/usr/local/lib/verity.d", "/usr/lib/verity.d" };

static int read_certificate(const char *path, STACK_OF(X509) * list) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r = file_read(AT_FDCWD, path, CERTIFICATE_MAX, &text, &n);
        BIO *bio = r < 0 ? NULL : BIO_new_mem_buf(text, (int) n);
        X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

        BIO_free(bio);
        if (!x)
                return r < 0 ? r : -EINVAL;
        if (sk_X509_push(list, x) > 0)
                return 0;
        X509_free(x);
        return -ENOMEM;
}

/* A file by the name of one that came before is masked by that one, even if it is empty. */
static int read_directory(const char *where, char ***seen, STACK_OF(X509) * list, Error *e) {
        _cleanup_dir_ DIR *d = opendir(where);

        for (struct dirent *entry; d && (entry = readdir(d));) {
                _cleanup_free_ char *path = NULL;

                if (entry->d_name[0] == '.' || !str_has_suffix(entry->d_name, ".crt") ||
                    strv_contains(*seen, entry->d_name))
                        continue;
                path = path_join(where, entry->d_name);
                if (!path || strv_append(seen, entry->d_name) < 0)
                        return error_oom(e);
                /* One that cannot be read is one less to trust. */
                if (read_certificate(path, list) == -ENOMEM)
                        return error_oom(e);
        }
        return 0;
}

static const ConfineCall calls[] = {
        { SYS_getpid, 0 }, { SYS_gettid, 0 }, { SYS_futex, 0 }, { SYS_clock_gettime, 0 },
#ifdef SYS_time
        { SYS_time, 0 },
#endif
};

/* In the child, before it reads what is foreign. */
static bool give_up_everything(void) {
        const struct rlimit time = { CHILD_SECONDS, CHILD_SECONDS };

        return close_range(0, ~0U, 0) >= 0 && setrlimit(RLIMIT_CPU, &time) >= 0 &&
               confine_privileges(NULL) >= 0 && confine_paths(-EBADF, NULL) >= 0 &&
               confine_capabilities(0, NULL) >= 0 &&
               confine_calls(calls, ELEMENTSOF(calls), NULL) >= 0;
}

static bool is_signed(STACK_OF(X509) * list, const char *hash, const char *signature, size_t n) {
        const unsigned char *p = (const unsigned char *) signature;
        PKCS7 *pkcs7 = d2i_PKCS7(NULL, &p, (long) n);
        BIO *data = BIO_new_mem_buf(hash, -1);

        /* NOINTERN: certificates that the signature brings along are nobody's; NOVERIFY: ours need no
         * chain to be trusted. */
        return pkcs7 && data &&
               PKCS7_verify(pkcs7, list, NULL, data, NULL, PKCS7_NOINTERN | PKCS7_NOVERIFY) == 1;
}

int signature_is_trusted(const char *hash, const char *signature, size_t n, Error *e) {
        STACK_OF(X509) *list = sk_X509_new_null();
        _cleanup_strv_ char **seen = NULL;
        int r = list ? 0 : error_oom(e), status = -1;

        for (size_t i = 0; i < ELEMENTSOF(directories) && r >= 0; i++)
                r = read_directory(directories[i], &seen, list, e);
        if (r >= 0 && sk_X509_num(list) > 0) {
                pid_t pid = fork();
                if (pid == 0)
                        _exit(give_up_everything() && is_signed(list, hash, signature, n) ? 0 : 1);
                while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
                        ;
                if (pid < 0)
                        r = error_set(e, errno, "cannot fork: %m");
        }
        sk_X509_pop_free(list, X509_free);
        return r < 0 ? r : status == 0;
}
