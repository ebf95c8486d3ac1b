/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's side of an import, see transfer-run.h. It holds what the unpacker must not have (the
 * pool, the locks, root's rights) and never reads a byte of the archive itself. */
#include "importer/transfer-run.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <syslog.h>
#include <unistd.h>

#include "base/path.h"
#include "base/proc.h"
#include "image/lock.h"
#include "image/temporary.h"
#include "importer/unpacker.h"
#include "importer/unwrap.h"

#define PROGRESS_EVERY_USEC 100000

/* Bytes that are to come, where that can be known. */
static uint64_t source_size(int fd) {
        struct stat st;
        off_t at;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return UINT64_MAX;
        at = lseek(fd, 0, SEEK_CUR);
        return at >= 0 && at <= st.st_size ? (uint64_t) (st.st_size - at) : UINT64_MAX;
}

/* Trees are not much smaller than their archives. */
static int check_room(const ImportJob *job, int pool_fd, Error *e) {
        uint64_t size = source_size(job->source_fd);
        struct statvfs v;

        if (size == UINT64_MAX || fstatvfs(pool_fd, &v) < 0)
                return 0;
        uint64_t room = (uint64_t) v.f_bavail * v.f_frsize;
        if (size / 2 > room)
                return error_set(
                        e, ENOSPC,
                        "%s: its %llu bytes do not fit: %llu are free on the file system of %s",
                        job->source_name, (unsigned long long) size, (unsigned long long) room,
                        job->root);
        return 0;
}

static int cancel_fd_open(Error *e) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        (void) sigaddset(&set, SIGINT);
        (void) sigaddset(&set, SIGHUP);
        int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? error_set(e, errno, "cannot receive signals: %m") : fd;
}

/* Return: the number of a signal that came, or 0. */
static int canceled(int cancel_fd) {
        struct signalfd_siginfo info;

        return read(cancel_fd, &info, sizeof info) == sizeof info ? (int) info.ssi_signo : 0;
}

static void report_progress(const UnpackState *state, uint64_t size,
                            const ImportReporter *reporter) {
        uint64_t n = atomic_load_explicit(&state->read, memory_order_relaxed);

        reporter->progress(reporter->context,
                           size == UINT64_MAX || size == 0 ? -1
                                                           : MIN((double) n / (double) size, 1.0),
                           n);
}

/* Return: 0 the unpacker ended; > 0 a signal came, and it was killed; -errno. */
static int watch(int pidfd, int cancel_fd, const UnpackState *state, uint64_t size,
                 const ImportReporter *reporter, Error *e) {
        const struct timespec tick = { .tv_nsec = PROGRESS_EVERY_USEC * 1000 };
        struct pollfd p[] = { { .fd = cancel_fd, .events = POLLIN },
                              { .fd = pidfd, .events = POLLIN } };

        for (;;) {
                int n = ppoll(p, ELEMENTSOF(p), &tick, NULL);

                if (n < 0 && errno != EINTR)
                        return error_set(e, errno, "cannot wait for the unpacker: %m");
                int signal = canceled(cancel_fd);
                if (signal > 0) {
                        (void) proc_pidfd_signal(pidfd, SIGKILL);
                        return signal;
                }
                report_progress(state, size, reporter);
                if (n > 0 && p[1].revents)
                        return 0;
        }
}

static void note(const ImportReporter *reporter, int level, const char *format, uint64_t n) {
        char text[200];

        if (n == 0)
                return;
        (void) snprintf(text, sizeof text, format, (unsigned long long) n);
        reporter->note(reporter->context, level, text);
}

static void note_skipped(const TreeSkipped *s, const ImportReporter *reporter) {
        note(reporter, LOG_NOTICE, "%llu device nodes were left out", s->nodes);
        note(reporter, LOG_NOTICE, "%llu extended attributes were left out", s->xattrs);
        note(reporter, LOG_NOTICE,
             "%llu ACL entries were left out: the archive has names for them, but no numbers",
             s->acls);
}

