/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a command and does harm at one system call of one of its processes: of the command itself, number
 * 0, or of the processes it makes, in their order. Payloads are let go when they are executed.
 *
 *   spawn-fault list                 FILE COMMAND...  writes "PROCESS CALL NAME" for every call
 *   spawn-fault kill PROCESS CALL    FILE COMMAND...  kills the command when that call is entered
 *   spawn-fault die  PROCESS CALL    FILE COMMAND...  kills the process that makes the call
 *   spawn-fault fail PROCESS CALL ERRNO FILE COMMAND... lets the call fail without having been made
 *   spawn-fault hold PROCESS CALL MSEC FILE COMMAND...  lets the call wait, but nobody else
 *
 * FILE gets one line "PROCESS CALL NAME" for what was hit; it stays empty when nothing was. The exit
 * status is that of the command, 128 and the signal if it was killed, and 99 when we cannot go on or
 * processes are left three seconds after the command has ended, which are killed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 64
#define TROUBLE       99
#define PATIENCE_MSEC 3000

typedef enum Mode { LIST, KILL, DIE, FAIL, HOLD } Mode;

typedef struct Process {
        pid_t pid;
        long calls;
        bool is_traced;
        bool fails; /* the result of the call it is in is to be replaced */
} Process;

static Process processes[PROCESSES_MAX];
static size_t n_processes;

static struct {
        Mode mode;
        size_t process;
        long call;
        int error;
        int64_t msec;
        Process *held;
        int64_t held_until;
        bool done;
        FILE *log;
} job;

static void give_up(const char *what) {
        fprintf(stderr, "spawn-fault: %s: %s\n", what, strerror(errno));
        if (n_processes > 0)
                (void) kill(processes[0].pid, SIGKILL);
        _exit(TROUBLE);
}

static Process *find(pid_t pid) {
        for (size_t i = 0; i < n_processes; i++)
                if (processes[i].pid == pid)
                        return processes + i;
        if (n_processes == PROCESSES_MAX) {
                errno = ENOBUFS;
                give_up("too many processes");
        }
        processes[n_processes] = (Process){ .pid = pid, .is_traced = true };
        return processes + n_processes++;
}

static int64_t now_msec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Who is gone meanwhile is waited for like everybody. */
static void let_run(Process *p, int request, int signal) {
        (void) ptrace((enum __ptrace_request) request, p->pid, NULL, (void *) (intptr_t) signal);
        if (request == PTRACE_DETACH)
                p->is_traced = false;
}

/* Every stop costs time: those who are of no interest are only stopped when they make processes. */
static void go_on(Process *p, int signal) {
        bool watched = job.mode == LIST ||
                       (p == processes + job.process && (!job.done || p->fails));

        let_run(p,
                job.done && !watched ? PTRACE_DETACH
                : watched            ? PTRACE_SYSCALL
                                     : PTRACE_CONT,
                signal);
}

static void note(const Process *p, uint64_t number) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int) number);

        fprintf(job.log, "%zu %ld %s\n", (size_t) (p - processes), p->calls, name ? name : "?");
        free(name);
}

#ifdef __x86_64__
static void skip_call(pid_t pid) {
        struct user_regs_struct regs;

        if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
                give_up("cannot read registers");
        regs.orig_rax = (unsigned long long) -1;
        if (ptrace(PTRACE_SETREGS, pid, NULL, &regs) < 0)
                give_up("cannot write registers");
}

static void set_result(pid_t pid, int error) {
        struct user_regs_struct regs;

        if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
                give_up("cannot read registers");
        regs.rax = (unsigned long long) -error;
        if (ptrace(PTRACE_SETREGS, pid, NULL, &regs) < 0)
                give_up("cannot write registers");
}
#else
static void skip_call(pid_t pid) {
        (void) pid;
        errno = EOPNOTSUPP;
        give_up("calls fail on x86-64 only");
}

static void set_result(pid_t pid, int error) {
        (void) pid;
        (void) error;
}
#endif

static void detach_all(void) {
        for (size_t i = 1; i < n_processes; i++)
                if (processes[i].is_traced)
                        let_run(processes + i, PTRACE_DETACH, 0);
}

/* The others go on only when the command is dead. */
static void kill_command(void) {
        siginfo_t info;

        (void) kill(processes[0].pid, SIGKILL);
        (void) waitid(P_PID, (id_t) processes[0].pid, &info, WEXITED | WNOWAIT);
}

static void harm(Process *p, uint64_t number) {
        job.done = true;
        /* None fails like that, and all leave a mess if they do; another call was meant. */
        if (job.mode == FAIL && (number == SYS_close || number == SYS_brk || number == SYS_futex))
                return;
        note(p, number);
        if (job.mode == KILL)
                kill_command();
        else if (job.mode == DIE)
                (void) kill(p->pid, SIGKILL);
        else if (job.mode == HOLD) {
                job.held = p;
                job.held_until = now_msec() + job.msec;
        } else {
                skip_call(p->pid);
                p->fails = true;
        }
}

