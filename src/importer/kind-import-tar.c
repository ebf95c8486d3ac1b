/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import import-tar: an archive becomes a tree in the pool. The unpacker reads it. */
#include <unistd.h>

#include "base/fd.h"
#include "importer/kind.h"
#include "importer/unpacker.h"

static int fill(const ImportJob *job, Staging *staging, int cancel_fd, Output *o, Error *e) {
        UnpackJob *unpack = job->context;
        TreeSkipped skipped;

        unpack->target_fd = staging->fd;
        unpack->room = &staging->room;
        int r = unpacker_run(unpack, cancel_fd, o, &skipped, e);
        if (r == 0)
                kind_note_skipped(&skipped, o);
        return r;
}

int kind_import_tar(char *const *args, void *context, Error *e) {
        const KindContext *c = context;
        _cleanup_free_ char *name = NULL, *root = NULL;
        _cleanup_(sidecars_done) Sidecars sidecars = SIDECARS_NULL;
        Digest digest;
        UnpackJob unpack = {};
        ImportJob job;
        bool is_pool;
        int r;

        r = kind_choose_digest(c->options, &digest, e);
        if (r > 0)
                unpack.digest = &digest;
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
                r = sidecars_open(&sidecars, c->options, args[0], false, e);
        if (r < 0)
                return error_wrap(e, r, "%s", args[0]);
        r = kind_start(c, streq(args[0], "-") ? "archive" : args[0], name, root, is_pool, &job, e);
        if (r < 0)
                return r;

        unpack.source_fd = fd;
        unpack.size = kind_source_size(fd);
        unpack.class = (ImageClass) c->options->class;
        unpack.place = root;
        unpack.max_ratio = c->options->max_ratio;
        unpack.sync = c->options->sync;
        job.unwrap = true;
        job.sidecars = &sidecars;
        job.fill = fill;
        job.context = &unpack;
        return import_run(&job, c->output, e);
}
