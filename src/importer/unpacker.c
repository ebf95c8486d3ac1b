/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the chain of stages together and runs it in a confined child, see unpacker.h. */
#include "importer/unpacker.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/confine.h"
#include "importer/estimate.h"
#include "importer/filter.h"
#include "importer/relay.h"
#include "importer/sink-tar.h"
#include "importer/source.h"

typedef struct UnpackState {
        HelperState helper;
        SinkProgress sink;
        Digest digest;
} UnpackState;

/* From the back to the front: each stage is given the one that follows it. */
static int build_chain(const UnpackJob *job, int root_fd, UnpackState *state, Stage **ret,
                       Error *e) {
        _cleanup_(stage_freep) Stage *chain = NULL;
        int r;

        r = sink_tar_new(root_fd, job->class, job->place, &state->sink, &chain, e);
        if (r >= 0)
                r = filter_detect_limited_new(job->max_ratio, TAKE_PTR(chain), &chain, e);
        /* Reading and digesting on one side, unpacking on the other. */
        if (r >= 0)
                r = relay_new(TAKE_PTR(chain), &chain, e);
        if (r >= 0 && (job->digest || job->ret_digest))
                r = verify_new(job->digest, &state->digest, TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                *ret = TAKE_PTR(chain);
        return r;
}

static int unpack(void *context, HelperState *helper, Error *e) {
        const UnpackJob *job = context;
        UnpackState *state = (UnpackState *) helper;
        _cleanup_(stage_freep) Stage *chain = NULL;
        _cleanup_fd_ int root_fd = -EBADF;
        int r;

        /* Names in archives are bytes: libarchive, left to know of a language, would make others of them that look
         * alike. */
        (void) setlocale(LC_CTYPE, "C");
        (void) umask(0);

        r = confine_memory(estimate_memory(job->source_fd), e);
        if (r >= 0)
                r = confine_unpacker(job->target_fd, &root_fd, e);
        /* A way around the read-only mounts, were it left open. */
        (void) close(job->target_fd);
        if (r >= 0)
                r = confine_filter(e);
        if (r >= 0)
                r = room_check(job->room, estimate_archive(job->source_fd), e);
        if (r >= 0)
                r = build_chain(job, root_fd, state, &chain, e);
        if (r >= 0)
                r = source_run(job->source_fd, chain, &helper->done, e);
        if (r < 0 || !job->sync)
                return r;
        atomic_store(&helper->phase, PHASE_SYNC);
        return confine_sync(root_fd, job->place, e);
}

int unpacker_run(const UnpackJob *job, int cancel_fd, Output *o, TreeSkipped *ret_skipped,
                 Error *e) {
        const int keep[] = { job->source_fd, job->target_fd };
        const Helper helper = {
                .name = "the unpacker",
                .run = unpack,
                .context = (void *) job,
                .keep = keep,
                .n_keep = ELEMENTSOF(keep),
        };
        UnpackState *state = helper_state_new(sizeof *state);

        if (!state)
                return error_oom(e);
        atomic_store(&state->helper.done, 0);
        atomic_store(&state->helper.total, job->size);
        atomic_store(&state->helper.phase, PHASE_UNPACK);
        int r = helper_run(&helper, &state->helper, cancel_fd, o, e);
        if (r == 0)
                *ret_skipped = state->sink.skipped;
        if (r == 0 && job->ret_digest) {
                *job->ret_digest = state->digest;
                if ((unsigned) job->ret_digest->type >= _DIGEST_TYPE_MAX)
                        r = error_set(e, EBADMSG, "the unpacker tells nonsense");
        }
        helper_state_free(state, sizeof *state);
        return r;
}
