/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stub init of --as-pid2. It has no descriptors and nobody to talk to: it reports by how it ends. */
#include "spawn/stub-init.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_SECONDS 90 /* how long the payload has from SIGTERM on */

typedef enum Wish {
        WISH_NOTHING,
        WISH_POWEROFF,
        WISH_REBOOT,
} Wish;

/* What a signal to PID 1 asks for, as an init would understand it. */
static Wish wish_of(int signal) {
        static const struct {
                int number; /* from SIGRTMIN */
                Wish wish;
        } real_time[] = {
                { 3, WISH_POWEROFF },  { 4, WISH_POWEROFF }, { 13, WISH_POWEROFF },
                { 14, WISH_POWEROFF }, { 5, WISH_REBOOT },   { 6, WISH_REBOOT },
                { 15, WISH_REBOOT },   { 16, WISH_REBOOT },
        };

        if (signal == SIGINT)
                return WISH_REBOOT;
        for (size_t i = 0; i < ELEMENTSOF(real_time); i++)
                if (signal == SIGRTMIN + real_time[i].number)
                        return real_time[i].wish;
        return WISH_NOTHING;
}

/* Reaps whatever has ended. Exits when that was the payload, unless we are on our way down. */
static void reap(pid_t child, Wish wish) {
        for (;;) {
                int status;
                pid_t pid = waitpid(-1, &status, WNOHANG);

                if (pid <= 0)
                        return;
                if (pid != child)
                        continue;
                if (wish == WISH_NOTHING)
                        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
                (void) reboot(wish == WISH_REBOOT ? RB_AUTOBOOT : RB_POWER_OFF);
                _exit(wish == WISH_REBOOT ? 255 : 0);
        }
}

/* The command line has paths of the host in it; ps is to show a name instead. */
static void rename_process(char **argv) {
        static const char name[] = "skep-init";
        size_t n = strlen(argv[0]);

        for (char **a = argv + 1; *a; a++)
                memset(*a, 0, strlen(*a));
        memset(argv[0], 0, n);
        memcpy(argv[0], name, MIN(n, sizeof name - 1));
        (void) prctl(PR_SET_NAME, name);
}

_noreturn_ void stub_init_run(pid_t child, char **argv) {
        Wish wish = WISH_NOTHING;
        sigset_t all;

        rename_process(argv);
        (void) sigfillset(&all);
        (void) sigprocmask(SIG_BLOCK, &all, NULL);
        (void) close_range(0, ~0U, 0);

        for (;;) {
                const struct timespec patience = { .tv_sec = STOP_SECONDS };
                int signal;

                reap(child, wish);
                signal = wish == WISH_NOTHING ? sigwaitinfo(&all, NULL)
                                              : sigtimedwait(&all, NULL, &patience);
                if (signal < 0 && errno == EAGAIN) {
                        (void) reboot(wish == WISH_REBOOT ? RB_AUTOBOOT : RB_POWER_OFF);
                        _exit(255);
                }
                if (signal < 0 || wish != WISH_NOTHING || wish_of(signal) == WISH_NOTHING)
                        continue;
                wish = wish_of(signal);
                (void) kill(child, SIGTERM);
                (void) kill(child, SIGCONT);
                (void) kill(child, SIGHUP);
        }
}
