/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* skep-init, see init.h. Runs inside, confined as the payload is, on nothing but system calls: it has
 * no library to load, and nobody to talk to but the socket it is given. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "spawn/init/system.h"
#include "base/handshake.h"
#include "spawn/run.h"

#define PROC_ROOT_INODE 1

#define STOP_SECONDS  90 /* how long the payload has from SIGTERM on */
#define REAL_TIME_MIN 34 /* SIGRTMIN as C libraries and inits count */
#define ALL_SIGNALS   (~0UL)

typedef enum Wish {
        WISH_NOTHING,
        WISH_POWEROFF,
        WISH_REBOOT,
} Wish;

void init_main(long *stack) __attribute__((noreturn, used));

/* Compilers write calls to this where they clear something large, also without a library. */
void *memset(void *s, int c, size_t n);
void *memset(void *s, int c, size_t n) {
        volatile unsigned char *bytes = s;

        while (n-- > 0)
                bytes[n] = (unsigned char) c;
        return s;
}

__attribute__((noreturn)) static void quit(int status) {
        for (;;)
                (void) system_call(SYS_exit_group, status, 0, 0, 0);
}

static int number_of(const char *s) {
        int n = 0;

        for (; *s >= '0' && *s <= '9'; s++)
                n = n * 10 + *s - '0';
        return n;
}

/* What a signal to PID 1 asks for, as an init would understand it. */
static Wish wish_of(long signal) {
        switch (signal) {
        case REAL_TIME_MIN + 3:
        case REAL_TIME_MIN + 4:
        case REAL_TIME_MIN + 13:
        case REAL_TIME_MIN + 14:
                return WISH_POWEROFF;
        case SIGINT:
        case REAL_TIME_MIN + 5:
        case REAL_TIME_MIN + 6:
        case REAL_TIME_MIN + 15:
        case REAL_TIME_MIN + 16:
                return WISH_REBOOT;
        default:
                return WISH_NOTHING;
        }
}

/* Our supervisor sees it in the signal that we die from. */
__attribute__((noreturn)) static void go_down(Wish wish) {
        (void) system_call(SYS_reboot, (long) LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
                           wish == WISH_REBOOT ? (long) LINUX_REBOOT_CMD_RESTART
                                               : (long) LINUX_REBOOT_CMD_POWER_OFF,
                           0);
        quit(wish == WISH_REBOOT ? 255 : 0);
}

/* Reaps whatever has ended; when that was the payload, so do we. */
static void reap(int payload, Wish wish) {
        for (;;) {
                int status = 0;
                long pid = system_call(SYS_wait4, -1, (long) &status, 1 /* WNOHANG */, 0);

                if (pid <= 0)
                        return;
                if (pid != payload)
                        continue;
                if (wish != WISH_NOTHING)
                        go_down(wish);
                quit((status & 0x7f) == 0 ? (status >> 8) & 0xff : 255);
        }
}

__attribute__((noreturn)) static void be_stub(int payload) {
        const unsigned long all = ALL_SIGNALS;
        struct {
                long seconds, nanoseconds;
        } patience = { STOP_SECONDS, 0 };
        Wish wish = WISH_NOTHING;

        (void) system_call(SYS_prctl, PR_SET_NAME, (long) "skep-init", 0, 0);
        (void) system_call(SYS_rt_sigprocmask, SIG_BLOCK, (long) &all, 0, sizeof all);
        (void) system_call(SYS_close_range, 0, ~0U, 0, 0);

        for (;;) {
                reap(payload, wish);
                long signal = system_call(SYS_rt_sigtimedwait, (long) &all, 0,
                                          wish == WISH_NOTHING ? 0 : (long) &patience, sizeof all);
                if (signal == -EAGAIN)
                        go_down(wish);
                if (signal < 0 || wish != WISH_NOTHING || wish_of(signal) == WISH_NOTHING)
                        continue;
                wish = wish_of(signal);
                (void) system_call(SYS_kill, payload, SIGTERM, 0, 0);
                (void) system_call(SYS_kill, payload, SIGCONT, 0, 0);
                (void) system_call(SYS_kill, payload, SIGHUP, 0, 0);
        }
}

__attribute__((noreturn)) static void fail(int socket, RunId what, long r) {
        HandshakeHead message = { .type = HANDSHAKE_ID, .number = what, .value = (uint64_t) -r };

        (void) system_call(SYS_write, socket, (long) &message, sizeof message, 0);
        quit(EXIT_NOT_EXECUTABLE);
}

/* A filter that denies all but what the payload needs, so that it is loaded at the very end. */
typedef struct Filter {
        int fd; /* holds the program */
        int n;  /* instructions; 0 = there is none */
        int flags;
} Filter;

