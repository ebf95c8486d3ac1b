/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the first process of a machine is confined by, for those that join it (join-target.h). Its system call
 * filters are the kernel's alone to tell, and that takes a look with ptrace(2), which is had from a process
 * of its own: however that ends, the machine goes on. */
#include "spawn/join-target.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/proc.h"
#include "spawn/runtime.h"

#ifndef PTRACE_SECCOMP_GET_FILTER
#define PTRACE_SECCOMP_GET_FILTER 0x420c
#endif

#define STOP_TRIES   200 /* one a millisecond */
#define FILTERS_MAX  32
#define PROGRAM_MAX  4096 /* of the kernel: BPF_MAXINSNS */
#define FDS_SOFT     1024
#define FDS_HARD_MAX (512 * 1024)

/* In the process that looks. Return: number of instructions; 0 there are no more; -errno. */
static long get_filter(pid_t pid, unsigned long i, struct sock_filter *to) {
        long n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, i, NULL);

        if (n < 0)
                return errno == ENOENT ? 0 : -errno;
        if (n > PROGRAM_MAX)
                return -E2BIG;
        return ptrace(PTRACE_SECCOMP_GET_FILTER, pid, i, to) < 0 ? -errno : n;
}

/* Each program is its length and itself; a length of 0 ends them. */
_noreturn_ static void look(pid_t pid, int out) {
        static struct sock_filter program[PROGRAM_MAX];
        unsigned tries = 0;
        int status;
        long n = 1;

        if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
            ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0)
                _exit(1);
        while (waitpid(pid, &status, WNOHANG | __WALL) != pid) {
                if (tries++ >= STOP_TRIES)
                        _exit(1);
                (void) usleep(1000);
        }
        for (unsigned long i = 0; i < FILTERS_MAX && n > 0; i++) {
                n = get_filter(pid, i, program);
                if (n < 0 || fd_write_all(out, &n, sizeof n) < 0 ||
                    fd_write_all(out, program, (size_t) n * sizeof *program) < 0)
                        _exit(1);
        }
        (void) ptrace(PTRACE_DETACH, pid, NULL, NULL);
        _exit(n == 0 ? 0 : 1);
}

static int take_filters(int in, JoinRequest *q) {
        for (unsigned i = 0; i <= FILTERS_MAX; i++) {
                struct sock_filter program[PROGRAM_MAX];
                long n;

                if (fd_read(in, &n, sizeof n) != sizeof n || n < 0 || n > PROGRAM_MAX)
                        return -ENODATA;
                if (n == 0)
                        return 0;
                if (fd_read(in, program, (size_t) n * sizeof *program) !=
                    (ssize_t) ((size_t) n * sizeof *program))
                        return -ENODATA;
                if (join_request_add_filter(q, program, (size_t) n) < 0)
                        return -ENOMEM;
        }
        return -E2BIG;
}

static void drop_filters(JoinRequest *q) {
        while (q->n_filters > 0)
                free(q->filters[--q->n_filters].filter);
}

/* Return: 0 and the filters; -ENODATA the kernel does not let us see them; -ENOMEM. */
static int seen_filters(pid_t pid, JoinRequest *q) {
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -ENODATA;
        pid_t child = fork();
        if (child == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                look(pid, pair[1]);
        }
        (void) close(pair[1]);
        int r = child < 0 ? -ENODATA : take_filters(pair[0], q);
        (void) close(pair[0]);
        if (child > 0)
                (void) waitpid(child, NULL, 0);
        if (r < 0)
                drop_filters(q);
        return r == -ENOMEM ? r : MIN(r, 0);
}

/* As hexadecimal digits. */
static int noted_filter(const char *hex, JoinRequest *q) {
        size_t n = strlen(hex) / 2 / sizeof(struct sock_filter);
        _cleanup_free_ struct sock_filter *program = calloc(MAX(n, (size_t) 1), sizeof *program);

        if (!program)
                return -ENOMEM;
        if (n == 0 || n > PROGRAM_MAX || strlen(hex) != n * 2 * sizeof *program ||
            hex_parse(hex, (uint8_t *) program, n * sizeof *program) < 0)
                return -EBADMSG;
        return join_request_add_filter(q, program, n);
}

int join_note_filter(const SeccompProgram *filter, Run *run, Error *e) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *bytes = (const uint8_t *) filter->filter;
        const size_t n = filter->n * sizeof *filter->filter;
        _cleanup_free_ char *hex = NULL;

        if (n == 0)
                return runtime_note(run, RUNTIME_NOTE_FILTER, "none", e);
        hex = malloc(2 * n + 1);
        if (!hex)
                return error_oom(e);
        for (size_t i = 0; i < n; i++) {
                hex[2 * i] = digits[bytes[i] >> 4];
                hex[2 * i + 1] = digits[bytes[i] & 15];
        }
        hex[2 * n] = '\0';
        return runtime_note(run, RUNTIME_NOTE_FILTER, hex, e);
}

