/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs as the payload of a machine and prints what busybox cannot find out. Linked statically, for trees
 * without a libc. One fact a line, "name value"; a fact that is an errno is "ok" for 0. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/netlink.h>
#include <linux/reboot.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long r) {
        printf("%s %s\n", name, r < 0 ? strerrorname_np(errno) : "ok");
}

/* The filter, by calls that do nothing when they are let through. */
static int probe_filter(char **argv) {
        say("unknown", syscall(999));
        say("swapon", syscall(SYS_swapon, NULL, 0));
        say("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
        say("open_by_handle_at", syscall(SYS_open_by_handle_at, -1, NULL, 0));
        say("kexec_load", syscall(SYS_kexec_load, 0, -1L, NULL, 0));
        say("bpf", syscall(SYS_bpf, -1, NULL, 0));
        say("init_module", syscall(SYS_init_module, NULL, 0, NULL));
        say("finit_module", syscall(SYS_finit_module, -1, NULL, 0));
        say("clock_settime", syscall(SYS_clock_settime, 99, NULL));
        say("syslog", syscall(SYS_syslog, 10, NULL, 0));
        say("acct", syscall(SYS_acct, ""));
        say("mlock", syscall(SYS_mlock, NULL, 0));
        say("openat2", syscall(437, -1, "x", NULL, 0));
        say("audit", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT));
        say("route", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
        return 0;
}

/* Each argument is NUMBER[,ARGUMENT…] of a system call. */
static int probe_calls(char **argv) {
        for (char **p = argv; *p; p++) {
                long v[4] = {};
                char *s = *p;

                for (size_t i = 0; i < 4 && *s; i++) {
                        v[i] = (long) strtoul(s, &s, 0);
                        s += *s == ',';
                }
                say(*p, syscall(v[0], v[1], v[2], v[3], 0, 0, 0));
        }
        return 0;
}

/* What one gets of the keys of somebody else: NAME, by looking for it, then SERIAL, by its number. */
static int probe_keys(char **argv) {
        char data[64];

        if (!argv[0] || !argv[1])
                return 1;
        say("session", syscall(SYS_keyctl, 10 /* search */, -3, "user", argv[0], 0));
        say("user", syscall(SYS_keyctl, 10, -4, "user", argv[0], 0));
        say("request", syscall(SYS_request_key, "user", argv[0], NULL, 0));
        say("read", syscall(SYS_keyctl, 11 /* read */, atol(argv[1]), data, sizeof(data), 0));
        say("add", syscall(SYS_add_key, "user", "of the payload", "x", 1, -2 /* of the process */));
        return 0;
}

static int probe_ids(char **argv) {
        printf("uid %u\neuid %u\ngid %u\negid %u\n", getuid(), geteuid(), getgid(), getegid());
        return 0;
}

static int probe_fds(char **argv) {
        DIR *d = opendir("/proc/self/fd");
        struct dirent *entry;

        if (!d)
                return 1;
        while ((entry = readdir(d))) {
                char target[4096];
                ssize_t n;

                if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(d))
                        continue;
                n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);
                printf("%s %.*s\n", entry->d_name, n < 0 ? 0 : (int) n, target);
        }
        closedir(d);
        return 0;
}

/* What one gets of a file: how many bytes (at most 4096) or the errno. */
static int probe_read(char **argv) {
        for (char **p = argv; *p; p++) {
                char data[4096];
                int fd = open(*p, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
                ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data));

                if (n < 0)
                        printf("%s %s\n", *p, strerrorname_np(errno));
                else
                        printf("%s %zd\n", *p, n);
                if (fd >= 0)
                        close(fd);
        }
        return 0;
}

static int probe_write(char **argv) {
        for (char **p = argv; *p; p++) {
                int fd = open(*p, O_WRONLY | O_CLOEXEC | O_NONBLOCK);

                say(*p, fd < 0 ? -1 : write(fd, "", 0));
                if (fd >= 0)
                        close(fd);
        }
        return 0;
}

