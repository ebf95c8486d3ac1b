/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests with D-Bus and systemd, see guest-bus.h. */
#include "machined/guest-bus.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bus/error.h"
#include "bus/name.h"

#define CALL_USEC    ((uint64_t) 30 * 1000000)
#define BUS_PATH     "/run/dbus/system_bus_socket"
#define MANAGER_PATH "/run/systemd/private"

/* Finds the login shell of $1 the way that the guest finds its users, then becomes it. */
static const char shell_script
        [] = "s=$(getent passwd \"$1\" 2>/dev/null); s=${s##*:}; [ -x \"$s\" ] || s=/bin/sh; "
             "exec \"$s\" -l";

static int connect_to(const char *path, int sock, Error *e) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return error_set(e, errno, "cannot make a socket: %m");
        (void) snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0) {
                if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR)
                        return error_set(e, ENOENT, "no system bus in the machine");
                return error_set(e, errno, "cannot connect to the machine's system bus: %m");
        }
        return handshake_send_fd(sock, 0, fd);
}

static int connect_inside(int root_fd, int sock, Error *e) {
        return connect_to(BUS_PATH, sock, e);
}

static int connect_manager_inside(int root_fd, int sock, Error *e) {
        return connect_to(MANAGER_PATH, sock, e);
}

/* @with_bus: what is connected to is a bus, not one peer. */
static int open_inside(const Target *t, int root_fd, int (*connect_f)(int, int, Error *),
                       bool with_bus, sd_bus **ret, Error *e) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int fd = -EBADF;

        /* Root of the guest, as they see it in there, has to be the one who connects. */
        int r = target_run_inside(t, root_fd, NAMESPACE_USER | NAMESPACE_FILES | NAMESPACE_PIDS,
                                  connect_f, &fd, e);
        if (r < 0)
                return r;
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0) {
                (void) fd_close(fd);
                return error_set(e, r, "cannot set up the connection to the machine's bus: %m");
        }
        r = sd_bus_set_bus_client(bus, with_bus);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, CALL_USEC);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return error_set(e, r, "cannot talk to the machine's system bus: %m");
        *ret = TAKE_PTR(bus);
        return 0;
}

int guest_bus_open(const Target *t, int root_fd, sd_bus **ret, Error *e) {
        if (t->pid == 1) {
                int r = sd_bus_open_system(ret);
                return r < 0 ? error_set(e, r, "cannot connect to the system bus: %m") : 0;
        }
        return open_inside(t, root_fd, connect_inside, true, ret, e);
}

int guest_bus_open_manager(const Target *t, int root_fd, sd_bus **ret, Error *e) {
        return t->pid == 1 ? guest_bus_open(t, root_fd, ret, e)
                           : open_inside(t, root_fd, connect_manager_inside, false, ret, e);
}

int guest_bus_login(sd_bus *bus, const char *pty_path, Error *e) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *unit = str_format("container-getty@%s.service",
                                               pty_path + strlen("/dev/pts/"));

        if (!unit)
                return error_oom(e);
        int r = sd_bus_call_method(bus, BUS_SYSTEMD1_NAME, BUS_SYSTEMD1_PATH, BUS_SYSTEMD1_MANAGER,
                                   "StartUnit", &error, NULL, "ss", unit, "replace");
        if (r < 0) {
                r = bus_error_get(e, r, &error);
                return error_wrap(e, r, "cannot start %s in the machine", unit);
        }
        return 0;
}

/* The service manager replaces $NAME in arguments; "$$" is a dollar. */
static int append_argument(sd_bus_message *m, const char *s) {
        _cleanup_(buf_done) Buf b = {};
        int r = buf_puts(&b, "");

        for (; r >= 0 && *s; s++)
                r = buf_append(&b, *s == '$' ? "$$" : s, *s == '$' ? 2 : 1);
        return r < 0 ? r : sd_bus_message_append(m, "s", b.p);
}