static void take_call(Process *p) {
        struct __ptrace_syscall_info info;

        if (ptrace(PTRACE_GET_SYSCALL_INFO, p->pid, (void *) sizeof info, &info) < 0)
                return;
        if (info.op == PTRACE_SYSCALL_INFO_EXIT && p->fails) {
                set_result(p->pid, job.error);
                p->fails = false;
        }
        if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
                return;
        p->calls++;
        if (job.mode == LIST)
                note(p, info.entry.nr);
        else if (!job.done && p == processes + job.process && p->calls == job.call)
                harm(p, info.entry.nr);
}

/* The payload is executed by what lies in a file in memory. */
static bool is_payload(pid_t pid) {
        static const char name[] = "/memfd:";
        char path[64], target[256];

        (void) snprintf(path, sizeof path, "/proc/%d/exe", pid);
        ssize_t n = readlink(path, target, sizeof target);
        return n > (ssize_t) sizeof name && memcmp(target, name, sizeof name - 1) == 0;
}

static void take_stop(Process *p, int status) {
        int signal = WSTOPSIG(status), event = status >> 16;

        if (signal == (SIGTRAP | 0x80)) {
                take_call(p);
                if (p != job.held)
                        go_on(p, 0);
        } else if (event == PTRACE_EVENT_EXEC && is_payload(p->pid))
                let_run(p, PTRACE_DETACH, 0);
        else if (event != 0 || signal == SIGSTOP) /* a new one starts with a stop */
                go_on(p, 0);
        else
                go_on(p, signal);
}

static void start(char **argv) {
        pid_t pid = fork();
        int status;

        if (pid < 0)
                give_up("cannot fork");
        if (pid == 0) {
                (void) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
                (void) raise(SIGSTOP);
                (void) execv(argv[0], argv);
                give_up(argv[0]);
        }
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
                give_up("cannot start");
        if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
                   (void *) (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                             PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL)) < 0)
                give_up("cannot trace");
        /* What we do before it is executed is none of its calls. */
        (void) ptrace(PTRACE_CONT, pid, NULL, NULL);
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
            status >> 16 != PTRACE_EVENT_EXEC)
                give_up("cannot execute");
        go_on(find(pid), 0);
}

/* Waking up another processor is slow, above all where it is a virtual one. */
static void stay_on_one_processor(void) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((size_t) MAX(sched_getcpu(), 0), &set);
        (void) sched_setaffinity(0, sizeof set, &set);
}

static int exit_status(int status) {
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Until the command has ended. */
static int follow(void) {
        for (;;) {
                int status;
                pid_t pid = waitpid(-1, &status, __WALL | (job.held ? WNOHANG : 0));

                if (pid < 0)
                        give_up("cannot wait");
                if (pid == 0) {
                        if (now_msec() >= job.held_until) {
                                Process *p = job.held;
                                job.held = NULL;
                                go_on(p, 0);
                        }
                        (void) poll(NULL, 0, 1);
                        continue;
                }
                if (WIFSTOPPED(status))
                        take_stop(find(pid), status);
                else {
                        find(pid)->is_traced = false;
                        if (pid == processes[0].pid)
                                return exit_status(status);
                }
        }
}

static void kill_rest(void) {
        char path[64], text[4096], *save = NULL;
        int fd;

        (void) snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, text, sizeof text - 1);
        (void) close(fd);
        text[n < 0 ? 0 : n] = '\0';
        for (char *t = strtok_r(text, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
                fprintf(stderr, "spawn-fault: process %s is left\n", t);
                (void) kill(atoi(t), SIGKILL);
        }
}

/* What the command left runs on untraced, and has come to us. */
static int wait_for_rest(void) {
        int64_t end = now_msec() + PATIENCE_MSEC;
        bool late = false;

        for (;;) {
                int status;
                pid_t pid = waitpid(-1, &status, __WALL | WNOHANG);

                if (pid < 0)
                        return late ? TROUBLE : 0;
                if (pid > 0) {
                        if (WIFSTOPPED(status))
                                let_run(find(pid), PTRACE_DETACH, 0);
                        continue;
                }
                if (!late && now_msec() > end) {
                        kill_rest();
                        late = true;
                }
                (void) poll(NULL, 0, 1);
        }
}

int main(int argc, char **argv) {
        static const char *const modes[] = { "list", "kill", "die", "fail", "hold" };
        static const int n_arguments[] = { 0, 2, 2, 3, 3 };
        size_t mode = 0;

        while (mode < 5 && argc > 1 && strcmp(argv[1], modes[mode]) != 0)
                mode++;
        if (argc < 2 || mode == 5 || argc < 4 + n_arguments[mode])
                return TROUBLE;
        job.mode = (Mode) mode;
        if (mode != LIST) {
                job.process = strtoul(argv[2], NULL, 10);
                job.call = strtol(argv[3], NULL, 10);
        }
        if (mode == FAIL)
                job.error = (int) strtol(argv[4], NULL, 10);
        if (mode == HOLD)
                job.msec = strtol(argv[4], NULL, 10);
        argv += 2 + n_arguments[mode];
        job.log = fopen(argv[0], "we");
        if (!job.log)
                give_up(argv[0]);
        (void) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

        stay_on_one_processor();
        start(argv + 1);
        int status = follow();
        detach_all();
        int left = wait_for_rest();
        (void) fclose(job.log);
        return left ? left : status;
}
