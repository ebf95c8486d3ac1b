/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import import-raw: a disk, raw or qcow2, becomes one in the pool. The converter reads it. */
#include <unistd.h>

#include "base/fd.h"
#include "importer/converter.h"
#include "importer/direct.h"
#include "importer/kind.h"

static int fill(const ImportJob *job, Staging *staging, int cancel_fd, Output *o, Error *e) {
        ConvertJob *convert = job->context;

        convert->target_fd = staging->fd;
        convert->room = &staging->room;
        convert->dir_fd = staging->pool_fd;
        return converter_run(convert, cancel_fd, o, e);
}

static int import_direct(const KindContext *c, const char *source, const char *path, Error *e) {
        _cleanup_(direct_done) DirectTarget target = { .fd = -EBADF };
        _cleanup_fd_ int cancel_fd = cancel_open(e);
        Digest digest;
        int r = cancel_fd, has_digest;

        if (!path)
                return error_set(e, EINVAL, "--direct needs the path of what to write to");
        if (r >= 0)
                r = has_digest = kind_choose_digest(c->options, &digest, e);
        if (r < 0)
                return r;
        _cleanup_fd_ int fd = kind_open_source(source, e);
        r = fd < 0 ? fd : direct_open(path, c->options, &target, e);
        if (r < 0)
                return r;
        if (!c->options->quiet && c->output->fd < 0 && output_title(c->output, path) < 0)
                return error_oom(e);
        r = direct_write(&target, c->options, fd, kind_source_size(fd),
                         has_digest > 0 ? &digest : NULL, cancel_fd, c->output, e);
        return r < 0 ? error_wrap(e, r, "%s", streq(source, "-") ? "disk" : source) : r;
}

int kind_import_raw(char *const *args, void *context, Error *e) {
        const KindContext *c = context;
        _cleanup_free_ char *name = NULL, *root = NULL;
        _cleanup_(sidecars_done) Sidecars sidecars = SIDECARS_NULL;
        Digest digest;
        ConvertJob convert = {};
        ImportJob job;
        bool is_pool;
        int r;

        r = direct_check(c->options, e);
        if (r < 0 || c->options->direct)
                return r < 0 ? r : import_direct(c, args[0], args[1], e);
        r = kind_choose_digest(c->options, &digest, e);
        if (r > 0)
                convert.digest = &digest;
        if (r >= 0)
                r = kind_choose_name(args[0], args[1], &name, e);
        if (r >= 0)
                r = kind_choose_root(c->options, &root, &is_pool, e);
        if (r < 0)
                return r;

        _cleanup_fd_ int fd = kind_open_source(args[0], e);
        if (fd < 0)
                return fd;
        if (!streq(args[0], "-"))
                r = sidecars_open(&sidecars, c->options, args[0], true, e);
        if (r < 0)
                return error_wrap(e, r, "%s", args[0]);
        r = kind_start(c, streq(args[0], "-") ? "disk" : args[0], name, root, is_pool, &job, e);
        if (r < 0)
                return r;

        convert.source_fd = fd;
        convert.size = kind_source_size(fd);
        convert.place = root;
        convert.max_ratio = c->options->max_ratio;
        convert.sync = c->options->sync;
        job.staging.is_disk = true;
        job.sidecars = &sidecars;
        job.fill = fill;
        job.context = &convert;
        return import_run(&job, c->output, e);
}
