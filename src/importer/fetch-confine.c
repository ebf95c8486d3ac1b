/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fetcher's confinement, see fetch-confine.h. It has no socket of the host's own (AF_UNIX), so no service
 * there can be asked for anything; names are looked up in the files below and by DNS. */
#include "importer/fetch-confine.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/fd.h"

#define NOBODY 65534

static const char *const readable[] = {
        "/etc/ca-certificates",
        "/etc/gai.conf",
        "/etc/host.conf",
        "/etc/hosts",
        "/etc/nsswitch.conf",
        "/etc/pki/tls",
        "/etc/pki/ca-trust",
        "/etc/resolv.conf",
        "/etc/ssl/certs",
        "/etc/ssl/cert.pem",
        "/run/NetworkManager",
        "/run/resolvconf",
        "/run/systemd/resolve",
        "/usr/lib/ssl/certs",
        "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates",
        "/var/lib/ca-certificates",
};

static const ConfineCall calls[] = {
        { SYS_read, 0 },
        { SYS_write, 0 },
        { SYS_pread64, 0 },
        { SYS_pwrite64, 0 },
        { SYS_readv, 0 },
        { SYS_writev, 0 },
        { SYS_splice, 0 },
        { SYS_fdatasync, 0 },
        { SYS_lseek, 0 },
        { SYS_close, 0 },
        { SYS_fcntl, 0 },
        { SYS_ioctl, 0x541B }, /* FIONREAD */
        { SYS_ioctl, 0x5421 }, /* FIONBIO */
        { SYS_openat,
          0 }, /* what Landlock lets through, and what is anybody's where there is none */
        { SYS_socket, 0, AF_INET },
        { SYS_socket, 0, AF_INET6 },
        { SYS_socketpair, 0 },
        { SYS_connect, 0 },
        { SYS_getsockname, 0 },
        { SYS_getpeername, 0 },
        { SYS_getsockopt, 0 },
        { SYS_setsockopt, 0 },
        { SYS_sendto, 0 },
        { SYS_recvfrom, 0 },
        { SYS_sendmsg, 0 },
        { SYS_sendmmsg, 0 },
        { SYS_recvmsg, 0 },
        { SYS_shutdown, 0 },
        { SYS_ppoll, 0 },
        { SYS_clone, 0 },
        { SYS_set_robust_list, 0 },
        { SYS_set_tid_address, 0 },
        { SYS_sched_getaffinity, 0 },
        { SYS_gettid, 0 },
        { SYS_getpid, 0 },
        { SYS_futex, 0 },
        { SYS_exit, 0 },
        { SYS_rt_sigprocmask, 0 },
        { SYS_rt_sigaction, 0 },
        { SYS_restart_syscall, 0 },
        { SYS_clock_gettime, 0 },
        { SYS_fstatfs, 0 },
        { SYS_pipe2, 0 },
        { SYS_eventfd2, 0 },
        { SYS_uname, 0 },
#ifdef SYS_rseq
        { SYS_rseq, 0 },
#endif
#ifdef SYS_poll
        { SYS_poll, 0 },
#endif
#ifdef SYS_getdents64
        { SYS_getdents64, 0 },
#endif
#ifdef SYS_gettimeofday
        { SYS_gettimeofday, 0 },
#endif
#ifdef SYS_fstat
        { SYS_fstat, 0 },
#endif
#ifdef SYS_stat
        { SYS_stat, 0 },
#endif
#ifdef SYS_newfstatat
        { SYS_newfstatat, 0 },
#endif
#ifdef SYS_statx
        { SYS_statx, 0 },
#endif
#ifdef SYS_futex_time64
        { SYS_futex_time64, 0 },
        { SYS_clock_gettime64, 0 },
        { SYS_ppoll_time64, 0 },
#endif
};

/* The resolver loads libraries that /etc/nsswitch.conf names when it first needs them, and cannot then. */
static void load_resolvers(void) {
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL, **words = NULL;

        if (file_read(AT_FDCWD, "/etc/nsswitch.conf", 65536, &text, NULL) < 0 ||
            str_split(text, "\n", &lines) < 0)
                return;
        STRV_FOREACH(line, lines) {
                const char *rest = str_skip_prefix(str_strip(*line), "hosts:");
                if (rest && !words && str_split(rest, " \t", &words) < 0)
                        return;
        }
        STRV_FOREACH(word, words) {
                _cleanup_free_ char *name = (*word)[0] == '[' || strchr(*word, '/')
                                                    ? NULL
                                                    : str_format("libnss_%s.so.2", *word);
                if (name)
                        (void) dlopen(name, RTLD_NOW | RTLD_NODELETE);
        }
}

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
        /* That has ended the death signal. Nobody else who is nobody shall trace us. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
                return error_set(e, errno, "cannot become undumpable: %m");
        return 0;
}

int confine_fetcher(Error *e) {
        int r;

        load_resolvers();
        r = limit(RLIMIT_CORE, 0, e);
        if (r >= 0)
                r = limit(RLIMIT_NOFILE, 256, e);
        if (r >= 0)
                r = confine_privileges(e);
        if (r >= 0)
                r = confine_reading(readable, ELEMENTSOF(readable), e);
        if (r >= 0)
                r = confine_capabilities(UINT64_C(1) << CAP_SETGID | UINT64_C(1) << CAP_SETUID, e);
        if (r >= 0)
                r = become_nobody(e);
        if (r >= 0)
                r = confine_capabilities(0, e);
        if (r >= 0)
                r = confine_calls(calls, ELEMENTSOF(calls), e);
        return r < 0 ? r : 0;
}
