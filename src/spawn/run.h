/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One start of a machine: what is open, who is running, what is to be taken back. Belongs to the
 * supervisor; children have their copy of it, and tell the supervisor by the handshake socket.
 *
 * Who does what, in this order:
 *
 *   PHASE_HOST    supervisor  before any child: lock, runtime file, control group, sources of mounts
 *   PHASE_BUILD   builder     in a mount namespace of its own, still with the host's privileges: root,
 *                             API file systems, devices. Without a user namespace builder and PID 1
 *                             are the same process; with one the builder ends after this phase.
 *   PHASE_INNER   PID 1       in all namespaces of the machine: proc, cgroup, console
 *   PHASE_HOOKS   supervisor  while PID 1 waits: hooks that want to see the machine built
 *   PHASE_ENTER   PID 1       hooks inside, and then its root becomes "/"
 *   PHASE_ATTACH  supervisor  while PID 1 waits: network interfaces, registration
 *   PHASE_FINAL   PID 1       limits, identity, capabilities, filter; then it executes the payload
 *
 * Over the socket a child says HANDSHAKE_FD for each RunFd. Where the supervisor has something to do in
 * PHASE_HOOKS, PID 1 says HANDSHAKE_PHASE(PHASE_INNER) when that is done, and waits for
 * HANDSHAKE_PHASE(PHASE_HOOKS); the same with PHASE_ENTER and PHASE_ATTACH. HANDSHAKE_NOTE may come at any time.
 * End of file without an error or RUN_ID_EXECUTE: the payload runs, or waits at the gate.
 * HANDSHAKE_ERROR: why it does not; before it comes HANDSHAKE_ID(RUN_ID_EXIT) if the exit status is not 125.
 *
 * A machine that outlives its supervisor (spec->stays) is killed with it until PHASE_HOOKS is done, by when
 * somebody has written down that it exists. If there is a gate, the payload is executed once somebody has written
 * a byte to it; what would come over the socket then comes out of run->outcome_fd. */
#pragma once

#include "spawn/spec.h"

typedef enum Phase {
        PHASE_HOST,
        PHASE_BUILD,
        PHASE_INNER,
        PHASE_HOOKS,
        PHASE_ENTER,
        PHASE_ATTACH,
        PHASE_FINAL,
        _PHASE_MAX,
} Phase;

typedef enum RunFd {
        RUN_FD_LEADER,  /* pidfd of PID 1, when the builder made it */
        RUN_FD_CONSOLE, /* terminal side that we hold ("master") */
        RUN_FD_KMSG,    /* FIFO behind /proc/kmsg, held open and never read */
        RUN_FD_EXPORT,  /* our own view of what the machine exports, see exchange.h */
        /* to PID 1: files that tell hooks of the container, see oci-hooks.h */
        RUN_FD_CREATING,
        RUN_FD_CREATED,
        _RUN_FD_MAX,
} RunFd;

typedef enum RunId {
        RUN_ID_EXIT,    /* exit status for the error that follows: 126 or 127 */
        RUN_ID_EXECUTE, /* the payload was not executed: errno; from skep-init, which ends */
        RUN_ID_LABEL,   /* it could not be given its label: errno; the same */
        RUN_ID_HOOK, /* a startContainer hook failed: its number, which end it took and how, see RunHookEnd */
        RUN_ID_JOINED,   /* see join.h: PID of the command, as its parent sees it */
        RUN_ID_FORK,     /* it could not be made: errno */
        RUN_ID_TERMINAL, /* it could not be given its terminal: errno */
        RUN_ID_LISTENER, /* PID 1 is about to load a filter that asks, see oci-listener.h */
        RUN_ID_FILTER,   /* its filter of system calls could not be loaded: errno */
        _RUN_ID_MAX,
} RunId;

/* How a hook ended that skep-init ran: NUMBER << 32 | RunHookEnd << 16 | errno, exit status or signal */
typedef enum RunHookEnd {
        RUN_HOOK_NOT_STARTED,
        RUN_HOOK_EXITED,
        RUN_HOOK_KILLED,
        RUN_HOOK_TOO_SLOW,
} RunHookEnd;

/* Exit statuses of skep-spawn itself */
enum {
        EXIT_SETUP = 125,
        EXIT_NOT_EXECUTABLE = 126,
        EXIT_NOT_FOUND = 127,
        EXIT_REBOOT = 133,
};

#define RUN_BASES 4

