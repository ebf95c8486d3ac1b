/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lent interfaces, see network-lend.h. What there is to know of each is in memory that is shared with the process
 * that watches, which does for a supervisor that was killed what that does for itself otherwise.
 *
 * What comes back was in the hands of a payload. Its name is taken from it before it is seen on the host, its
 * further names are those that it had, and it is down until it is called as before. */
#include "spawn/network-lend.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc.h"
#include "spawn/runtime.h"

#define ALTNAMES_MAX 16
#define NAMES_MAX    100 /* that are tried for one whose own is taken */
#define FIND_TRIES   50  /* of 10 ms: it may be on its way home from a machine that was killed */
#define STRAY_TRIES  300 /* of 10 ms: the kernel takes its time */
#define UDEV_TRIES   300 /* of 10 ms */
#define UDEV_MAX     (64 * 1024)

typedef struct Lent {
        Link was;
        char altnames[ALTNAMES_MAX][LINK_ALTNAME_MAX];
        size_t n_altnames;
        char name[IFNAMSIZ];    /* inside, when it got there */
        char transit[IFNAMSIZ]; /* that nobody has, for the way home */
        int index;              /* inside; 0 = not known */
        bool is_away;           /* or may be */
} Lent;

struct Lending {
        Lent *v; /* shared */
        size_t n, max;
        int inside; /* socket in the machine's namespace, borrowed */
        int home;   /* socket in ours */
        int home_fd;
        int watch_fd; /* that the watching process waits at for our end */
        int watch_pidfd;
};

static const uint8_t no_mac[LINK_MAC_SIZE];

/* Return: 0; -ENODEV it is not there any more. */
static int find_inside(const Lending *l, const Lent *t, Link *ret) {
        return t->index > 0 ? link_get(l->inside, t->index, ret)
                            : link_find(l->inside, t->name, ret);
}

static bool is_own_altname(const Lent *t, const char *name) {
        for (size_t i = 0; i < t->n_altnames; i++)
                if (streq(t->altnames[i], name))
                        return true;
        return false;
}

/* One that is taken on the host would keep it here, one that is not might deceive somebody there. */
static void strip_altnames(int sock, const Lent *t, int index) {
        _cleanup_strv_ char **names = NULL;

        (void) link_altnames(sock, index, &names);
        STRV_FOREACH(n, names)
                if (!is_own_altname(t, *n))
                        (void) link_remove_altname(sock, index, *n, NULL);
}

/* From the machine to the host, by @t->transit unless its own name will do at once. */
static int fetch(const Lending *l, const Lent *t, Error *e) {
        Link now, other;
        int r = find_inside(l, t, &now);

        if (r < 0)
                return r == -ENODEV ? error_set(e, r, "it is no longer in the machine")
                                    : error_set(e, r, "%m");
        strip_altnames(l->inside, t, now.index);
        (void) link_restore(l->inside, now.index, &t->was);

        bool is_free = link_find(l->home, t->was.name, &other) == -ENODEV;
        const char *name = is_free && streq(now.name, t->was.name) ? t->was.name : t->transit;
        if (!streq(now.name, name)) {
                r = link_set(l->inside, now.index, name, NULL, false, e);
                if (r < 0)
                        return r;
        }
        r = link_move(l->inside, now.index, l->home_fd, name, e);
        for (size_t i = 0; r == -EEXIST && i < t->n_altnames; i++) {
                /* One of its further names is somebody else's by now. */
                (void) link_remove_altname(l->inside, now.index, t->altnames[i], NULL);
                r = link_move(l->inside, now.index, l->home_fd, name, e);
        }
        return r;
}

/* Names it, also if udev has been quick to make a further name of that. */
static int take_name(int sock, int index, const char *name, Error *e) {
        int r = link_set(sock, index, name, NULL, false, e);
        Link other;

        if (r != -EEXIST || link_find(sock, name, &other) < 0 || other.index != index ||
            link_remove_altname(sock, index, name, NULL) < 0)
                return r;
        return link_set(sock, index, name, NULL, false, e);
}