static int append_command(sd_bus_message *m, const SessionRequest *request) {
        const char *const shell[] = { "sh", "-c", shell_script, "sh", request->user, NULL };
        const char *const alone[] = { request->path, NULL };
        const char *path = *request->path ? request->path : "/bin/sh";
        const char *const *args = !*request->path ? shell
                                  : request->args && request->args[0]
                                          ? (const char *const *) request->args
                                          : alone;

        int r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "ExecStart");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sasb");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", path);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (; r >= 0 && *args; args++)
                r = append_argument(m, *args);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        /* A failure of the command is not one of the unit. Who wants the status has to do without
         * that: a program that cannot be executed would then count as one that went well. */
        if (r >= 0)
                r = sd_bus_message_append(m, "b", (int) !request->wants_status);
        for (unsigned i = 0; r >= 0 && i < 4; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_environment(sd_bus_message *m, char **environment) {
        if (!environment)
                return 0;
        int r = sd_bus_message_open_container(m, 'r', "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Environment");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, environment);
        for (unsigned i = 0; r >= 0 && i < 2; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_properties(sd_bus_message *m, const SessionRequest *request,
                             const int stdio[static 3], const char *pty_path) {
        _cleanup_free_ char *description = str_format("%s for User %s",
                                                      *request->path ? "Command" : "Shell",
                                                      request->user);
        if (!description)
                return -ENOMEM;
        int r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)(sv)", "Description",
                                      "s", description, "StandardInputFileDescriptor", "h",
                                      stdio[0], "StandardOutputFileDescriptor", "h", stdio[1],
                                      "StandardErrorFileDescriptor", "h", stdio[2], "SendSIGHUP",
                                      "b", 1, "IgnoreSIGPIPE", "b", 0, "KillMode", "s", "mixed",
                                      "WorkingDirectory", "s", "-~", "User", "s", request->user,
                                      "CollectMode", "s", "inactive-or-failed");
        if (r >= 0 && pty_path)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)(sv)", "TTYPath", "s", pty_path,
                                          "TTYReset", "b", 1, "UtmpIdentifier", "s",
                                          pty_path + strlen("/dev/"), "UtmpMode", "s", "user",
                                          "PAMName", "s", "login");
        if (r >= 0 && request->wants_status)
                r = sd_bus_message_append(m, "(sv)", "AddRef", "b", 1);
        if (r >= 0)
                r = append_environment(m, request->environment);
        return r < 0 ? r : append_command(m, request);
}

/* Terminals give their number; commands without one get a random one far above any terminal's. */
static char *unit_name(const char *pty_path) {
        Id128 id;

        if (pty_path)
                return str_format("container-shell@%s.service", pty_path + strlen("/dev/pts/"));
        if (id128_random(&id) < 0)
                return NULL;
        uint64_t number;
        memcpy(&number, id.bytes, sizeof number);
        return str_format("container-shell@%llu.service",
                          (unsigned long long) (number >> 16) + 1000000);
}

int guest_bus_start(sd_bus *bus, const SessionRequest *request, const int stdio[static 3],
                    const char *pty_path, char **ret_unit, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *unit = unit_name(pty_path), *path = NULL;
        int r = unit ? sd_bus_path_encode(BUS_SYSTEMD1_PATH "/unit", unit, &path) : -ENOMEM;

        /* Signals about units are only sent to who has asked for them. */
        if (r >= 0 && request->wants_status)
                r = sd_bus_call_method(bus, BUS_SYSTEMD1_NAME, BUS_SYSTEMD1_PATH,
                                       BUS_SYSTEMD1_MANAGER, "Subscribe", &error, NULL, NULL);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &m, BUS_SYSTEMD1_NAME, BUS_SYSTEMD1_PATH,
                                                   BUS_SYSTEMD1_MANAGER, "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", unit, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = append_properties(m, request, stdio, pty_path);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, &error, NULL);
        if (r < 0) {
                r = bus_error_get(e, r, &error);
                return error_wrap(e, r, "cannot start a service in the machine");
        }
        *ret_unit = TAKE_PTR(path);
        return 0;
}