/* Fills the temporary tree. Return: as import_tar_run(). */
static int fill(const ImportJob *job, const Staging *staging, int cancel_fd,
                const ImportReporter *reporter, Error *e) {
        const UnpackJob unpack = {
                .source_fd = job->source_fd,
                .target_fd = staging->fd,
                .place = job->root,
                .sync = job->staging.sync,
                .sha256 = job->sha256,
        };
        uint64_t size = source_size(job->source_fd);
        _cleanup_fd_ int pidfd = -EBADF;
        UnpackState *state;
        int r;

        r = unpacker_start(&unpack, &state, &pidfd, e);
        if (r < 0)
                return r;

        int signal = watch(pidfd, cancel_fd, state, size, reporter, e);
        if (signal < 0)
                (void) proc_pidfd_signal(pidfd, SIGKILL);
        r = unpacker_result(state, pidfd, signal == 0 ? e : NULL);
        if (signal == 0 && r == 0)
                note_skipped(&state->sink.skipped, reporter);
        (void) munmap(state, sizeof *state);
        if (signal == 0 && r < 0)
                return error_wrap(e, r, "%s", job->source_name);
        return signal;
}

/* Whether the image that is going to be replaced is free. Held only while looked at: machines may start
 * from it until the new one is there. */
static int lock_replaced(const ImportJob *job, ImageLock **ret, Error *e) {
        _cleanup_free_ char *path = path_join(job->root, job->name);
        int r;

        if (!path)
                return error_oom(e);
        if (!job->staging.force || access(path, F_OK) < 0)
                return 0;
        r = image_lock(path, true, ret, e);
        return r == IMAGE_LOCK_BUSY
                       ? error_set(e, EBUSY, "image '%s' is in use and cannot be replaced",
                                   job->name)
                       : r;
}

static int check_replaced(const ImportJob *job, Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;

        return lock_replaced(job, &lock, e);
}

static int commit(const ImportJob *job, Staging *staging, Error *e) {
        _cleanup_image_lock_ ImageLock *lock = NULL;
        int r = unwrap_tree(staging->fd, e);

        if (r >= 0)
                r = lock_replaced(job, &lock, e);
        return r < 0 ? r : staging_commit(staging, &job->staging, e);
}

static int lock_name(const ImportJob *job, ImageLock **ret, Error *e) {
        int r;

        if (!job->lock_name)
                return 0;
        r = image_lock_name(job->name, ret, e);
        return r == IMAGE_LOCK_BUSY
                       ? error_set(e, EBUSY, "something else is working on image '%s'", job->name)
                       : r;
}

static int open_root(const char *root, Error *e) {
        struct stat st;
        int r = stat(root, &st) >= 0 ? 0 : path_mkdirs(root, 0755), fd;

        if (r >= 0 && errno == ENOENT)
                (void) chmod(root, 0700);
        fd = r < 0 ? r : open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return r < 0    ? error_set(e, r, "cannot make the directory '%s': %m", root)
               : fd < 0 ? error_set(e, errno, "cannot open the directory '%s': %m", root)
                        : fd;
}

int import_tar_run(const ImportJob *job, const ImportReporter *reporter, Error *e) {
        _cleanup_fd_ int cancel_fd = cancel_fd_open(e);
        _cleanup_fd_ int pool_fd = cancel_fd < 0 ? cancel_fd : open_root(job->root, e);
        _cleanup_image_lock_ ImageLock *lock = NULL;
        _cleanup_(staging_done) Staging staging = { .fd = -EBADF };
        int r;

        if (pool_fd < 0)
                return pool_fd;
        r = temporary_sweep(job->root, e);
        if (r < 0)
                return r;
        note(reporter, LOG_NOTICE, "%llu unfinished images of earlier imports were removed",
             (uint64_t) r);

        r = lock_name(job, &lock, e);
        if (r >= 0)
                r = check_room(job, pool_fd, e);
        if (r >= 0)
                r = check_replaced(job, e);
        if (r >= 0)
                r = staging_begin(pool_fd, job->name, &job->staging, &staging, e);
        if (r >= 0)
                r = fill(job, &staging, cancel_fd, reporter, e);
        if (r != 0)
                return r;

        r = canceled(cancel_fd);
        if (r > 0)
                return r;
        r = commit(job, &staging, e);
        if (r == 0)
                reporter->progress(reporter->context, 1, 0);
        return r;
}