static int probe_tty(char **argv) {
        struct winsize w = {};

        for (int fd = 0; fd < 3; fd++)
                printf("%d %s\n", fd, isatty(fd) ? "tty" : "other");
        say("controlling", open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
        say("size", ioctl(0, TIOCGWINSZ, &w));
        printf("rows %u\ncolumns %u\n", w.ws_row, w.ws_col);
        printf("session %d\npid %d\n", (int) getsid(0), (int) getpid());
        return 0;
}

/* Sends a message, with our standard input if it is to be stored. */
static ssize_t send_message(int fd, struct sockaddr_un *sa, char *text) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = { .header = { .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS,
                                  .cmsg_len = CMSG_LEN(sizeof(int)) } };
        struct iovec iov = { .iov_base = text, .iov_len = strlen(text) };
        struct msghdr m = {
                .msg_name = sa, .msg_namelen = sizeof *sa, .msg_iov = &iov, .msg_iovlen = 1
        };

        if (strstr(text, "FDSTORE=1")) {
                memset(CMSG_DATA(&control.header), 0, sizeof(int));
                m.msg_control = &control;
                m.msg_controllen = sizeof control;
        }
        return sendmsg(fd, &m, 0);
}

/* Sends each argument as a message; at "wait" it waits for a line. */
static int probe_notify(char **argv) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (!path || fd < 0)
                return 1;
        strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
        for (char **p = argv; *p; p++) {
                char line[16];

                if (strcmp(*p, "wait") == 0) {
                        fflush(stdout);
                        (void) !fgets(line, sizeof(line), stdin);
                } else
                        say(*p, send_message(fd, &sa, *p));
        }
        return 0;
}

static int probe_reboot(char **argv) {
        bool again = argv[0] && strcmp(argv[0], "again") == 0;

        say("reboot", reboot(again ? RB_AUTOBOOT : RB_POWER_OFF));
        return 1;
}

/* Waits for a signal and says which. */
static int probe_signal(char **argv) {
        sigset_t all;
        int sig;

        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        puts("waiting");
        fflush(stdout);
        do
                sigwait(&all, &sig);
        while (sig == SIGCHLD || sig == SIGWINCH || sig == SIGCONT);
        printf("signal %d\n", sig);
        return 0;
}

static int probe_state(char **argv) {
        sigset_t set;
        int ignored = 0, blocked = 0;

        sigprocmask(SIG_BLOCK, NULL, &set);
        for (int i = 1; i < NSIG; i++) {
                struct sigaction sa;

                blocked += sigismember(&set, i) > 0;
                ignored += sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
        }
        printf("blocked %d\nignored %d\n", blocked, ignored);
        printf("pid %d\nppid %d\nuid %u\ngid %u\n", (int) getpid(), (int) getppid(), getuid(),
               getgid());
        printf("dumpable %d\npdeathsig_left %d\n", prctl(PR_GET_DUMPABLE), ({
                       int s = 0;
                       prctl(PR_GET_PDEATHSIG, &s);
                       s;
               }));
        return 0;
}

static void copy_file(const char *path) {
        char line[4096];
        FILE *f = fopen(path, "re");

        printf("# %s\n", path);
        while (f && fgets(line, sizeof(line), f))
                fputs(line, stdout);
        if (f)
                fclose(f);
}

static int list_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        char target[4096] = "";

        if (type == FTW_SL)
                (void) !readlink(path, target, sizeof(target) - 1);
        printf("%s %o %u %u %lx %s\n", path, st->st_mode, st->st_uid, st->st_gid,
               (unsigned long) st->st_rdev, target);
        return 0;
}

/* Everything that confines us, for a comparison. */
static int probe_self(char **argv) {
        static const char *const namespaces[] = { "cgroup", "ipc",  "mnt", "net",
                                                  "pid",    "user", "uts" };
        static const char *const masks[] = { "kallsyms", "kcore", "keys", "sysrq-trigger",
                                             "timer_list" };

        copy_file("/proc/self/status");
        copy_file("/proc/self/limits");
        copy_file("/proc/self/mountinfo");
        copy_file("/proc/self/cgroup");
        printf("# namespaces\n");
        for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
                char path[64], target[64] = "";

                snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
                (void) !readlink(path, target, sizeof(target) - 1);
                printf("%s\n", target);
        }
        printf("# files\n");
        nftw("/dev", list_one, 16, FTW_PHYS | FTW_MOUNT);
        nftw("/run", list_one, 16, FTW_PHYS | FTW_MOUNT);
        for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
                char path[64];
                struct stat st = {};

                snprintf(path, sizeof(path), "/proc/%s", masks[i]);
                stat(path, &st);
                list_one(path, &st, FTW_F, NULL);
        }
        printf("# descriptors\n");
        probe_fds(argv);
        printf("# filter\n");
        probe_filter(argv);
        printf("# process\n");
        return probe_state(argv);
}

