/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pulling a disk to where it is meant to be at once, see pull.h. What is downloaded waits beside the images all the same,
 * so that it can be gone on with. */
#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "image/partial.h"
#include "importer/direct.h"
#include "importer/pull.h"

#define ATTEMPTS_MAX 3

static int write_once(Pull *p, const DirectTarget *t, int dir_fd, Error *e) {
        _cleanup_fd_ int fd = -EBADF;
        uint64_t size;
        int r = pull_open(p, dir_fd, &fd, &size, e);

        if (r != 0)
                return r;
        r = direct_write(t, p->context->options, fd, size, pull_digest(p), p->cancel_fd,
                         p->context->output, e);
        return pull_close(p, fd, r, e);
}

static int write_all(Pull *p, const DirectTarget *t, int dir_fd, Error *e) {
        for (int attempt = 1;; attempt++) {
                Error why = {};
                int r = write_once(p, t, dir_fd, &why);

                if (r >= 0)
                        return r;
                if (!p->is_stale || attempt >= ATTEMPTS_MAX) {
                        *e = why;
                        return error_wrap(e, r, "%s", p->shown);
                }
                output_note(p->context->output, LOG_NOTICE, "%s; beginning again", why.text);
                r = pull_prepare(p, e);
                if (r != 0)
                        return r;
        }
}

int pull_direct(const KindContext *c, const char *url, const char *path, Error *e) {
        _cleanup_free_ char *root = NULL, *said = NULL;
        _cleanup_(direct_done) DirectTarget target = { .fd = -EBADF };
        /* What goes with an image has no place here. */
        ImportOptions options = *c->options;
        const KindContext context = { &options, c->output };
        bool is_pool;
        int r = streq(url, "-") ? pull_read_url(&said, e) : 0;

        options.settings = options.roothash = options.roothash_signature = options.verity = false;
        if (r < 0)
                return r;
        _cleanup_(pull_done) Pull p;
        r = pull_init(&p, &context, said ? said : url, e);
        p.kind = "raw";
        if (r >= 0)
                r = kind_choose_root(&options, &root, &is_pool, e);
        p.root = root;
        if (r >= 0)
                r = direct_open(path, &options, &target, e);
        if (r >= 0) {
                r = path_mkdirs(root, 0700);
                if (r < 0)
                        r = error_set(e, r, "cannot make the directory '%s': %m", root);
        }
        if (r >= 0)
                r = partials_sweep(root, PARTIAL_AGE_USEC, e);
        if (r < 0)
                return r;
        _cleanup_fd_ int dir_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return error_set(e, errno, "cannot open the directory '%s': %m", root);
        if (!options.quiet && c->output->fd < 0 && output_title(c->output, path) < 0)
                return error_oom(e);
        r = pull_prepare(&p, e);
        if (r == 0 && p.seal)
                return error_set(
                        e, EOPNOTSUPP,
                        "%s: a signature of the disk itself is checked when all of it came, "
                        "which is too late here: it needs a list of digests",
                        p.shown);
        return r != 0 ? r : write_all(&p, &target, dir_fd, e);
}