/* On the host: gives it the name it had, or one like it. */
static int rename_home(const Lending *l, const Lent *t, Link *now, Error *e) {
        int r = link_find(l->home, t->transit, now);

        if (r < 0)
                return link_find(l->home, t->was.name, now) < 0 ? error_set(e, r, "%m") : 0;
        (void) snprintf(now->name, sizeof now->name, "%s", t->was.name);
        r = take_name(l->home, now->index, now->name, e);
        for (unsigned i = 0; r == -EEXIST && i < NAMES_MAX; i++) {
                (void) snprintf(now->name, sizeof now->name, "%.11s-%u", t->was.name, i);
                r = link_set(l->home, now->index, now->name, NULL, false, e);
        }
        return r;
}

/* Return: 0 it is there by a name that is not its own; -EEXIST by its own; -ENODEV; -errno. */
static int find_stray(int sock, const char *name, const uint8_t *mac, Link *ret) {
        int r = -ENODEV;

        for (unsigned i = 0; i < STRAY_TRIES; i++) {
                r = link_find_hardware(sock, mac, ret);
                if (r != -ENODEV)
                        return r < 0 || !streq(ret->name, name) ? r : -EEXIST;
                (void) usleep(10 * 1000);
        }
        return r;
}

/* Hardware that the machine gave away, to a namespace of its own making, comes to the host when that ends; its name
 * there is whatever it was called last. */
static int fetch_stray(const Lending *l, const Lent *t) {
        Link now;
        int r = memcmp(t->was.built_in, no_mac, sizeof no_mac) == 0
                        ? -ENODEV
                        : find_stray(l->home, t->was.name, t->was.built_in, &now);

        if (r < 0)
                return r == -EEXIST ? 0 : r;
        strip_altnames(l->home, t, now.index);
        (void) link_restore(l->home, now.index, &t->was);
        return link_set(l->home, now.index, t->transit, NULL, false, NULL);
}

/* Who was to bring it home may have died when only its last name, or not even that, was missing. */
static bool is_home(const Lending *l, const Lent *t) {
        Link now;

        if (link_find(l->home, t->transit, &now) >= 0)
                return true;
        /* Not by a further name that udev has just given to what the kernel brought. */
        return link_find(l->home, t->was.name, &now) >= 0 && streq(now.name, t->was.name) &&
               now.has_mac && memcmp(now.mac, t->was.mac, sizeof now.mac) == 0;
}

static int bring_home(const Lending *l, Lent *t, bool last, Buf *notes, Error *e) {
        Link now;
        int r = is_home(l, t) ? 0 : fetch(l, t, e);

        if (r == -ENODEV && last && fetch_stray(l, t) >= 0)
                r = 0;
        if (r >= 0)
                r = rename_home(l, t, &now, e);
        for (size_t i = 0; i < t->n_altnames && r >= 0; i++)
                (void) link_add_altname(l->home, now.index, t->altnames[i], NULL);
        if (r >= 0 && t->was.flags & IFF_UP)
                r = link_set(l->home, now.index, NULL, NULL, true, e);
        if (r < 0)
                return r;
        t->is_away = false;
        if (notes && !streq(now.name, t->was.name))
                (void) buf_printf(notes,
                                  "network interface '%s' is called '%s' now, for another has its"
                                  " name\n",
                                  t->was.name, now.name);
        return 0;
}

/* @last: nobody will try again */
static void bring_all_home(Lending *l, Buf *notes, bool last) {
        for (size_t i = l->n; i > 0; i--) {
                Lent *t = l->v + i - 1;
                Error e = {};
                if (t->is_away && bring_home(l, t, last, notes, &e) < 0 && last && notes)
                        (void) buf_printf(notes, "network interface '%s' did not come home: %s\n",
                                          t->was.name, e.text);
        }
}