typedef struct Run {
        /* made once, kept over reboots of the payload */
        int lock_fd;         /* our locked file in /run/skep/spawn */
        char *runtime;       /* a folder of the host that a mount namespace of our own may cover */
        int front_fd;        /* who has the terminal, see front.h; -EBADF = nobody, or no more */
        bool is_detached;    /* they went, the machine runs on */
        int notify_fd;       /* datagram socket bound to /run/host/notify inside */
        int ephemeral_fd;    /* mount namespace that holds an upper layer in memory, or */
        int memory_fd;       /* detached tmpfs that it is in */
        char *cgroup;        /* path of the machine's group below the cgroup2 mount, "/…" */
        bool cgroup_is_ours; /* we made it, we remove it */
        int cgroup_fd;       /* directory of the group that PID 1 starts in */
        Id128 uuid;          /* as the payload sees it */
        uid_t uid_base;      /* host's ID of root inside; 0 without a user namespace */
        IdRanges ids;        /* those of the machine; empty without a user namespace */
        int range_lock_fd;   /* of a picked range, see id-lock.h */
        int ids_lock_fd;     /* of any range */
        bool exchange_is_noted; /* its folders, in the runtime file */
        bool has_scope;         /* register_scope() made one */
        bool is_registered;     /* machined knows the machine from us */
        int scope_fd;           /* keeps the placeholder of register_scope(); closing it ends it */
        int bus_fd;             /* connection that is the scope's controller; -EBADF = none */
        uint64_t bus_manager;   /* the service manager is ":1.N" on it */
        int scope_pidfd;        /* that placeholder */
        struct NetworkMade *network; /* interfaces, see network.h; as many as the plan has */
        struct Member *member;    /* addresses of the machine, see network-address.h; NULL = none */
        bool address_is_noted;    /* in the runtime file */
        int address_watch_fd;     /* readable when the host lost an address of the link */
        int name_watch_fd;        /* readable when the machine's own addresses have changed */
        uint64_t name_rest_until; /* CLOCK_MONOTONIC, µs: not before that again */
        size_t n_network;
        struct Lending *lending; /* interfaces of the host, see network-lend.h */
        bool zone_is_noted;      /* in the runtime file */
        struct Ports *ports;     /* see ports.h; NULL = there are none */
        struct Scratch *scratch; /* throw-away directories, see scratch.h */
        size_t n_scratch;
        struct Joined *joined;          /* see oci-join.h */
        struct BoundUsers *bound_users; /* see bound-user.h */
        bool cgroup_is_noted;           /* in the runtime file */

        /* of a machine that outlives us */
        int gate_fd; /* FIFO that the payload waits at, open for reading and writing; -EBADF = none */
        int outcome_fd;                /* FIFO that tells why it was not executed */
        struct ListenerPage *listener; /* shared with PID 1, see oci-listener.h; NULL = none */
        struct OciState *oci_state;    /* what hooks are told; NULL = there are none */

        /* per start */
        pid_t leader;   /* PID 1 of the payload, as we see it; 0 = none */
        int leader_fd;  /* pidfd */
        int console_fd; /* see RunFd */
        int kmsg_fd;
        int netns_fd;
        int netns_sock;     /* for netlink in it; -EBADF = nobody needs one */
        int watch_fd;       /* tells when addresses in it change, see ports.h */
        int incoming_fd;    /* see exchange.h */
        int export_fd;      /* the machine's, until it is attached */
        int export_view_fd; /* ours */
        int journal_fd;     /* socket of the journal's receiver */
        int journal_pidfd;  /* that receiver */
        int handshake_fd;
        int exit_status; /* for an error that came from PID 1; 0 = none said */

        /* of the children alone, but for what PHASE_HOST puts here for them */
        int upper_fd;    /* detached: directory of an upper layer on disk */
        int old_root_fd; /* detached: the image's own root, with --pivot-root=NEW:OLD */
        int root_fd;     /* root mount: detached at first, then where everything is looked up */
        int *source_fds; /* detached sources of mounts, parallel to the plan; -EBADF = none */
        size_t n_sources;
        int base_fds[RUN_BASES]; /* file systems of ours, once attached, see mount.c */
        int cwd_fd;              /* what relative paths start at, while mounts are made */
        int userns_fd;           /* with the ID map of the machine, for idmapped mounts */
        int creating_fd;         /* see RunFd */
        int created_fd;
        bool is_in_directory; /* the payload's working directory is ours already */
        int terminal_fd;      /* the payload's side of the console */
        /* capabilities, 1 << CAP_*, as they were found; 0 = not known */
        uint64_t bounding, permitted;
} Run;

#define RUN_NULL                                                                                   \
        ((Run){ .lock_fd = -EBADF,                                                                 \
                .front_fd = -EBADF,                                                                \
                .notify_fd = -EBADF,                                                               \
                .ephemeral_fd = -EBADF,                                                            \
                .memory_fd = -EBADF,                                                               \
                .cgroup_fd = -EBADF,                                                               \
                .range_lock_fd = -EBADF,                                                           \
                .ids_lock_fd = -EBADF,                                                             \
                .scope_fd = -EBADF,                                                                \
                .scope_pidfd = -EBADF,                                                             \
                .bus_fd = -EBADF,                                                                  \
                .gate_fd = -EBADF,                                                                 \
                .outcome_fd = -EBADF,                                                              \
                .leader_fd = -EBADF,                                                               \
                .console_fd = -EBADF,                                                              \
                .kmsg_fd = -EBADF,                                                                 \
                .address_watch_fd = -EBADF,                                                        \
                .name_watch_fd = -EBADF,                                                           \
                .netns_fd = -EBADF,                                                                \
                .netns_sock = -EBADF,                                                              \
                .watch_fd = -EBADF,                                                                \
                .incoming_fd = -EBADF,                                                             \
                .export_fd = -EBADF,                                                               \
                .export_view_fd = -EBADF,                                                          \
                .journal_fd = -EBADF,                                                              \
                .journal_pidfd = -EBADF,                                                           \
                .handshake_fd = -EBADF,                                                            \
                .root_fd = -EBADF,                                                                 \
                .upper_fd = -EBADF,                                                                \
                .old_root_fd = -EBADF,                                                             \
                .base_fds = { -EBADF, -EBADF, -EBADF, -EBADF },                                    \
                .userns_fd = -EBADF,                                                               \
                .creating_fd = -EBADF,                                                             \
                .created_fd = -EBADF,                                                              \
                .terminal_fd = -EBADF })

/** run_done() - free everything; the machine is killed if it still runs
 * What is open closes with the process, which is about to end. */
void run_done(Run *r);
