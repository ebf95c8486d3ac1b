/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop that stays while a machine runs, see keeper.h. It calls no library but libc, allocates next to
 * nothing and wakes up only when there is something to do: there is one of these per machine. */
#include "spawn/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/parse.h"
#include "base/proc.h"
#include "spawn/attach.h"
#include "spawn/bus-watch.h"
#include "spawn/network-address.h"
#include "spawn/console.h"
#include "spawn/front.h"
#include "spawn/listen-fds.h"
#include "spawn/notify.h"
#include "spawn/ports.h"
#include "spawn/shrink.h"

#define DRAIN_USEC (1000 * 1000)
/* So many notifications are still taken from a machine that has ended. */
#define LAST_WORDS_MAX 1000
/* How often, and for how long, a machine that is being stopped is looked at whether its init has come so
 * far that it hears it. */
#define ASK_AGAIN_USEC (UINT64_C(50) * 1000)
#define ASK_UNTIL_USEC (UINT64_C(10) * 1000 * 1000)

/* After so long without anything to do, what is not needed for waiting is let go of. */
#define IDLE_MSEC 2000

static const int taken_signals[] = { SIGTERM, SIGINT, SIGHUP, SIGWINCH, ATTACH_SIGNAL };

/* The descriptors that are polled; those of the console follow. */
enum {
        POLL_SIGNALS,
        POLL_LEADER,
        POLL_NOTIFY,
        POLL_BUS,
        POLL_ATTACH,
        POLL_HOLDER,
        POLL_PORTS,
        POLL_ADDRESS,
        POLL_NAMES,
        POLL_CONSOLE,
        _POLL_MAX = POLL_CONSOLE + PTY_FORWARD_FDS,
};

typedef struct Keeper {
        const Spec *spec;
        Run *run;
        int signals_fd;
        bool has_console;
        bool has_fd_store; /* the service manager keeps descriptors for us */
        bool is_ready;
        bool is_stopping;
        bool is_idle;       /* since something happened last, a while ago */
        uint64_t ask_until; /* the init has still to be asked to stop; 0 = it was, or need not be */
        uint64_t watchdog_usec; /* between two signs of life; 0 = nobody wants any */
        uint64_t watchdog_last;
        BusWatch bus;
        Attach attach;
        PtyForward console;
} Keeper;

static void fill_taken(sigset_t *set) {
        (void) sigemptyset(set);
        for (size_t i = 0; i < ELEMENTSOF(taken_signals); i++)
                (void) sigaddset(set, taken_signals[i]);
}

int keeper_prepare(const Spec *spec, Run *run, Error *e) {
        sigset_t taken;

        fill_taken(&taken);
        if (sigprocmask(SIG_BLOCK, &taken, NULL) < 0)
                return error_set(e, errno, "cannot block signals: %m");
        (void) signal(SIGPIPE, SIG_IGN);

        int fd = notify_socket(e);
        if (fd < 0)
                return fd;
        (void) fd_close(run->notify_fd); /* that of the run before a reboot */
        run->notify_fd = fd;
        return 0;
}

KeeperResult keeper_status(const siginfo_t *info, int *ret_status) {
        if (info->si_code == CLD_EXITED) {
                *ret_status = info->si_status == EXIT_REBOOT ? EXIT_FAILURE : info->si_status;
                return KEEPER_EXITED;
        }
        /* This is how the kernel tells the parent of a PID namespace about reboot(2) in it. */
        if (info->si_status == SIGHUP)
                return KEEPER_REBOOT;
        *ret_status = info->si_status == SIGINT ? 0 : 128 + info->si_status;
        return KEEPER_EXITED;
}

static void kill_leader(Keeper *k, int signal) {
        (void) proc_pidfd_signal(k->run->leader_fd, signal);
}

int keeper_shutdown_signal(const Spec *spec) {
        if (spec->kill_signal != KILL_SIGNAL_UNSET)
                return spec->kill_signal;
        return spec->start == START_BOOT ? SIGRTMIN + 3 : SIGKILL;
}

/* Asks the init to stop, once it would hear it: a signal that the init of a PID namespace does not take
 * is lost, and right after the start it takes none. */
