/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests for transfers, see transfer-request.h. Asks nobody and starts nothing. */
#include "importer/transfer-request.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/image.h"
#include "importer/digest.h"
#include "importer/url.h"

static const char *const formats[] = { "uncompressed", "xz", "gzip", "bzip2", "zstd", "lz4" };

static bool is_empty(const char *s) {
        return !s || !*s;
}

void transfer_request_done(TransferRequest *r) {
        free(r->local);
        free(r->remote);
        free(r->verify);
        free(r->format);
        free(r->checksum_name);
        free(r->root);
        *r = (TransferRequest){};
}

int transfer_request_copy(const TransferRequest *r, TransferRequest *ret) {
        TransferRequest copy = *r;

        copy.local = copy.remote = copy.verify = copy.format = copy.checksum_name = copy.root =
                NULL;

        if (str_replace(&copy.local, strempty(r->local)) < 0 ||
            str_replace(&copy.remote, strempty(r->remote)) < 0 ||
            str_replace(&copy.verify, strempty(r->verify)) < 0 ||
            str_replace(&copy.format, strempty(r->format)) < 0 ||
            str_replace(&copy.checksum_name, strempty(r->checksum_name)) < 0 ||
            str_replace(&copy.root, strempty(r->root)) < 0) {
                transfer_request_done(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

static bool is_one_of(const char *s, const char *const *words, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (streq(words[i], s))
                        return true;
        return false;
}

static bool is_digest(const char *s) {
        Digest d;

        return digest_parse(s, &d) >= 0;
}

/* Lists of digests lie beside what is pulled alone. */
static int check_verify(const TransferRequest *r, Error *e) {
        const char *verify = strempty(r->verify);
        bool is_list = streq(verify, "checksum") || streq(verify, "signature");
        TransferWay way = transfer_kind_way(r->kind);

        if (!verify[0] && way != TRANSFER_WAY_PULL)
                return 0;
        if (way == TRANSFER_WAY_EXPORT || r->kind == TRANSFER_IMPORT_FS ||
            (is_list && way != TRANSFER_WAY_PULL))
                return error_set(e, EINVAL, "verifying by '%.140s' means nothing to %s", verify,
                                 transfer_kind_name(r->kind));
        if (!is_list && !streq(verify, "no") && !is_digest(verify))
                return error_set(e, EINVAL, "'%.140s' is not a way to verify", verify);
        return 0;
}

static int check_export(const TransferRequest *r, Error *e) {
        bool exports = transfer_kind_way(r->kind) == TRANSFER_WAY_EXPORT;
        const char *name = strempty(r->checksum_name);

        if (!exports && (r->said || name[0]))
                return error_set(e, EINVAL, "how to pack means nothing to %s",
                                 transfer_kind_name(r->kind));
        if (r->said & TRANSFER_SAID_CLAMP &&
            (r->kind != TRANSFER_EXPORT_TAR || r->clamp_mtime >= INT64_MAX))
                return error_set(e, EINVAL, "a time to clamp to means nothing to %s",
                                 transfer_kind_name(r->kind));
        if (exports && !is_empty(r->format) && !is_one_of(r->format, formats, ELEMENTSOF(formats)))
                return error_set(e, EINVAL, "'%.64s' is not a format to export to", r->format);
        if (!!(r->said & TRANSFER_SAID_CHECKSUM) != !!name[0])
                return error_set(e, EINVAL, "a checksum needs a descriptor and the name of a file");
        if (strlen(name) > NAME_MAX || strpbrk(name, "/\n\\"))
                return error_set(e, EINVAL, "'%.100s' is no name for a file", name);
        return 0;
}

int transfer_request_check(const TransferRequest *r, Error *e) {
        TransferWay way = transfer_kind_way(r->kind);
        const char *local = strempty(r->local);

        if (r->flags & ~transfer_kind_flags(r->kind))
                return error_set(e, EINVAL, "flags 0x%x mean nothing to %s",
                                 (unsigned) (r->flags & ~transfer_kind_flags(r->kind)),
                                 transfer_kind_name(r->kind));
        if (!is_empty(r->root) && !path_is_absolute_clean(r->root))
                return error_set(e, EINVAL, "'%.100s' is not a plain absolute path", r->root);
        int k = way == TRANSFER_WAY_PULL ? url_check(strempty(r->remote), e) : 0;
        if (k >= 0)
                k = check_verify(r, e);
        if (k >= 0)
                k = check_export(r, e);
        if (k < 0)
                return k;
        if (way == TRANSFER_WAY_PULL && !local[0])
                return 0;
        if (!image_name_is_valid(local) || streq(local, IMAGE_HOST_NAME))
                return error_set(e, EINVAL, "'%.100s' is not a name for an image", local);
        return 0;
}

static int check_mode(const TransferRequest *r, mode_t mode, Error *e) {
        if (r->kind == TRANSFER_IMPORT_FS)
                return S_ISDIR(mode) ? 0 : error_set(e, ENOTDIR, "the descriptor is no directory");
        if (S_ISDIR(mode))
                return error_set(e, EINVAL, "the descriptor is a directory");
        if (!S_ISREG(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode))
                return error_set(e, EINVAL,
                                 "the descriptor is neither a file nor a pipe nor a socket");
        return 0;
}

static int check_fd(const TransferRequest *r, int fd, bool writes, Error *e) {
        struct stat st;

        if (fd < 0)
                return error_set(e, EINVAL, "no descriptor came with the call, to %s",
                                 writes ? "write to" : "read from");
        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at the descriptor: %m");
        int k = check_mode(r, st.st_mode, e);
        if (k < 0)
                return k;
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == (writes ? O_RDONLY : O_WRONLY))
                return error_set(e, EINVAL, "the descriptor is not open for %s",
                                 writes ? "writing" : "reading");
        return 0;
}

int transfer_request_check_fd(const TransferRequest *r, int fd, Error *e) {
        bool writes = transfer_kind_way(r->kind) == TRANSFER_WAY_EXPORT;
        int k = check_fd(r, fd, writes, e);

        return k < 0 || !(r->said & TRANSFER_SAID_CHECKSUM) ? k
                                                            : check_fd(r, r->checksum_fd, true, e);
}

char *transfer_request_shown_remote(const TransferRequest *r) {
        return is_empty(r->remote) ? strdup("") : url_redacted(r->remote);
}

void transfer_request_details(const TransferRequest *r, const char *shown_remote,
                              const char *ret[static TRANSFER_DETAILS_MAX]) {
        const char *const pairs[][2] = {
                { "remote", shown_remote },
                { "local", r->local },
                { "class", image_class_name(r->class) },
                { "type", transfer_kind_name(r->kind) },
                { "verify", transfer_kind_way(r->kind) == TRANSFER_WAY_PULL ? r->verify : NULL },
        };
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                if (is_empty(pairs[i][1]))
                        continue;
                ret[n++] = pairs[i][0];
                ret[n++] = pairs[i][1];
        }
        ret[n] = NULL;
}

static int append_pull(const TransferRequest *r, char ***argv) {
        bool keeps = r->flags & TRANSFER_KEEP_DOWNLOAD || is_empty(r->local);
        int k = strv_append_format(argv, "--verify=%s", r->verify);

        if (k >= 0)
                k = strv_append_format(argv, "--keep-download=%s", keeps ? "yes" : "no");
        if (k >= 0)
                k = strv_append(argv, "--");
        /* All can read a command line, and an address may have a password in it. */
        if (k >= 0)
                k = strv_append(argv, "-");
        return k < 0 ? k : strv_append(argv, is_empty(r->local) ? "-" : r->local);
}

static int append_export(const TransferRequest *r, char ***argv) {
        int k = is_empty(r->format) ? 0 : strv_append_format(argv, "--format=%s", r->format);

        if (k >= 0 && r->said & TRANSFER_SAID_LEVEL)
                k = strv_append_format(argv, "--level=%u", r->level);
        if (k >= 0 && r->said & TRANSFER_SAID_THREADS)
                k = strv_append_format(argv, "--threads=%u", r->threads);
        if (k >= 0 && r->said & TRANSFER_SAID_CLAMP)
                k = strv_append_format(argv, "--clamp-mtime=%llu",
                                       (unsigned long long) r->clamp_mtime);
        if (k >= 0 && r->said & TRANSFER_SAID_CHECKSUM)
                k = strv_append_format(argv, "--checksum-name=%s", r->checksum_name);
        if (k >= 0 && r->said & TRANSFER_SAID_CHECKSUM)
                k = strv_append_format(argv, "--checksum-fd=%d", WORKER_CHECKSUM_FD);
        if (k >= 0)
                k = strv_append(argv, "--");
        if (k >= 0)
                k = strv_append(argv, r->local);
        return k < 0 ? k : strv_append(argv, "-");
}

static int append_import(const TransferRequest *r, char ***argv) {
        int k = is_empty(r->verify) ? 0 : strv_append_format(argv, "--verify=%s", r->verify);

        if (k >= 0)
                k = strv_append(argv, "--");
        if (k >= 0)
                k = strv_append(argv, "-");
        return k < 0 ? k : strv_append(argv, r->local);
}

int transfer_request_argv(const TransferRequest *r, char ***ret) {
        static int (*const append[_TRANSFER_WAY_MAX])(const TransferRequest *, char ***) = {
                [TRANSFER_WAY_IMPORT] = append_import,
                [TRANSFER_WAY_EXPORT] = append_export,
                [TRANSFER_WAY_PULL] = append_pull,
        };
        _cleanup_strv_ char **argv = NULL;
        int k = strv_append(&argv, transfer_kind_name(r->kind));

        if (k >= 0)
                k = strv_append_format(&argv, "--class=%s", image_class_name(r->class));
        if (k >= 0 && !is_empty(r->root))
                k = strv_append_format(&argv, "--image-root=%s", r->root);
        if (k >= 0 && r->flags & TRANSFER_FORCE)
                k = strv_append(&argv, "--force");
        if (k >= 0 && r->flags & TRANSFER_READ_ONLY)
                k = strv_append(&argv, "--read-only");
        if (k >= 0)
                k = append[transfer_kind_way(r->kind)](r, &argv);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(argv);
        return 0;
}
