/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Puts the chain of stages together and runs it in a confined child, see unpacker.h. */
#include "importer/unpacker.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/proc.h"
#include "importer/confine.h"
#include "importer/filter.h"
#include "importer/relay.h"
#include "importer/source.h"

/* From the back to the front: each stage is given the one that follows it. */
static int build_chain(const UnpackJob *job, int root_fd, UnpackState *state, Stage **ret,
                       Error *e) {
        _cleanup_(stage_freep) Stage *chain = NULL;
        int r;

        r = sink_tar_new(root_fd, job->place, &state->sink, &chain, e);
        if (r >= 0)
                r = filter_detect_new(TAKE_PTR(chain), &chain, e);
        /* Reading and digesting on one side, unpacking on the other. */
        if (r >= 0)
                r = relay_new(TAKE_PTR(chain), &chain, e);
        if (r >= 0 && job->sha256)
                r = verify_new(job->sha256, TAKE_PTR(chain), &chain, e);
        if (r >= 0)
                *ret = TAKE_PTR(chain);
        return r;
}

static int sync_all(int root_fd, const char *place, Error *e) {
        _cleanup_fd_ int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || syncfs(fd) < 0)
                return error_set(e, errno, "cannot write it all to the disk of %s: %m", place);
        return 0;
}

static int unpack(const UnpackJob *job, UnpackState *state, Error *e) {
        _cleanup_(stage_freep) Stage *chain = NULL;
        _cleanup_fd_ int root_fd = -EBADF;
        int r;

        /* Names in archives are UTF-8 or just bytes, whatever the caller's language is. */
        (void) setlocale(LC_CTYPE, "C.UTF-8");
        (void) umask(0);

        r = confine_unpacker(job->target_fd, &root_fd, e);
        /* A way around the read-only mounts, were it left open. */
        (void) close(job->target_fd);
        if (r >= 0)
                r = build_chain(job, root_fd, state, &chain, e);
        if (r >= 0)
                r = source_run(job->source_fd, chain, &state->read, e);
        return r < 0 || !job->sync ? r : sync_all(root_fd, job->place, e);
}

_noreturn_ static void run_child(const UnpackJob *job, UnpackState *state, pid_t parent) {
        const int keep[] = { job->source_fd, job->target_fd };
        int r;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        r = fd_close_range_except(keep, ELEMENTSOF(keep));
        if (r < 0)
                (void) error_set(&state->error, r, "cannot close descriptors: %m");
        else
                r = unpack(job, state, &state->error);
        _exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

int unpacker_start(const UnpackJob *job, UnpackState **ret_state, int *ret_pidfd, Error *e) {
        struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
        pid_t parent = getpid();
        int pidfd = -EBADF;
        UnpackState *state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (state == MAP_FAILED)
                return error_oom(e);
        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid == 0)
                run_child(job, state, parent);
        if (pid < 0) {
                (void) munmap(state, sizeof *state);
                return error_set(e, (int) pid, "cannot start the unpacker: %m");
        }

        *ret_state = state;
        *ret_pidfd = pidfd;
        return 0;
}

int unpacker_result(const UnpackState *state, int pidfd, Error *e) {
        siginfo_t info;
        int r = proc_wait(pidfd, &info);

        if (r < 0)
                return error_set(e, r, "cannot wait for the unpacker: %m");
        if (info.si_code == CLD_EXITED && info.si_status == 0)
                return 0;
        if (info.si_code != CLD_EXITED)
                return error_set(e, EIO, "the unpacker was killed by %s",
                                 signal_name(info.si_status));

        /* What a process that read foreign bytes has to say is shown, not trusted. */
        Error told = state->error;
        told.text[sizeof told.text - 1] = '\0';
        _cleanup_free_ char *text = str_escape(told.text, "");
        return error_set(e, told.code < 0 && told.code > -8192 ? told.code : -EIO, "%s",
                         text && text[0] ? text : "the unpacker failed");
}