static void ask(Keeper *k) {
        int signal = keeper_shutdown_signal(k->spec);

        if (k->ask_until == 0)
                return;
        if (signal != SIGKILL && proc_takes_signal(k->run->leader, signal) == 0 &&
            now_usec() < k->ask_until)
                return;
        kill_leader(k, signal);
        k->ask_until = 0;
}

/* Asks once, then kills. */
static void stop(Keeper *k) {
        if (k->is_stopping) {
                kill_leader(k, SIGKILL);
                return;
        }
        (void) notify_manager("STOPPING=1\nSTATUS=Stopping the machine.");
        k->is_stopping = true;
        k->ask_until = now_usec() + ASK_UNTIL_USEC;
        ask(k);
}

static void tell_started(Keeper *k) {
        char text[128];

        k->is_ready = !k->spec->notify_ready;
        (void) snprintf(text, sizeof text, "%sSTATUS=Machine started.\nX_NSPAWN_LEADER_PID=%d",
                        k->is_ready ? "READY=1\n" : "", k->run->leader);
        (void) notify_manager(text);
}

/* Whether it is we who carry what the console says. */
static bool is_pumping(const Keeper *k) {
        return k->has_console && k->attach.holder_fd < 0;
}

static void take_signal(Keeper *k) {
        struct signalfd_siginfo info;

        if (read(k->signals_fd, &info, sizeof info) != sizeof info)
                return;
        if (info.ssi_signo == ATTACH_SIGNAL)
                (void) attach_listen(&k->attach, k->spec->machine, k->run);
        else if (info.ssi_signo != SIGWINCH)
                stop(k);
        else if (is_pumping(k))
                pty_forward_resize(&k->console);
}

/* A terminal that somebody sits at is not taken away from them. */
static void lend_console(Keeper *k) {
        const bool in_use = k->run->front_fd >= 0 ||
                            (is_pumping(k) && k->spec->console == CONSOLE_INTERACTIVE &&
                             !k->run->is_detached);

        (void) attach_accept(&k->attach, k->has_console ? k->run->console_fd : -EBADF,
                             in_use ? "its console is the terminal it was started at" : NULL);
}

/* Whoever has the console back to themselves says nothing any more to a terminal that is not theirs. */
static void leave_terminal(Keeper *k) {
        _cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        for (int fd = 0; fd < 3 && null >= 0; fd++)
                (void) dup2(null, fd);
        k->run->front_fd = fd_close(k->run->front_fd);
        k->run->is_detached = true;
}

static void obey_front(Keeper *k) {
        HandshakeMessage m;
        int r = handshake_receive(k->run->front_fd, &m);

        if (r > 0 && m.type == HANDSHAKE_PHASE && m.number == FRONT_DETACH) {
                k->attach.holder_fd = -EBADF;
                leave_terminal(k);
                return;
        }
        if (r <= 0)
                k->attach.holder_fd = -EBADF;
        if (r > 0 && m.type == HANDSHAKE_PHASE && m.number == FRONT_POWEROFF)
                kill_leader(k, SIGRTMIN + 4);
        else if (r > 0 && m.type == HANDSHAKE_PHASE && m.number == FRONT_REBOOT)
                kill_leader(k, SIGRTMIN + 5);
        else
                kill_leader(k, SIGKILL);
}

/* A visitor has nothing to say but that they are gone. */
static void hear_holder(Keeper *k) {
        if (k->attach.holder_fd == k->run->front_fd) {
                obey_front(k);
                return;
        }
        k->attach.holder_fd = fd_close(k->attach.holder_fd);
        pty_forward_renew(&k->console);
}

/* What the payload wants kept for its next start, the service manager keeps for us. The name tells it from
 * what is ours; see listen-fds.c for the way back. */
static void pass_fds(const Keeper *k, const NotifyMessage *m) {
        const char *name = m->fd_name ? m->fd_name : "stored";
        char text[512];

        if (!k->has_fd_store)
                return;
        if (m->forget && m->fd_name) {
                (void) snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=" PAYLOAD_FD "%s",
                                name);
                (void) notify_manager(text);
        }
        if (m->store && !m->forget && m->n_fds > 0) {
                (void) snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=" PAYLOAD_FD "%s\nFDPOLL=0",
                                name);
                (void) notify_manager_fds(text, m->fds, m->n_fds);
        }
}

