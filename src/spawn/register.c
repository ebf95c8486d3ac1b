/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the machine's scope and registration are made and unmade, see register.h. Everything that needs the
 * bus is done by an aide that ends at once: the library it takes never reaches the process that stays.
 * What is said on the bus is in bus/. */
#include "spawn/register.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/aide.h"
#include "base/cgroup.h"
#include "base/path.h"
#include "base/proc.h"
#include "spawn/bus-aide.h"
#include "spawn/keeper.h"
#include "spawn/network.h"
#include "spawn/origin.h"

/* How long the bus may take. What is not taken back in time ends by itself, with its processes. */
#define SCOPE_USEC    (60 * 1000 * 1000)
#define REGISTER_USEC (30 * 1000 * 1000)
#define REVERT_USEC   (5 * 1000 * 1000)

#define BUS_SOCKET "/run/dbus/system_bus_socket"

char *register_scope_name(const char *machine) {
        _cleanup_(buf_done) Buf name = {};
        int r = buf_puts(&name, "machine-");

        for (const char *c = machine; *c && r >= 0; c++) {
                bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                             (*c >= '0' && *c <= '9') || strchr(":_.", *c);
                r = plain ? buf_append(&name, c, 1)
                          : buf_printf(&name, "\\x%02x", (unsigned char) *c);
        }
        if (r >= 0)
                r = buf_puts(&name, ".scope");
        return r < 0 ? NULL : buf_take(&name);
}

static char *scope_name(const Spec *spec) {
        return spec->scope ? strdup(spec->scope) : register_scope_name(spec->machine);
}

/* Neither comes while a machine starts; what has been found out once is not asked again. */

static bool has_systemd(void) {
        static int known = -1;

        if (known < 0)
                known = faccessat(AT_FDCWD, "/run/systemd/system", F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
        return known;
}

static bool has_bus(void) {
        static int known = -1;

        if (known < 0)
                known = getenv("DBUS_SYSTEM_BUS_ADDRESS") || access(BUS_SOCKET, F_OK) >= 0;
        return known;
}

bool register_wants_scope(const Spec *spec) {
        return !spec->keep_unit && !spec->cgroup && !spec->no_cgroup && has_systemd();
}

/* The bus tells its peers who connected. That is to be the process that stays: the machine manager
 * keeps it as the machine's supervisor. An address of the user's choice is the library's to read. */
static int connect_bus(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = BUS_SOCKET };

        if (getenv("DBUS_SYSTEM_BUS_ADDRESS"))
                return -EBADF;
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
                return -EBADF;
        return TAKE_FD(fd);
}

/* Has something done on the bus, and waits for it.
 * @words:  what, as the aide takes it; the first is BUS_AIDE_LENT, which is left out if it is not
 * @keeper: keeps the connection; NULL = it ends with the aide
 * @usec:   longest wait: a bus that hangs must not take the machine with it */
static int on_the_bus(char **words, Run *keeper, uint64_t usec, Error *e) {
        _cleanup_fd_ int bus = -EBADF;
        _cleanup_(aide_done) Aide aide = AIDE_NULL;

        if (!has_bus()) {
                (void) error_set(e, ENOENT, "there is no system bus: " BUS_SOCKET ": %m");
                return -ENOTCONN;
        }
        bus = connect_bus();
        bool keep = keeper && bus >= 0;
        int r = aide_start(&aide, BUS_AIDE, keep ? words : words + 1, &bus, keep, e);
        if (r >= 0 && fd_wait(aide.sock, POLLIN, usec) == 0)
                r = error_set(e, ETIMEDOUT, "the system bus does not answer");
        if (r >= 0 && keep)
                r = handshake_expect(aide.sock, HANDSHAKE_ID, BUS_AIDE_MANAGER, NULL,
                                     &keeper->bus_manager, e);
        if (r >= 0)
                r = aide_finish(&aide, e);
        if (r >= 0 && keep)
                keeper->bus_fd = TAKE_FD(bus);
        return r;
}

/* The placeholder: holds the scope open until PID 1 is in it, or until we are gone. */

_noreturn_ static void placeholder_main(int sock) {
        char byte;

        (void) fd_close_range_except(&sock, 1);
        while (read(sock, &byte, 1) < 0 && errno == EINTR)
                ;
        _exit(0);
}

static int start_placeholder(Run *run, pid_t *ret_pid, Error *e) {
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return error_set(e, errno, "cannot create a socket: %m");
        pid_t pid = fork();
        if (pid == 0)
                placeholder_main(pair[1]);
        int error = errno;
        (void) close(pair[1]);
        run->scope_fd = pair[0];
        if (pid < 0)
                return error_set(e, error, "cannot fork: %m");
        run->scope_pidfd = proc_pidfd_open(pid);
        if (run->scope_pidfd < 0)
                return error_set(e, run->scope_pidfd, "cannot open a pidfd: %m");
        *ret_pid = pid;
        return 0;
}

/* Learns the scope's group from the placeholder, and moves that to a leaf of it. */
static int settle_placeholder(Run *run, pid_t pid, Error *e) {
        _cleanup_free_ char *path = NULL, *mount = NULL, *leaf = NULL, *procs = NULL;
        char text[16];
        int r = cgroup_of_pid(pid, &path);

        if (r >= 0)
                r = cgroup_mount(&mount);
        if (r < 0)
                return error_set(e, r, "cannot find the control group of the scope: %m");
        leaf = str_format("%s%s/supervisor", mount, path);
        procs = leaf ? path_join(leaf, "cgroup.procs") : NULL;
        if (!procs)
                return error_oom(e);
        if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
                return error_set(e, errno, "cannot make the control group '%s': %m", leaf);
        (void) snprintf(text, sizeof text, "%d", pid);
        r = file_write(AT_FDCWD, procs, text, 0, 0);
        if (r < 0)
                return error_set(e, r, "cannot write '%s': %m", procs);
        free(run->cgroup);
        run->cgroup = TAKE_PTR(path);
        return 0;
}