/* The process that watches. It must outlive whoever is killed with a signal to all. */
_noreturn_ static void watch(Lending *l, int end_fd) {
        const int keep[] = { end_fd, l->inside, l->home, l->home_fd };
        sigset_t all;
        char byte;

        (void) sigfillset(&all);
        (void) sigprocmask(SIG_SETMASK, &all, NULL);
        (void) prctl(PR_SET_NAME, "skep-lent");
        (void) fd_close_range_except(keep, ELEMENTSOF(keep));
        while (read(end_fd, &byte, 1) < 0 && errno == EINTR)
                ;
        l->n = l->max; /* those that we have seen nothing of */
        bring_all_home(l, NULL, true);
        _exit(0);
}

static int start_watch(Lending *l, Error *e) {
        int pair[2];
        struct clone_args args = {
                .flags = CLONE_PIDFD,
                .pidfd = (uint64_t) (uintptr_t) &l->watch_pidfd,
                .exit_signal = SIGCHLD,
        };

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return error_set(e, errno, "cannot make a socket pair: %m");
        l->watch_fd = pair[0];
        pid_t pid = proc_clone3(&args);
        if (pid == 0) {
                (void) close(pair[0]);
                watch(l, pair[1]);
        }
        (void) close(pair[1]);
        return pid < 0 ? error_set(e, pid, "cannot make a process: %m") : 0;
}

int lending_start(int netns_sock, size_t n, Lending **ret, Error *e) {
        Lending *l = malloc(sizeof *l);
        int r;

        if (!l)
                return error_oom(e);
        *l = (Lending){ .inside = netns_sock,
                        .max = n,
                        .home = -EBADF,
                        .home_fd = -EBADF,
                        .watch_fd = -EBADF,
                        .watch_pidfd = -EBADF };
        l->v = mmap(NULL, n * sizeof *l->v, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                    0);
        if (l->v == MAP_FAILED) {
                l->v = NULL;
                r = error_set(e, errno, "cannot share memory: %m");
                return lending_end(l, NULL), r;
        }
        l->home = netlink_open();
        r = l->home < 0 ? error_set(e, l->home, "cannot open a netlink socket: %m") : 0;
        if (r >= 0) {
                l->home_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
                r = l->home_fd < 0 ? error_set(e, errno, "cannot open our network namespace: %m")
                                   : start_watch(l, e);
        }
        if (r < 0)
                return lending_end(l, NULL), r;
        *ret = l;
        return 0;
}

bool lending_udev_is_done(const char *record) {
        return record && !strstr(record, "\nE:ID_RENAMING=1");
}

/* Where udev is at work on the interfaces that we see, a name is not to be relied on before it is done. */
static int wait_for_udev(const Link *link, Error *e) {
        uint64_t ours, first;
        char path[64];

        if (access("/run/udev/control", F_OK) < 0 || proc_ns_id(0, "net", &ours) < 0 ||
            proc_ns_id(1, "net", &first) < 0 || ours != first)
                return 0;
        (void) snprintf(path, sizeof path, "/run/udev/data/n%d", link->index);
        for (unsigned i = 0; i < UDEV_TRIES; i++) {
                _cleanup_free_ char *record = NULL;
                (void) file_read(AT_FDCWD, path, UDEV_MAX, &record, NULL);
                if (lending_udev_is_done(record))
                        return 0;
                (void) usleep(10 * 1000);
        }
        return error_set(e, EBUSY, "udev has not finished with network interface '%s'", link->name);
}

static int find(int sock, const char *name, Link *ret, Error *e) {
        int r = link_find(sock, name, ret);

        for (unsigned i = 0; r == -ENODEV && i < FIND_TRIES; i++) {
                (void) usleep(10 * 1000);
                r = link_find(sock, name, ret);
        }
        if (r == -ENODEV)
                return error_set(e, r, "the host has no network interface '%s'", name);
        return r < 0 ? error_set(e, r, "cannot look at network interface '%s': %m", name) : 0;
}

