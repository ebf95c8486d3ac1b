/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kinds of transfers have in common before they begin, see kind.h. */
#include "importer/kind.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "image/image.h"
#include "image/pool.h"
#include "importer/compress.h"
#include "importer/format.h"

int kind_open_source(const char *path, Error *e) {
        struct stat st;
        int fd = streq(path, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                                  : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", path);
        if (fstat(fd, &st) < 0 ||
            !(S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
                (void) close(fd);
                return error_set(e, EINVAL, "'%s' is neither a file nor a pipe", path);
        }
        return fd;
}

uint64_t kind_source_size(int fd) {
        struct stat st;
        off_t at;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return RECORD_UNKNOWN;
        at = lseek(fd, 0, SEEK_CUR);
        return at >= 0 && at <= st.st_size ? (uint64_t) (st.st_size - at) : RECORD_UNKNOWN;
}

int kind_choose_name(const char *source, const char *given, char **ret, Error *e) {
        const char *last = path_last(source);
        _cleanup_free_ char *name = NULL;

        if (!given && streq(source, "-"))
                return error_set(e, EINVAL, "an image from standard input needs a name");
        name = given ? strdup(given) : str_format("%.*s", (int) format_strip_suffix(last), last);
        if (!name)
                return error_oom(e);
        if (!image_name_is_valid(name) || streq(name, IMAGE_HOST_NAME))
                return error_set(e, EINVAL, "'%s' is not a name for an image", name);
        *ret = TAKE_PTR(name);
        return 0;
}

int kind_choose_digest(const ImportOptions *o, Digest *ret, Error *e) {
        if (!o->verify || streq(o->verify, "no"))
                return 0;
        if (digest_parse(o->verify, ret) < 0)
                return error_set(
                        e, EINVAL,
                        "--verify: '%.140s' is neither \"no\" nor a SHA-256 or SHA-512 digest, 64 "
                        "or 128 hexadecimal digits: nothing lies beside a file that is imported",
                        o->verify);
        return 1;
}

int kind_choose_root(const ImportOptions *o, char **ret, bool *ret_is_pool, Error *e) {
        _cleanup_free_ char *pool = NULL, *directory = NULL;
        int r = pool_path(&pool, e);

        if (r >= 0)
                r = image_class_directory((ImageClass) o->class, &directory, e);
        if (r < 0)
                return r;
        const char *root = o->image_root ? o->image_root : directory;
        *ret_is_pool = streq(root, pool);
        *ret = realpath(root, NULL);
        if (!*ret)
                *ret = strdup(root);
        return *ret ? 0 : error_oom(e);
}

int kind_start(const KindContext *c, const char *source, const char *name, const char *root,
               bool lock_name, ImportJob *ret, Error *e) {
        const ImportOptions *o = c->options;

        *ret = (ImportJob){
                .source_name = source,
                .root = root,
                .name = name,
                .lock_name = lock_name,
                .staging = { .force = o->force, .read_only = o->read_only, .sync = o->sync },
        };
        if (!o->quiet && c->output->fd < 0 && output_title(c->output, name) < 0)
                return error_oom(e);
        return 0;
}

void kind_note_skipped(const TreeSkipped *s, Output *o) {
        const struct {
                uint64_t n;
                const char *what;
        } rows[] = {
                { s->nodes, "device nodes were left out" },
                { s->owners, "files and directories could not be given to their owners" },
                { s->modes, "files lost their setuid or setgid bit" },
                { s->xattrs, "extended attributes were left out" },
                { s->acls,
                  "ACL entries were left out: the archive has names for them, but no numbers" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].n > 0)
                        output_note(o, LOG_NOTICE, "%llu %s", (unsigned long long) rows[i].n,
                                    rows[i].what);
}

/* In one directory, in each of the forms that an image may have there. */
static int find_in(const char *directory, const char *name, Image **ret, Error *e) {
        const char *form;

        for (unsigned rank = 0; (form = image_form(rank)); rank++) {
                _cleanup_free_ char *entry = str_format("%s%s", name, form);
                Error unused = {};

                if (!entry)
                        return error_oom(e);
                int r = image_probe(directory, entry, ret, &unused);
                if (r > 0)
                        return 0;
                if (r < 0 && e)
                        *e = unused;
                if (r < 0)
                        return r;
        }
        return error_set(e, ENOENT, "there is no image '%s' in '%s'", name, directory);
}

int kind_find_image(const ImportOptions *o, const char *name, Image **ret, Error *e) {
        _cleanup_free_ char *root = NULL;
        bool is_pool;

        if (!image_name_is_valid(name) || streq(name, IMAGE_HOST_NAME))
                return error_set(e, EINVAL, "'%s' is not the name of an image", name);
        int r = kind_choose_root(o, &root, &is_pool, e);
        if (r < 0)
                return r;
        return is_pool ? pool_get(name, ret, e) : find_in(root, name, ret, e);
}

int kind_lock_exported(const Image *image, Output *o, ImageLock **ret, Error *e) {
        int r = image_lock(image->path, false, ret, e);

        if (r == IMAGE_LOCK_BUSY && image->type != IMAGE_SUBVOLUME)
                output_note(o, LOG_NOTICE,
                            "image '%s' is in use: what is written to it meanwhile may be in the "
                            "archive or not",
                            image->name);
        return MIN(r, 0);
}

int kind_choose_packing(const ImportOptions *o, const char *target, Packing *ret, Error *e) {
        ret->format = o->format >= 0 ? (Format) o->format : format_from_suffix(target);
        ret->level = o->level == UINT_MAX ? COMPRESS_LEVEL_DEFAULT : (int) MIN(o->level, 1000u);
        ret->threads = o->threads;
        ret->seal = (ExportSeal){ .checksum = o->checksum || o->sign || o->checksum_fd > 0,
                                  .sign = o->sign,
                                  .checksum_fd = o->checksum_fd > 0 ? (int) o->checksum_fd : -EBADF,
                                  .name = strempty(o->checksum_name) };
        if (ret->seal.checksum && streq(target, "-") && (o->sign || o->checksum_fd == 0))
                return error_set(e, EINVAL, "--%s needs a file that it can be put beside",
                                 o->sign ? "sign" : "checksum");
        if (strpbrk(ret->seal.name, "/\n\\"))
                return error_set(e, EINVAL, "'%.100s' is no name for a file", ret->seal.name);
        return compress_check(ret->format, ret->level, e);
}