static int start_scope(const Spec *spec, char *const *devices, Run *run, pid_t pid, Error *e) {
        _cleanup_free_ char *unit = scope_name(spec);
        _cleanup_strv_ char **words = NULL;
        char pid_text[16], signal_text[16];
        const char *const fixed[] = { BUS_AIDE_LENT,
                                      "scope",
                                      spec->machine,
                                      unit,
                                      pid_text,
                                      signal_text,
                                      spec->slice ? spec->slice : "machine.slice" };
        int r = unit ? 0 : -ENOMEM;

        (void) snprintf(pid_text, sizeof pid_text, "%d", pid);
        (void) snprintf(signal_text, sizeof signal_text, "%d", keeper_shutdown_signal(spec));
        for (size_t i = 0; i < ELEMENTSOF(fixed) && r >= 0; i++)
                r = strv_append(&words, fixed[i]);
        STRV_FOREACH(d, devices)
                if (r >= 0)
                        r = strv_append(&words, *d);
        STRV_FOREACH(p, spec->properties)
                if (r >= 0)
                        r = strv_append(&words, *p);
        if (r < 0)
                return error_oom(e);
        return on_the_bus(words, run, SCOPE_USEC, e);
}

int register_scope(const Spec *spec, char *const *devices, Run *run, Error *e) {
        bool needed = spec->register_mode == REGISTER_YES || spec->slice || spec->properties;
        pid_t pid = 0;

        if (!needed && !has_bus())
                return 0;
        int r = start_placeholder(run, &pid, e);
        if (r >= 0)
                r = start_scope(spec, devices, run, pid, e);
        if (r >= 0) {
                run->has_scope = true;
                r = settle_placeholder(run, pid, e);
        }
        if (r < 0)
                register_scope_release(run);
        if ((r == -ENOTCONN || r == -ENOPKG) && !needed) {
                if (e)
                        *e = (Error){};
                return 0;
        }
        return r;
}

int register_scope_limit(const char *scope, char *const *properties, Error *e) {
        _cleanup_strv_ char **words = NULL;
        const char *const fixed[] = { BUS_AIDE_LENT, "limit", scope };
        int r = 0;

        if (!properties || !*properties)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(fixed) && r >= 0; i++)
                r = strv_append(&words, fixed[i]);
        STRV_FOREACH(p, properties)
                if (r >= 0)
                        r = strv_append(&words, *p);
        return r < 0 ? error_oom(e) : on_the_bus(words, NULL, REGISTER_USEC, e);
}

void register_scope_release(Run *run) {
        siginfo_t info;

        run->scope_fd = fd_close(run->scope_fd);
        if (run->scope_pidfd < 0)
                return;
        (void) proc_pidfd_signal(run->scope_pidfd, SIGKILL);
        (void) proc_wait(run->scope_pidfd, &info);
        run->scope_pidfd = fd_close(run->scope_pidfd);
}

/* Who has the name of the host cannot be told from it by whoever looks at machines. */
bool register_wants(const Spec *spec) {
        return spec->register_mode == REGISTER_YES ||
               (spec->register_mode == REGISTER_AUTO && !spec->share_uts && has_bus());
}

static int enter(const Spec *spec, const Run *run, Error *e) {
        _cleanup_strv_ char **words = NULL;
        char leader[16], uuid[ID128_TEXT_MAX];
        const char *const fixed[] = { BUS_AIDE_LENT, "register", spec->machine,
                                      leader,        uuid,       strempty(spec->directory) };
        int r = 0;

        (void) snprintf(leader, sizeof leader, "%d", run->leader);
        (void) id128_format(&run->uuid, uuid);
        for (size_t i = 0; i < ELEMENTSOF(fixed) && r >= 0; i++)
                r = strv_append(&words, fixed[i]);
        for (size_t i = 0; i < run->n_network && r >= 0; i++)
                if (run->network[i].host > 0)
                        r = strv_append_format(&words, "%d", run->network[i].host);
        return r < 0 ? error_oom(e) : on_the_bus(words, NULL, REGISTER_USEC, e);
}

int register_apply(const Spec *spec, Run *run, Error *e) {
        origin_note(spec, run);
        int r = enter(spec, run, e);

        if (r < 0)
                return r != -EEXIST && spec->register_mode == REGISTER_AUTO ? REGISTER_WITHOUT : r;
        run->is_registered = true;
        return 0;
}

void register_revert(const Spec *spec, Run *run) {
        if (!run->is_registered && !run->has_scope)
                return;
        _cleanup_free_ char *unit = run->has_scope ? scope_name(spec) : NULL;
        char *words[] = { (char *) BUS_AIDE_LENT, (char *) "revert",
                          run->is_registered ? spec->machine : (char *) "",
                          unit ? unit : (char *) "", NULL };

        (void) on_the_bus(words, NULL, REVERT_USEC, NULL);
        run->is_registered = run->has_scope = false;
}

void register_stop_scope(char *unit) {
        char *words[] = { (char *) BUS_AIDE_LENT, (char *) "revert", (char *) "", unit, NULL };

        (void) on_the_bus(words, NULL, REVERT_USEC, NULL);
}
