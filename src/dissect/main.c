/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-dissect: the aide that looks at the bytes of images, which anybody may have made. Before it reads
 * the first of them it has given up all it could do harm with: it is nobody, opens no file, and is let
 * through with those few system calls that reading and answering take. */
#include <grp.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/fd.h"
#include "dissect/probe.h"
#include "dissect/signature.h"
#include "image/dissect-aide.h"

#define NOBODY 65534

static const ConfineCall calls[] = {
        { SYS_read, 0 },
        { SYS_pread64, 0 },
        { SYS_pwrite64, 0 },
        { SYS_lseek, 0 },
        { SYS_close, 0 },
        { SYS_sendmsg, 0 },
#ifdef SYS__llseek
        { SYS__llseek, 0 },
#endif
#ifdef SYS_fstat
        { SYS_fstat, 0 },
#endif
#ifdef SYS_fstat64
        { SYS_fstat64, 0 },
#endif
#ifdef SYS_newfstatat
        { SYS_newfstatat, 0 },
#endif
#ifdef SYS_statx
        { SYS_statx, 0 },
#endif
#ifdef SYS_fadvise64
        { SYS_fadvise64, 0 },
#endif
        { SYS_ioctl, (uint32_t) BLKGETSIZE64 },
        { SYS_ioctl, (uint32_t) BLKSSZGET },
};

static int limit(int resource, rlim_t value, Error *e) {
        struct rlimit l = { .rlim_cur = value, .rlim_max = value };

        return setrlimit(resource, &l) < 0 ? error_set(e, errno, "cannot set a limit: %m") : 0;
}

static int become_nobody(Error *e) {
        if (geteuid() != 0)
                return 0;
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return error_set(e, errno, "cannot become nobody: %m");
        return 0;
}

static int confine(Error *e) {
        int r;

        /* A terminal among them would be a way to type for the user. */
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                (void) close(fd);

        r = limit(RLIMIT_CPU, 20, e);
        if (r >= 0)
                r = limit(RLIMIT_CORE, 0, e);
#ifndef __SANITIZE_ADDRESS__
        if (r >= 0)
                r = limit(RLIMIT_AS, 256 * 1024 * 1024, e);
#endif
        if (r >= 0)
                r = confine_privileges(e);
        if (r >= 0)
                r = confine_paths(-EBADF, e);
        if (r >= 0)
                r = confine_capabilities(UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETUID, e);
        if (r >= 0)
                r = become_nobody(e);
        if (r >= 0)
                r = confine_capabilities(0, e);
        if (r >= 0)
                r = confine_calls(calls, ELEMENTSOF(calls), e);
        return r;
}

static int answer(const Dissection *d, Error *e) {
        _cleanup_(buf_done) Buf text = {};

        if (dissection_format(d, &text) < 0)
                return error_oom(e);
        ssize_t n = pwrite(DISSECT_ANSWER_FD, text.p, text.n, 0);
        if (n < 0)
                return error_set(e, errno, "cannot write the answer: %m");
        return (size_t) n == text.n ? 0 : error_set(e, E2BIG, "the image has too many partitions");
}

static int run(char **argv, Error *e) {
        _cleanup_(dissection_done) Dissection d = {};
        bool bare = argv[0] && streq(argv[0], DISSECT_BARE);
        int r;

        if (argv[bare])
                return error_set(e, EINVAL, "skep-dissect is for other programs of skep alone");
        signature_prepare();
        r = confine(e);
        if (r >= 0)
                r = probe_image(DISSECT_IMAGE_FD, bare, &d, e);
        return r < 0 ? r : answer(&d, e);
}

int main(int argc, char **argv) {
        Error e = {};
        int r = run(argv + (argc > 0), &e);

        return aide_end(r, &e);
}