/* What can be had of a process of skep's that has come into the machine. */
static struct {
        unsigned sightings, traced, memory, foreign_exe, foreign_root, canary, environment, fds;
} had;

static bool has_link(int proc, const char *name, char *text, size_t size) {
        ssize_t n = readlinkat(proc, name, text, size - 1);

        text[n < 0 ? 0 : n] = '\0';
        return n > 0;
}

/* Its descriptors: stdio, the socket it came with, and whatever else leads somewhere. */
static void grab_descriptors(int proc) {
        for (int fd = 0; fd < 64; fd++) {
                char name[32], target[512];

                snprintf(name, sizeof(name), "fd/%d", fd);
                if (!has_link(proc, name, target, sizeof(target)))
                        continue;
                snprintf(name, sizeof(name), "fd/%d/canary", fd);
                had.canary += faccessat(proc, name, F_OK, 0) == 0;
                had.fds += fd > 2 && strncmp(target, "socket:", 7) != 0;
        }
}

/* And not yet the command that it is about to become, which is anybody's, and may be looked at. */
static bool is_skep(int proc, char *exe, size_t size) {
        return has_link(proc, "exe", exe, size) ? strstr(exe, "skep") != NULL : errno == EACCES;
}

static bool grab(int proc, pid_t pid) {
        char exe[512], other[512], text[16384];
        struct stat ours, theirs;

        if (!is_skep(proc, exe, sizeof(exe)))
                return false;
        if (had.sightings++ == 0)
                puts("sighted");
        fflush(stdout);
        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0) {
                had.traced += is_skep(proc, other, sizeof(other));
                ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
                waitpid(pid, NULL, __WALL);
                ptrace(PTRACE_DETACH, pid, NULL, NULL);
        }
        int fd = openat(proc, "mem", O_RDWR);
        had.memory += fd >= 0 && is_skep(proc, other, sizeof(other));
        close(fd);
        had.foreign_exe += exe[0] && !strstr(exe, "memfd:skep-init");
        had.foreign_root += fstatat(proc, "root/.", &theirs, 0) == 0 && stat("/", &ours) == 0 &&
                            (ours.st_ino != theirs.st_ino || ours.st_dev != theirs.st_dev);
        had.canary += faccessat(proc, "cwd/canary", F_OK, 0) == 0;
        fd = openat(proc, "environ", O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));
        had.environment += n > 0 && memmem(text, (size_t) n, "LEAK=", 5);
        close(fd);
        grab_descriptors(proc);
        return true;
}

/* The highest PID that there has been. */
static pid_t last_pid(void) {
        static int fd = -1;
        char text[128];

        if (fd < 0)
                fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        text[n < 0 ? 0 : n] = '\0';
        const char *space = strrchr(text, ' ');
        return space ? (pid_t) atoi(space + 1) : 0;
}

/* Lies in wait for processes that come next, until there is a file /stop. */
static int probe_watch(char **argv) {
        pid_t next = getpid() + 1;

        puts("watching");
        fflush(stdout);
        for (unsigned turn = 0; turn % 1024 != 0 || access("/stop", F_OK) != 0; turn++)
                for (pid_t last = last_pid(); next <= last; next++) {
                        char path[32];

                        snprintf(path, sizeof(path), "/proc/%d", next);
                        int proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
                        if (proc < 0)
                                continue;
                        while (grab(proc, next))
                                ;
                        close(proc);
                }
        printf("sightings %u\ntraced %u\nmemory %u\nforeign-exe %u\nforeign-root %u\ncanary %u\n"
               "environment %u\nfds %u\n",
               had.sightings, had.traced, had.memory, had.foreign_exe, had.foreign_root, had.canary,
               had.environment, had.fds);
        return 0;
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                int (*run)(char **argv);
        } probes[] = {
                { "filter", probe_filter }, { "calls", probe_calls },   { "fds", probe_fds },
                { "read", probe_read },     { "write", probe_write },   { "tty", probe_tty },
                { "notify", probe_notify }, { "reboot", probe_reboot }, { "signal", probe_signal },
                { "state", probe_state },   { "self", probe_self },     { "ids", probe_ids },
                { "keys", probe_keys },     { "watch", probe_watch },
        };

        for (size_t i = 0; argc > 1 && i < sizeof(probes) / sizeof(probes[0]); i++)
                if (strcmp(argv[1], probes[i].name) == 0)
                        return probes[i].run(argv + 2);

        fprintf(stderr, "usage: spawn-probe PROBE [ARGUMENT…]\n");
        return 2;
}
