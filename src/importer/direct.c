/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes disks in place, see direct.h. How is the sink's to say. */
#include "importer/direct.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/confine.h"
#include "importer/estimate.h"
#include "importer/filter.h"
#include "importer/helper.h"
#include "importer/relay.h"
#include "importer/sink-direct.h"
#include "importer/source.h"
#include "importer/verify.h"

typedef struct Work {
        const DirectTarget *target;
        const ImportOptions *options;
        int source_fd;
        const Digest *digest;
} Work;

int direct_check(const ImportOptions *o, Error *e) {
        if (!o->direct && (o->offset > 0 || o->size_max != UINT64_MAX))
                return error_set(e, EINVAL, "--%s= needs --direct: an image has one place and size",
                                 o->offset > 0 ? "offset" : "size-max");
        if (!o->direct)
                return 0;
        const struct {
                bool is_set;
                const char *what;
        } rows[] = {
                { o->force, "force" },
                { o->read_only, "read-only" },
                { o->keep_download, "keep-download" },
        };
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (rows[i].is_set)
                        return error_set(e, EINVAL, "--%s means nothing with --direct",
                                         rows[i].what);
        if (o->size_max == 0)
                return error_set(e, EINVAL, "--size-max=0 leaves no room for anything");
        return 0;
}

static int measure(DirectTarget *t, const ImportOptions *o, Error *e) {
        uint64_t size = UINT64_MAX;
        struct stat st;

        if (fstat(t->fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", t->path);
        if (S_ISBLK(st.st_mode) && ioctl(t->fd, BLKGETSIZE64, &size) < 0)
                return error_set(e, errno, "cannot tell the size of '%s': %m", t->path);
        if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
                return error_set(e, EINVAL, "'%s' is neither a block device nor a file", t->path);
        if (o->offset >= MIN(size, (uint64_t) INT64_MAX / 2))
                return error_set(e, ERANGE, "'%s' ends before byte %llu", t->path,
                                 (unsigned long long) o->offset);
        t->is_file = S_ISREG(st.st_mode);
        t->limit = MIN(t->is_file ? UINT64_MAX : size - o->offset, o->size_max);
        return 0;
}

int direct_open(const char *path, const ImportOptions *o, DirectTarget *ret, Error *e) {
        _cleanup_(direct_done) DirectTarget t = { .path = path };
        struct stat st;

        /* Without that flag whoever has a device mounted would have it changed below. */
        bool is_device = stat(path, &st) >= 0 && S_ISBLK(st.st_mode);
        t.fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (is_device ? O_EXCL : 0));
        if (t.fd < 0)
                return error_set(e, errno, "cannot open '%s' to write a disk to it: %m", path);
        int r = measure(&t, o, e);
        if (r < 0)
                return r;
        if (flock(t.fd, LOCK_EX | LOCK_NB) < 0)
                return error_set(e, errno == EWOULDBLOCK ? EBUSY : errno,
                                 "something else is using '%s'", path);
        *ret = t;
        t.fd = -EBADF;
        return 0;
}

void direct_done(DirectTarget *t) {
        t->fd = fd_close(t->fd);
}

/* From the back to the front. The end of what comes passes the digest before it gets to the sink. */
static int build_chain(const Work *w, bool is_fresh, Stage **ret, Error *e) {
        const SinkDirect direct = {
                .fd = w->target->fd,
                .offset = w->options->offset,
                .limit = w->target->limit,
                .is_fresh = is_fresh,
                .sync = w->options->sync,
                .place = w->target->path,
        };
        _cleanup_(stage_freep) Stage *chain = NULL;
        int r = sink_direct_new(&direct, &chain, e);

        if (r >= 0)
                r = relay_new(TAKE_PTR(chain), &chain, e);
        /* A limit that is said is limit enough; most of a disk may be zeroes. */
        if (r >= 0)
                r = filter_detect_limited_new(w->target->limit == UINT64_MAX ? w->options->max_ratio
                                                                             : 0,
                                              TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                r = relay_new(TAKE_PTR(chain), &chain, e);
        if (r >= 0 && w->digest)
                r = verify_new(w->digest, NULL, TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                *ret = TAKE_PTR(chain);
        return r;
}

/* In the child. A file is as long as the disk, unless it is told where that is to be in it. */
static int write_disk(void *context, HelperState *helper, Error *e) {
        const Work *w = context;
        _cleanup_(stage_freep) Stage *chain = NULL;
        bool is_fresh = w->target->is_file && w->options->offset == 0 &&
                        w->options->size_max == UINT64_MAX;
        int r = confine_memory(estimate_memory(w->source_fd), e);

        if (r >= 0)
                r = confine_converter(e);
        if (r >= 0)
                r = confine_filter(e);
        if (r >= 0)
                r = build_chain(w, is_fresh, &chain, e);
        if (r >= 0)
                r = source_run(w->source_fd, chain, &helper->done, e);
        if (r < 0 || !w->options->sync)
                return r;
        atomic_store(&helper->phase, PHASE_SYNC);
        return fsync(w->target->fd) < 0
                       ? error_set(e, errno, "cannot write '%s' to the disk: %m", w->target->path)
                       : 0;
}

int direct_write(const DirectTarget *t, const ImportOptions *o, int source_fd, uint64_t size,
                 const Digest *digest, int cancel_fd, Output *output, Error *e) {
        const int keep[] = { source_fd, t->fd };
        Work w = { .target = t, .options = o, .source_fd = source_fd, .digest = digest };
        const Helper helper = {
                .name = "the converter",
                .run = write_disk,
                .context = &w,
                .keep = keep,
                .n_keep = ELEMENTSOF(keep),
        };
        HelperState *state = helper_state_new(sizeof *state);

        if (!state)
                return error_oom(e);
        atomic_store(&state->done, 0);
        atomic_store(&state->total, size);
        atomic_store(&state->phase, PHASE_CONVERT);
        int r = helper_run(&helper, state, cancel_fd, output, e);
        helper_state_free(state, sizeof *state);
        return r;
}