/* Return: 0 or -errno. */
static long load_filter(const Filter *f) {
        struct sock_filter insns[BPF_MAXINSNS];
        struct sock_fprog program = { .len = (unsigned short) f->n, .filter = insns };
        long size = (long) sizeof insns[0] * f->n;

        if (f->n <= 0 || f->n > BPF_MAXINSNS)
                return f->n == 0 ? 0 : -E2BIG;
        if (system_call(SYS_pread64, f->fd, (long) insns, size, 0) != size)
                return -EIO;
        (void) system_call(SYS_close, f->fd, 0, 0, 0);
        return system_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, (long) &program, 0);
}

/* Executes the payload. The socket closes with that, which is how the supervisor knows. */
__attribute__((noreturn)) static void become(int socket, const Filter *filter, const char *program,
                                             char **argv, char **environment) {
        long r = system_call(SYS_fcntl, socket, F_SETFD, FD_CLOEXEC, 0);

        /* A filter may deny us even that. The payload shall not have it, then. */
        if (r < 0)
                fail(socket, RUN_ID_EXECUTE, r);
        r = load_filter(filter);
        if (r < 0)
                fail(socket, RUN_ID_FILTER, r);
        fail(socket, RUN_ID_EXECUTE,
             system_call(SYS_execve, (long) program, (long) argv, (long) environment, 0));
}

/* A file of proc, by its path: of the very proc that is at /proc, and no mount on the way, for the machine may
 * run already and have put another of its files there.
 * Return: a descriptor or -errno. */
static long open_in_proc(const char *file) {
        const char *top = "/proc/";
        const struct open_how how = { .flags = O_WRONLY | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV };
        struct statfs fs = {};
        struct stat st = {};

        for (; *top; top++, file++)
                if (*file != *top)
                        return -EXDEV;
        long r, proc = system_call(SYS_openat, AT_FDCWD, (long) "/proc",
                                   O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        if (proc < 0)
                return proc;
        r = system_call(SYS_fstatfs, proc, (long) &fs, 0, 0);
        if (r >= 0)
                r = system_call(SYS_newfstatat, proc, (long) "", (long) &st, AT_EMPTY_PATH);
        if (r >= 0 && (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE))
                r = -EXDEV;
        if (r >= 0)
                r = system_call(SYS_openat2, proc, (long) file, (long) &how, sizeof how);
        (void) system_call(SYS_close, proc, 0, 0, 0);
        return r;
}

/* What our next execution is to run as. */
static long set_label(const char *file, const char *text) {
        long n = 0, fd = open_in_proc(file);

        if (fd < 0)
                return fd;
        while (text[n])
                n++;
        long r = system_call(SYS_write, fd, (long) text, n, 0);
        return r < 0 ? r : 0;
}

/* The gate and the socket are files of the host. Another container that shares our PID namespace, as in a pod,
 * could open them by /proc while we wait, and say what is root's of the host to say. */
static void wait_at(int gate) {
        char byte;
        long r = system_call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0);

        if (r < 0)
                quit(EXIT_SETUP);
        do
                r = system_call(SYS_read, gate, (long) &byte, 1, 0);
        while (r == -EINTR);
        if (r != 1)
                quit(EXIT_SETUP);
        (void) system_call(SYS_close, gate, 0, 0, 0);
}

#define CHILD_MASK (1UL << (SIGCHLD - 1))

__attribute__((noreturn)) static void become_hook(int state, const char *program, char **argv,
                                                  char **environment) {
        const unsigned long none = 0;

        (void) system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long) &none, 0, sizeof none);
        if (system_call(SYS_lseek, state, 0, 0, 0) >= 0 &&
            system_call(SYS_dup3, state, 0, 0, 0) >= 0 &&
            system_call(SYS_close_range, 3, ~0U, 0, 0) >= 0)
                (void) system_call(SYS_execve, (long) program, (long) argv, (long) environment, 0);
        quit(127);
}

/* Return: status as of wait(2); -1 it took too long, and is dead. */
static int wait_for_hook(long pid, int seconds) {
        const unsigned long child = CHILD_MASK;
        struct timespec now = {}, end = {}, left = {};
        int status = 0;

        (void) system_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long) &end, 0, 0);
        end.tv_sec += seconds;
        while (system_call(SYS_wait4, pid, (long) &status, seconds == 0 ? 0 : 1 /* WNOHANG */, 0) !=
               pid) {
                if (seconds == 0)
                        continue;
                (void) system_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long) &now, 0, 0);
                left.tv_sec = end.tv_sec - now.tv_sec;
                left.tv_nsec = end.tv_nsec - now.tv_nsec;
                if (left.tv_nsec < 0) {
                        left.tv_sec--;
                        left.tv_nsec += 1000000000;
                }
                if (left.tv_sec < 0) {
                        (void) system_call(SYS_kill, pid, SIGKILL, 0, 0);
                        (void) system_call(SYS_wait4, pid, (long) &status, 0, 0);
                        return -1;
                }
                (void) system_call(SYS_rt_sigtimedwait, (long) &child, 0, (long) &left,
                                   sizeof child);
        }
        return status;
}

