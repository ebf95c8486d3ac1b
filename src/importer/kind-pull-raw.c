/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-import pull-raw: a disk on a server becomes one in the pool. */
#include <unistd.h>

#include "base/fd.h"
#include "importer/converter.h"
#include "importer/direct.h"
#include "importer/pull.h"

static int fill(const ImportJob *job, Staging *staging, int cancel_fd, Output *o, Error *e) {
        Pull *p = job->context;
        ConvertJob convert = {
                .target_fd = staging->fd,
                .dir_fd = staging->pool_fd,
                .place = job->root,
                .room = &staging->room,
                .sync = p->context->options->sync,
                .digest = pull_digest(p),
                .ret_digest = &p->found,
                .max_ratio = p->context->options->max_ratio,
        };
        _cleanup_fd_ int fd = -EBADF;
        int r = pull_open(p, staging->pool_fd, &fd, &convert.size, e);

        if (r != 0)
                return r;
        convert.source_fd = fd;
        r = converter_run(&convert, cancel_fd, o, e);
        return pull_close(p, fd, r, e);
}

int kind_pull_raw(char *const *args, void *context, Error *e) {
        const KindContext *c = context;
        int r = direct_check(c->options, e);

        if (r < 0)
                return r;
        if (c->options->direct && !args[1])
                return error_set(e, EINVAL, "--direct needs the path of what to write to");
        return c->options->direct ? pull_direct(c, args[0], args[1], e)
                                  : pull_run(context, "raw", args[0], args[1], fill, e);
}