/* Return: whether there was one, from whomever. */
static bool take_notification(Keeper *k) {
        _cleanup_(notify_message_done) NotifyMessage m = {};
        char text[512] = "";
        int r = notify_receive(k->run->notify_fd, k->run->leader, k->has_fd_store, &m);

        if (r <= 0)
                return r == 0;
        pass_fds(k, &m);
        if (m.ready && !k->is_ready) {
                (void) notify_manager("READY=1\nSTATUS=Machine is ready.");
                k->is_ready = true;
        }
        if (m.status && !k->is_stopping) {
                (void) snprintf(text, sizeof text, "STATUS=Machine running: %s", m.status);
                (void) notify_manager(text);
        }
        return true;
}

static int pump_console(Keeper *k, const struct pollfd *fds, Error *e) {
        int event = pty_forward_step(&k->console, fds, e);

        switch (event) {
        case PTY_FORWARD_KEY_EXIT:
                kill_leader(k, SIGKILL);
                break;
        case PTY_FORWARD_KEY_POWEROFF:
                kill_leader(k, SIGRTMIN + 4);
                break;
        case PTY_FORWARD_KEY_REBOOT:
                kill_leader(k, SIGRTMIN + 5);
                break;
        case PTY_FORWARD_END:
                k->has_console = false;
                pty_forward_done(&k->console);
                break;
        default:
                break;
        }
        return MIN(event, 0);
}

static void show_life(Keeper *k) {
        if (k->watchdog_usec == 0 || now_usec() - k->watchdog_last < k->watchdog_usec / 2)
                return;
        (void) notify_manager("WATCHDOG=1");
        k->watchdog_last = now_usec();
}

static int wait_for_events(Keeper *k, struct pollfd fds[static _POLL_MAX], Error *e) {
        uint64_t msec = k->watchdog_usec == 0 ? UINT64_MAX : k->watchdog_usec / 1000;

        if (!k->is_idle)
                msec = MIN(msec, (uint64_t) IDLE_MSEC);
        if (k->ask_until != 0)
                msec = ASK_AGAIN_USEC / 1000;
        uint64_t network = MIN(ports_wait(k->run), network_address_wait(k->run));
        if (network != UINT64_MAX)
                msec = MIN(msec, network / 1000 + 1);
        fds[POLL_SIGNALS] = (struct pollfd){ .fd = k->signals_fd, .events = POLLIN };
        fds[POLL_LEADER] = (struct pollfd){ .fd = k->run->leader_fd, .events = POLLIN };
        fds[POLL_NOTIFY] = (struct pollfd){ .fd = k->run->notify_fd, .events = POLLIN };
        fds[POLL_BUS] = (struct pollfd){ .fd = k->bus.fd, .events = POLLIN };
        fds[POLL_ATTACH] = (struct pollfd){ .fd = k->attach.listen_fd, .events = POLLIN };
        fds[POLL_HOLDER] = (struct pollfd){ .fd = k->attach.holder_fd, .events = POLLIN };
        fds[POLL_PORTS] = (struct pollfd){ .fd = ports_poll(k->run), .events = POLLIN };
        fds[POLL_ADDRESS] = (struct pollfd){ .fd = k->run->address_watch_fd, .events = POLLIN };
        fds[POLL_NAMES] = (struct pollfd){ .fd = network_address_poll(k->run), .events = POLLIN };
        if (is_pumping(k))
                pty_forward_poll(&k->console, fds + POLL_CONSOLE);
        nfds_t n = is_pumping(k) ? _POLL_MAX : POLL_CONSOLE;
        int wait = msec == UINT64_MAX ? -1 : (int) MIN(msec, (uint64_t) INT32_MAX);
        int r = k->is_idle ? shrink_and_wait(fds, n, wait) : poll(fds, n, wait);
        if (r < 0 && !k->is_idle)
                r = -errno;
        if (r < 0 && r != -EINTR)
                return error_set(e, r, "cannot wait for the machine: %m");
        k->is_idle = r == 0 && k->ask_until == 0;
        if (r <= 0)
                for (nfds_t i = 0; i < n; i++)
                        fds[i].revents = 0;
        show_life(k);
        ask(k);
        return 0;
}