static int remember_altnames(int sock, Lent *t, Error *e) {
        _cleanup_strv_ char **names = NULL;
        int r = link_altnames(sock, t->was.index, &names);

        if (r < 0)
                return error_set(e, r, "cannot look at network interface '%s': %m", t->was.name);
        STRV_FOREACH(n, names)
                if (t->n_altnames < ALTNAMES_MAX)
                        (void) snprintf(t->altnames[t->n_altnames++], LINK_ALTNAME_MAX, "%s", *n);
        return 0;
}

static int note_hardware(Run *run, const Link *was, Error *e) {
        char mac[LINK_MAC_TEXT_MAX];

        if (memcmp(was->built_in, no_mac, sizeof no_mac) == 0)
                return 0;
        _cleanup_free_ char *value = str_format("/%s/%s", was->name,
                                                link_mac_format(was->built_in, mac));
        return value ? runtime_note(run, "lent", value, e) : error_oom(e);
}

void lending_remove_noted(const char *value) {
        _cleanup_fd_ int sock = netlink_open();
        const char *slash = strrchr(value, '/');
        uint8_t mac[LINK_MAC_SIZE];
        char name[IFNAMSIZ] = "";
        Link stray;

        if (sock < 0 || slash - value < 2 || (size_t) (slash - value) > sizeof name ||
            link_mac_parse(slash + 1, mac) < 0 || memcmp(mac, no_mac, sizeof mac) == 0)
                return;
        memcpy(name, value + 1, (size_t) (slash - value) - 1);
        if (!link_name_is_valid(name, sizeof name) || find_stray(sock, name, mac, &stray) < 0)
                return;
        /* Some kernels rename only what is down. */
        (void) link_restore(sock, stray.index, &stray);
        (void) take_name(sock, stray.index, name, NULL);
}

static int refusal(const Link *was, int r, Error *e) {
        char path[64];

        (void) snprintf(path, sizeof path, "/sys/class/net/%s/phy80211", was->name);
        if (r == -EINVAL && access(path, F_OK) >= 0)
                return error_set(
                        e, EOPNOTSUPP,
                        "network interface '%s' is wireless; lending those is not supported",
                        was->name);
        return error_wrap(e, r, "cannot lend network interface '%s'", was->name);
}

int lending_give(Lending *l, Run *run, int sock, const char *name, const char *inside, Error *e) {
        Lent *t = l->v + l->n;
        Link now;
        int r = find(sock, name, &t->was, e);

        if (r >= 0)
                r = wait_for_udev(&t->was, e);
        if (r >= 0)
                r = remember_altnames(sock, t, e);
        if (r >= 0)
                r = note_hardware(run, &t->was, e);
        if (r < 0)
                return r;
        (void) snprintf(t->name, sizeof t->name, "%s", *inside ? inside : t->was.name);
        (void) snprintf(t->transit, sizeof t->transit, "skep%d-%zu", getpid(), l->n);
        /* The kernel would move it all the same, and fail only then. */
        if (link_find(l->inside, t->name, &now) >= 0)
                return error_set(e, EEXIST, "the machine has a network interface '%s' already",
                                 t->name);
        l->n++;
        t->is_away = true;
        r = link_move(sock, t->was.index, run->netns_fd, t->name, e);
        if (r < 0 && link_get(sock, t->was.index, &now) >= 0)
                t->is_away = false;
        if (r < 0)
                return refusal(&t->was, r, e);
        r = link_find(l->inside, t->name, &now);
        if (r < 0)
                return error_set(e, r, "cannot find network interface '%s' in the machine: %m",
                                 t->name);
        t->index = now.index;
        return 0;
}

Lending *lending_end(Lending *l, Buf *notes) {
        siginfo_t info;

        if (!l)
                return NULL;
        bring_all_home(l, notes, false);
        l->watch_fd = fd_close(l->watch_fd);
        if (l->watch_pidfd >= 0)
                (void) proc_wait(l->watch_pidfd, &info);
        bring_all_home(l, notes, true);
        (void) fd_close(l->watch_pidfd);
        (void) fd_close(l->home);
        (void) fd_close(l->home_fd);
        if (l->v)
                (void) munmap(l->v, l->max * sizeof *l->v);
        free(l);
        return NULL;
}
