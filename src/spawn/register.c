/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the machine's scope and registration are made and unmade, see register.h. Everything that needs the
 * bus is done in a child that ends at once: the library it loads never reaches the process that stays.
 * What is said on the bus is register-bus.c's. */
#include "spawn/register.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/handshake.h"
#include "base/path.h"
#include "base/proc.h"
#include "spawn/register-bus.h"

#define BUS_SOCKET "/run/dbus/system_bus_socket"

typedef int (*BusWork)(RegisterBus *b, const Spec *spec, const Run *run, Error *e);

enum { BUS_MANAGER }; /* ID that is told of a connection that is kept */

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

static bool has_systemd(void) {
        return faccessat(AT_FDCWD, "/run/systemd/system", F_OK, AT_SYMLINK_NOFOLLOW) >= 0;
}

static bool has_bus(void) {
        return getenv("DBUS_SYSTEM_BUS_ADDRESS") || access(BUS_SOCKET, F_OK) >= 0;
}

bool register_wants_scope(const Spec *spec) {
        return !spec->keep_unit && has_systemd();
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

_noreturn_ static void worker_main(int sock, int bus, BusWork work, bool keep, const Spec *spec,
                                   const Run *run) {
        RegisterBus b = {};
        Error e = {};
        uint64_t manager = 0;
        int r = register_bus_open(&b, bus, &e);

        if (r >= 0 && keep)
                r = register_bus_find_manager(&b, &manager, &e);
        if (r >= 0)
                r = work(&b, spec, run, &e);
        if (r >= 0 && keep)
                (void) handshake_send_id(sock, BUS_MANAGER, manager);
        register_bus_done(&b);
        if (r < 0)
                (void) handshake_send_error(sock, &e);
        else
                (void) handshake_send_phase(sock, 0);
        _exit(0);
}

/* Does something on the bus in a child, and waits for it.
 * @keeper: keeps the connection; NULL = it ends with the child */
static int on_the_bus(BusWork work, const Spec *spec, const Run *run, Run *keeper, Error *e) {
        _cleanup_fd_ int ours = -EBADF, theirs = -EBADF, bus = -EBADF;
        int pair[2], r;

        if (!has_bus()) {
                (void) error_set(e, ENOENT, "there is no system bus: " BUS_SOCKET ": %m");
                return -ENOTCONN;
        }
        r = handshake_pair(pair);
        if (r < 0)
                return error_set(e, r, "cannot create a socket: %m");
        ours = pair[0];
        theirs = pair[1];
        bus = connect_bus();
        bool keep = keeper && bus >= 0;

        pid_t pid = fork();
        if (pid < 0)
                return error_set(e, errno, "cannot fork: %m");
        if (pid == 0)
                worker_main(theirs, bus, work, keep, spec, run);
        theirs = fd_close(theirs);
        if (keep)
                r = handshake_expect(ours, HANDSHAKE_ID, BUS_MANAGER, NULL, &keeper->bus_manager,
                                     e);
        if (r >= 0)
                r = handshake_expect(ours, HANDSHAKE_PHASE, 0, NULL, NULL, e);
        if (r >= 0 && keep)
                keeper->bus_fd = TAKE_FD(bus);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
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

static int work_start_scope(RegisterBus *b, const Spec *spec, const Run *run, Error *e) {
        _cleanup_free_ char *unit = register_scope_name(spec->machine);
        pid_t pid = 0;

        if (!unit)
                return error_oom(e);
        int r = proc_pidfd_pid(run->scope_pidfd, &pid);
        if (r < 0)
                return error_set(e, r, "the placeholder of the scope is gone: %m");
        return register_bus_start_scope(b, spec, unit, pid, e);
}

int register_scope(const Spec *spec, Run *run, Error *e) {
        bool needed = spec->register_mode == REGISTER_YES || spec->slice || spec->properties;
        pid_t pid = 0;

        if (!needed && !has_bus())
                return 0;
        int r = start_placeholder(run, &pid, e);
        if (r >= 0)
                r = on_the_bus(work_start_scope, spec, run, run, e);
        if (r >= 0) {
                run->has_scope = true;
                r = settle_placeholder(run, pid, e);
        }
        if (r < 0)
                register_scope_release(run);
        if (r == -ENOTCONN && !needed) {
                if (e)
                        *e = (Error){};
                return 0;
        }
        return r;
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

static int work_register(RegisterBus *b, const Spec *spec, const Run *run, Error *e) {
        return register_bus_register(b, spec, run, e);
}

bool register_wants(const Spec *spec) {
        return spec->register_mode == REGISTER_YES ||
               (spec->register_mode == REGISTER_AUTO && has_bus());
}

int register_apply(const Spec *spec, Run *run, Error *e) {
        int r = on_the_bus(work_register, spec, run, NULL, e);

        if (r < 0)
                return r != -EEXIST && spec->register_mode == REGISTER_AUTO ? REGISTER_WITHOUT : r;
        run->is_registered = true;
        return 0;
}

static int work_revert(RegisterBus *b, const Spec *spec, const Run *run, Error *e) {
        _cleanup_free_ char *unit = register_scope_name(spec->machine);

        if (run->is_registered)
                (void) register_bus_unregister(b, spec->machine, NULL);
        if (run->has_scope && unit)
                (void) register_bus_stop_scope(b, unit, NULL);
        return 0;
}

void register_revert(const Spec *spec, Run *run) {
        if (!run->is_registered && !run->has_scope)
                return;
        (void) on_the_bus(work_revert, spec, run, NULL, NULL);
        run->is_registered = run->has_scope = false;
}