/* Return: how many words of ours it took. */
static long run_hook(char **argv, unsigned number) {
        int socket = number_of(argv[0]), state = number_of(argv[1]), seconds = number_of(argv[2]);
        long n_args = number_of(argv[3]), n_env = number_of(argv[4]);
        char *program = argv[5], **args = argv + 6, **env = args + n_args + 1;
        const unsigned long child = CHILD_MASK, none = 0;
        RunHookEnd end = RUN_HOOK_EXITED;
        long how = 0;

        args[n_args] = env[n_env] = 0;
        (void) system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long) &child, 0, sizeof child);
        long pid = system_call(SYS_clone, SIGCHLD, 0, 0, 0);
        if (pid == 0)
                become_hook(state, program, args, env);
        if (pid < 0) {
                end = RUN_HOOK_NOT_STARTED;
                how = -pid;
        } else {
                int status = wait_for_hook(pid, seconds);
                if (status == -1)
                        end = RUN_HOOK_TOO_SLOW;
                else if ((status & 0x7f) != 0)
                        end = RUN_HOOK_KILLED;
                how = end == RUN_HOOK_EXITED ? (status >> 8) & 0xff : status & 0x7f;
        }
        if (end != RUN_HOOK_EXITED || how != 0)
                fail(socket, RUN_ID_HOOK,
                     -(long) ((uint64_t) number << 32 | (uint64_t) end << 16 | (uint64_t) how));
        (void) system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long) &none, 0, sizeof none);
        return 6 + n_args + 1 + n_env + 1;
}

static bool has(const char *letters, char c) {
        for (; *letters; letters++)
                if (*letters == c)
                        return true;
        return false;
}

/* From outside of the PID namespace into it. Nobody in there sees more of us than the child: which executes
 * nothing before whoever asked for it knows it, so that it can be ended with them. */
__attribute__((noreturn)) static void join(int socket, const char *how, char **argv,
                                           char **environment) {
        const Filter none = {};
        HandshakeHead message = { .type = HANDSHAKE_ID, .number = RUN_ID_JOINED };
        long r = system_call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0);

        if (r >= 0)
                r = system_call(SYS_clone, CLONE_PARENT, 0, 0, 0);
        if (r < 0)
                fail(socket, RUN_ID_FORK, r);
        if (r > 0) {
                message.value = (uint64_t) r;
                (void) system_call(SYS_write, socket, (long) &message, sizeof message, 0);
                quit(0);
        }

        if (has(how, 'd'))
                (void) system_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
        /* If they died before that, their end of the socket is closed. */
        if (system_call(SYS_read, socket, (long) &message, sizeof message, 0) <= 0)
                quit(EXIT_SETUP);
        (void) system_call(SYS_setsid, 0, 0, 0, 0);
        if (has(how, 't') && (r = system_call(SYS_ioctl, 0, TIOCSCTTY, 0, 0)) < 0)
                fail(socket, RUN_ID_TERMINAL, r);
        if (has(how, 'l')) {
                r = set_label(argv[0], argv[1]);
                if (r < 0)
                        fail(socket, RUN_ID_LABEL, r);
                argv += 2;
        }
        become(socket, &none, argv[0], argv + 1, environment);
}

void init_main(long *stack) {
        long argc = stack[0];
        char **argv = (char **) (stack + 1), **environment = argv + argc + 1;
        Filter filter = {};

        if (argc > 3 && argv[1][0] == 'w') {
                wait_at(number_of(argv[2]));
                argv += 2;
                argc -= 2;
        }
        for (unsigned i = 0; argc > 8 && argv[1][0] == 'h'; i++) {
                int state = number_of(argv[3]);
                long n = 1 + run_hook(argv + 2, i);

                argv += n;
                argc -= n;
                if (argv[1][0] != 'h')
                        (void) system_call(SYS_close, state, 0, 0, 0);
        }
        if (argc > 6 && argv[1][0] == 'f') {
                filter = (Filter){ number_of(argv[2]), number_of(argv[3]), number_of(argv[4]) };
                argv += 4;
                argc -= 4;
        }
        if (argc == 3 && argv[1][0] == 's')
                be_stub(number_of(argv[2]));
        if (argc > 4 && argv[1][0] == 'e')
                become(number_of(argv[2]), &filter, argv[3], argv + 4, environment);
        if (argc > (argc > 3 && has(argv[3], 'l') ? 7 : 5) && argv[1][0] == 'j')
                join(number_of(argv[2]), argv[3], argv + 4, environment);
        if (argc > 6 && argv[1][0] == 'l') {
                long r = set_label(argv[3], argv[4]);
                if (r < 0)
                        fail(number_of(argv[2]), RUN_ID_LABEL, r);
                become(number_of(argv[2]), &filter, argv[5], argv + 6, environment);
        }
        quit(EXIT_SETUP);
}
