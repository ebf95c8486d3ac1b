/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import pull-tar: an archive on a server becomes a tree in the pool. */
#include <unistd.h>

#include "base/fd.h"
#include "importer/pull.h"
#include "importer/unpacker.h"

static int fill(const ImportJob *job, Staging *staging, int cancel_fd, Output *o, Error *e) {
        Pull *p = job->context;
        UnpackJob unpack = {
                .target_fd = staging->fd,
                .place = job->root,
                .room = &staging->room,
                .class = (ImageClass) p->context->options->class,
                .sync = p->context->options->sync,
                .digest = pull_digest(p),
                .ret_digest = &p->found,
                .max_ratio = p->context->options->max_ratio,
        };
        _cleanup_fd_ int fd = -EBADF;
        TreeSkipped skipped;
        int r = pull_open(p, staging->pool_fd, &fd, &unpack.size, e);

        if (r != 0)
                return r;
        unpack.source_fd = fd;
        r = unpacker_run(&unpack, cancel_fd, o, &skipped, e);
        r = pull_close(p, fd, r, e);
        if (r == 0)
                kind_note_skipped(&skipped, o);
        return r;
}

int kind_pull_tar(char *const *args, void *context, Error *e) {
        return pull_run(context, "tar", args[0], args[1], fill, e);
}