/* Return: 1 it is known what the machine was started with; 0 it is not; -errno. */
static int own_filter(const JoinTarget *t, JoinRequest *q) {
        _cleanup_free_ char *name = NULL, *noted = NULL;
        pid_t supervisor = t->supervisor;

        if (supervisor == 0 || runtime_find(NULL, &supervisor, &name) < 0)
                return 0;
        int r = runtime_read_note(name, RUNTIME_NOTE_FILTER, &noted);
        if (r == -ENODATA)
                return 0;
        if (r < 0 || streq(noted, "none"))
                return r < 0 ? r : 1;
        r = noted_filter(noted, q);
        return r < 0 ? r : 1;
}

static int default_filter(const JoinTarget *t, JoinRequest *q, Error *e) {
        const SeccompRequest request = {
                .caps = t->limits.bounding,
                .host_users = !(t->clone & CLONE_NEWUSER),
        };
        SeccompPlan plan;
        int r = seccomp_plan(&request, &plan, e);

        if (r < 0)
                return r;
        return join_request_add_filter(q, plan.filter, plan.n) < 0 ? error_oom(e) : 0;
}

static int confine_calls_alike(const JoinTarget *t, JoinRequest *q, Error *e) {
        if (!t->limits.filtered)
                return 0;
        int r = own_filter(t, q);
        if (r == 0 && t->supervisor == 0) {
                r = seen_filters(t->pid, q);
                r = r == -ENODATA || r == -E2BIG ? 0 : r < 0 ? r : 1;
        }
        if (r < 0)
                return error_set(e, r, "cannot learn the system call filter of %s: %m", t->name);
        return r == 0 ? default_filter(t, q, e) : 0;
}

static int proc_line(const JoinTarget *t, const char *file, char **ret) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/%s", t->pid, file);
        return file_read_line(AT_FDCWD, path, ret);
}

/* Where no security module answers, there are no labels. */
static int read_labels(const JoinTarget *t, JoinRequest *q) {
        _cleanup_free_ char *apparmor = NULL, *selinux = NULL;

        if (access("/sys/fs/selinux/enforce", F_OK) >= 0 &&
            proc_line(t, "attr/current", &selinux) >= 0 && strchr(selinux, ':'))
                q->selinux = TAKE_PTR(selinux);
        else if (proc_line(t, "attr/apparmor/current", &apparmor) >= 0) {
                char *mode = strstr(apparmor, " (");
                if (mode && !streq(mode, " (unconfined)")) {
                        *mode = '\0';
                        q->apparmor = TAKE_PTR(apparmor);
                }
        }
        return 0;
}

static int read_limits(const JoinTarget *t, JoinRequest *q) {
        for (int i = 0; i < LIMITS_MAX; i++) {
                struct rlimit theirs, ours;

                if (prlimit(t->pid, (__rlimit_resource_t) i, NULL, &theirs) < 0)
                        return -errno;
                /* An init raises its own so far that others would be slow with it. */
                if (i == RLIMIT_NOFILE) {
                        theirs.rlim_max = MIN(theirs.rlim_max, (rlim_t) FDS_HARD_MAX);
                        theirs.rlim_cur = MIN(theirs.rlim_max, (rlim_t) FDS_SOFT);
                }
                if (getrlimit((__rlimit_resource_t) i, &ours) >= 0 &&
                    ours.rlim_cur == theirs.rlim_cur && ours.rlim_max == theirs.rlim_max)
                        continue;
                q->limits[i] = (Limit){ theirs.rlim_cur, theirs.rlim_max, true };
        }
        return 0;
}

static int read_resources(const JoinTarget *t, JoinRequest *q) {
        _cleanup_free_ char *oom = NULL, *persona = NULL;
        _cleanup_free_ CpuSet *ours = calloc(1, sizeof *ours);

        q->cpus = calloc(1, sizeof *q->cpus);
        if (!q->cpus || !ours)
                return -ENOMEM;
        if (sched_getaffinity(t->pid, sizeof *q->cpus, (cpu_set_t *) q->cpus) < 0)
                return -errno;
        if (sched_getaffinity(0, sizeof *ours, (cpu_set_t *) ours) >= 0 &&
            memcmp(ours, q->cpus, sizeof *ours) == 0)
                free(TAKE_PTR(q->cpus));

        int r = proc_line(t, "oom_score_adj", &oom);
        int32_t score;
        if (r < 0)
                return r;
        if (parse_i32(oom, &score) >= 0)
                q->oom_score_adjust = score;
        if (proc_line(t, "personality", &persona) >= 0) {
                unsigned long v = strtoul(persona, NULL, 16);
                if (v <= INT32_MAX && v != (unsigned long) personality(0xffffffff))
                        q->personality = (int) v;
        }
        return 0;
}

int join_target_confine(const JoinTarget *t, JoinRequest *q, Error *e) {
        q->capabilities = (JoinCapabilities){
                .bounding = t->limits.bounding,
                .permitted = t->limits.bounding,
                .effective = t->limits.bounding,
        };
        q->no_new_privileges = t->limits.no_new_privs;
        int r = read_limits(t, q);
        if (r >= 0)
                r = read_resources(t, q);
        if (r >= 0)
                r = read_labels(t, q);
        if (r < 0)
                return error_set(e, r == -ENOENT ? ESRCH : r, "cannot look at what confines %s: %m",
                                 t->name);
        return confine_calls_alike(t, q, e);
}