static int loop(Keeper *k, Error *e) {
        struct pollfd fds[_POLL_MAX];

        for (;;) {
                int r = wait_for_events(k, fds, e);
                if (r < 0)
                        return r;
                if (fds[POLL_SIGNALS].revents)
                        take_signal(k);
                if (fds[POLL_NOTIFY].revents)
                        (void) take_notification(k);
                if (fds[POLL_BUS].revents && bus_watch_read(&k->bus) && !k->is_stopping)
                        stop(k);
                ports_step(k->spec, k->run, fds[POLL_PORTS].revents);
                if (is_pumping(k)) {
                        r = pump_console(k, fds + POLL_CONSOLE, e);
                        if (r < 0)
                                return r;
                }
                if (fds[POLL_HOLDER].revents)
                        hear_holder(k);
                if (fds[POLL_ATTACH].revents)
                        lend_console(k);
                if (fds[POLL_ADDRESS].revents)
                        network_address_restore(k->run);
                if (fds[POLL_NAMES].revents)
                        network_address_see(k->run);
                if (fds[POLL_LEADER].revents) {
                        /* Its last words may have come with its end. */
                        for (unsigned i = 0; i < LAST_WORDS_MAX && take_notification(k); i++)
                                ;
                        return 0;
                }
        }
}

static bool fd_store_is_offered(void) {
        const char *size = getenv("FDSTORE");
        uint64_t n;

        return size && parse_u64(size, 1, UINT64_MAX, &n) >= 0;
}

/* Half of what the service manager asks for, as it recommends. */
static uint64_t watchdog_interval(void) {
        const char *usec = getenv("WATCHDOG_USEC"), *owner = getenv("WATCHDOG_PID");
        uint64_t v;
        pid_t pid;

        if (!usec || parse_u64(usec, 1, UINT64_MAX, &v) < 0)
                return 0;
        if (owner && (parse_pid(owner, &pid) < 0 || pid != getpid()))
                return 0;
        return MAX(v / 2, (uint64_t) 1000);
}

static int keeper_open(Keeper *k, Error *e) {
        sigset_t taken;

        fill_taken(&taken);
        k->signals_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
        if (k->signals_fd < 0)
                return error_set(e, errno, "cannot wait for signals: %m");
        if (k->run->console_fd < 0)
                return 0;

        bool elsewhere = k->run->front_fd >= 0 || k->run->is_detached;
        int r = console_open(elsewhere ? CONSOLE_PASSIVE : k->spec->console, k->spec->background,
                             k->run->console_fd, &k->console, e);
        if (r < 0)
                return r;
        k->has_console = true;
        if (k->run->front_fd < 0)
                return 0;
        /* What the terminal signals goes to who is at it from now on. */
        (void) setsid();
        k->attach.holder_fd = k->run->front_fd;
        r = handshake_send_fd(k->run->front_fd, 0, k->run->console_fd);
        return r < 0 ? error_set(e, r, "cannot hand over the console: %m") : 0;
}

static void keeper_close(Keeper *k) {
        if (k->has_console) {
                if (is_pumping(k))
                        pty_forward_drain(&k->console, DRAIN_USEC);
                pty_forward_done(&k->console);
        }
        (void) fd_close(k->signals_fd);
}

int keeper_run(const Spec *spec, Run *run, int *ret_status, Error *e) {
        Keeper k = { .spec = spec,
                     .run = run,
                     .attach = ATTACH_NULL,
                     .watchdog_usec = watchdog_interval(),
                     .has_fd_store = fd_store_is_offered() };
        siginfo_t info = {};

        k.bus.fd = run->bus_fd;
        k.bus.manager = run->bus_manager;
        int r = keeper_open(&k, e);

        if (r >= 0) {
                tell_started(&k);
                r = loop(&k, e);
        }
        if (r < 0)
                kill_leader(&k, SIGKILL);

        int wait_result = proc_wait(run->leader_fd, &info);
        keeper_close(&k);
        run->leader = 0;
        run->leader_fd = fd_close(run->leader_fd);
        if (r >= 0 && wait_result < 0)
                r = error_set(e, wait_result, "cannot learn how the machine ended: %m");
        if (r >= 0)
                r = (int) keeper_status(&info, ret_status);
        attach_end(&k.attach, spec->machine, run->front_fd,
                   r < 0                ? EXIT_SETUP
                   : r == KEEPER_REBOOT ? -1
                                        : *ret_status);
        return r;
}