/* Whether a job, which is the start job at first, is pending for the unit. */
static int has_job(sd_bus *bus, const char *unit, Error *e) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t id;
        int r = sd_bus_get_property(bus, BUS_SYSTEMD1_NAME, unit, BUS_SYSTEMD1_UNIT, "Job", &error,
                                    &reply, "(uo)");

        if (r >= 0)
                r = sd_bus_message_read(reply, "(uo)", &id, NULL);
        return r < 0 ? bus_error_get(e, r, &error) : id != 0;
}

static int has_ended(sd_bus *bus, const char *unit, Error *e) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *state = NULL;
        /* In this order: a unit is inactive before it was started, too. */
        int r = has_job(bus, unit, e);

        if (r != 0)
                return r < 0 ? r : 0;
        r = sd_bus_get_property_string(bus, BUS_SYSTEMD1_NAME, unit, BUS_SYSTEMD1_UNIT,
                                       "ActiveState", &error, &state);
        if (r < 0)
                return bus_error_get(e, r, &error);
        return streq(state, "inactive") || streq(state, "failed");
}

static int read_end(sd_bus *bus, const char *unit, SessionEnd *ret, Error *e) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int32_t code = 0, status = 0;
        int r = sd_bus_get_property_trivial(bus, BUS_SYSTEMD1_NAME, unit, BUS_SYSTEMD1_SERVICE,
                                            "ExecMainCode", &error, 'i', &code);

        if (r >= 0)
                r = sd_bus_get_property_trivial(bus, BUS_SYSTEMD1_NAME, unit, BUS_SYSTEMD1_SERVICE,
                                                "ExecMainStatus", &error, 'i', &status);
        if (r < 0)
                return bus_error_get(e, r, &error);

        *ret = (SessionEnd){ .how = code == CLD_EXITED ? SESSION_EXITED : SESSION_KILLED,
                             .number = status };
        if (code == 0) {
                ret->how = SESSION_FAILED;
                (void) error_set(&ret->error, EIO, "the machine could not start the command");
        }
        return 0;
}

static int on_change(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(bool *) userdata = true;
        return 0;
}

static int stop(sd_bus *bus, const char *unit) {
        return sd_bus_call_method_async(bus, NULL, BUS_SYSTEMD1_NAME, unit, BUS_SYSTEMD1_UNIT,
                                        "Stop", NULL, NULL, "s", "replace");
}

/* Waits for the bus, and for the other end of @status to go unless it is -1 by now. */
static int wait_for_any(sd_bus *bus, int *status) {
        struct pollfd fds[] = { { .fd = sd_bus_get_fd(bus), .events = POLLIN },
                                { .fd = *status, .events = 0 } };
        int events = sd_bus_get_events(bus);

        if (fds[0].fd < 0 || events < 0)
                return -ECONNRESET;
        fds[0].events = (short) events;
        if (poll(fds, ELEMENTSOF(fds), -1) < 0)
                return errno == EINTR ? 0 : -errno;
        if (fds[1].revents == 0)
                return 0;
        *status = -1;
        return 1;
}

int guest_bus_wait(sd_bus *bus, const char *unit, int status, SessionEnd *ret, Error *e) {
        bool changed = true;
        int r = sd_bus_match_signal(bus, NULL, BUS_SYSTEMD1_NAME, unit, BUS_PROPERTIES,
                                    "PropertiesChanged", on_change, &changed);

        if (r < 0)
                return error_set(e, r, "cannot watch the command in the machine: %m");
        for (;;) {
                r = sd_bus_process(bus, NULL);
                if (r < 0)
                        return error_set(e, r, "the connection to the machine is lost: %m");
                if (r > 0)
                        continue;
                if (changed) {
                        changed = false;
                        r = has_ended(bus, unit, e);
                        if (r < 0)
                                return r;
                        if (r > 0)
                                return read_end(bus, unit, ret, e);
                        continue;
                }
                r = wait_for_any(bus, &status);
                if (r > 0)
                        r = stop(bus, unit);
                if (r < 0)
                        return error_set(e, r, "the connection to the machine is lost: %m");
        }
}
