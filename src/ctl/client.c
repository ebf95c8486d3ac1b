/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus as verbs see it, see client.h. Decides nothing about machines or images: it carries calls,
 * and turns what comes back into one sentence with a hint. */
#include "ctl/client.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/home.h"

#define NO_LIMIT  UINT64_MAX
#define LOOK_USEC 200000

const Peer peer_machine1 = { BUS_MACHINE1_NAME, BUS_MACHINE1_PATH, BUS_MACHINE1_MANAGER };
const Peer peer_skep = { BUS_MACHINE1_NAME, BUS_MACHINE1_PATH, BUS_SKEP_MANAGER1 };
const Peer peer_import1 = { BUS_IMPORT1_NAME, BUS_IMPORT1_PATH, BUS_IMPORT1_MANAGER };
const Peer peer_systemd1 = { BUS_SYSTEMD1_NAME, BUS_SYSTEMD1_PATH, BUS_SYSTEMD1_MANAGER };

static const char *which_bus(const Ctl *c) {
        return c->o.user ? "user's" : "system";
}

static int broken(Ctl *c, int r, Error *e) {
        if (c->o.host)
                return error_set(e, r, "the connection to host '%s' broke", c->o.host);
        if (c->o.machine)
                return error_set(e, r, "the connection into machine '%s' broke", c->o.machine);
        return error_set(e, r, "the connection to the %s bus broke", which_bus(c));
}

static int open_bus(Ctl *c) {
        if (c->o.host)
                return sd_bus_open_system_remote(&c->bus, c->o.host);
        if (c->o.machine)
                return c->o.user ? sd_bus_open_user_machine(&c->bus, c->o.machine)
                                 : sd_bus_open_system_machine(&c->bus, c->o.machine);
        return c->o.user ? sd_bus_open_user(&c->bus) : sd_bus_open_system(&c->bus);
}

/* Why there may be no bus. */
static const char *no_bus_hint(const Ctl *c) {
        if (access("/run/systemd/system", F_OK) < 0)
                return " (this system was not booted with systemd)";
        return c->o.user ? " (it takes a session of the user, and \"systemctl --user start dbus\")"
                         : " (is dbus.service running?)";
}

int client_connect(Ctl *c, Error *e) {
        int r;

        if (c->bus)
                return 0;

        r = open_bus(c);
        /* It may have got as far as to say something. */
        if (c->o.host && (r == -EPIPE || r == -ECONNRESET))
                return broken(c, r, e);
        if (r < 0 && c->o.host)
                return error_set(e, r, "cannot connect to the system bus of host '%s': %m",
                                 c->o.host);
        if (r < 0 && c->o.machine)
                return error_set(e, r, "cannot connect to the %s bus in machine '%s': %m%s",
                                 which_bus(c), c->o.machine,
                                 r == -EHOSTDOWN || r == -ENOENT || r == -ECONNREFUSED ||
                                                 r == -ENXIO
                                         ? " (is it running, and does it run D-Bus?)"
                                         : "");
        if (r < 0)
                return error_set(e, r, "cannot connect to the %s bus: %m%s", which_bus(c),
                                 no_bus_hint(c));
        (void) sd_bus_set_allow_interactive_authorization(c->bus, !c->o.no_ask_password);
        return 0;
}

/* What somebody who reads the error should try; NULL = nothing. */
static const char *hint(const sd_bus_error *error, const char *destination) {
        static const char no_template
                [] = "machines are started by root alone, so there is no template for users: "
                     "write a unit of your own, or \"skep start\" an image of the system";
        static const struct {
                const char *error, *destination, *hint;
        } hints[] = {
                { SD_BUS_ERROR_SERVICE_UNKNOWN, BUS_MACHINE1_NAME,
                  "skep-machined.service is not installed or cannot start" },
                { SD_BUS_ERROR_NAME_HAS_NO_OWNER, BUS_MACHINE1_NAME,
                  "skep-machined.service is not installed or cannot start" },
                { SD_BUS_ERROR_SERVICE_UNKNOWN, BUS_IMPORT1_NAME,
                  "skep-importd.service is not installed or cannot start" },
                { SD_BUS_ERROR_NAME_HAS_NO_OWNER, BUS_IMPORT1_NAME,
                  "skep-importd.service is not installed or cannot start" },
                { "org.freedesktop.systemd1.NoSuchUnit", BUS_MACHINE1_NAME,
                  "skep-machined.service is not installed" },
                { "org.freedesktop.systemd1.NoSuchUnit", BUS_IMPORT1_NAME,
                  "skep-importd.service is not installed" },
                { "org.freedesktop.systemd1.UnitMasked", NULL, "its unit is masked" },
                { SD_BUS_ERROR_NO_REPLY, NULL, "the service did not answer; see its journal" },
                { SD_BUS_ERROR_TIMEOUT, NULL, "the service did not answer; see its journal" },
                { SD_BUS_ERROR_ACCESS_DENIED, NULL, "you may need to be root" },
                { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, NULL,
                  "you may need to be root, or to let it ask for a password" },
                { "org.freedesktop.machine1.NoSuchMachine", NULL,
                  "\"skep list\" shows what runs, \"skep start\" starts an image" },
                { "org.freedesktop.machine1.NoSuchImage", NULL,
                  "\"skep list-images\" shows what there is" },
                { "org.freedesktop.import1.NoSuchTransfer", NULL,
                  "\"skep list-transfers\" shows what is under way" },
        };

        if (home_is_user() && streq_ptr(destination, BUS_SYSTEMD1_NAME) &&
            sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit"))
                return no_template;
        for (size_t i = 0; i < ELEMENTSOF(hints); i++)
                if (streq(hints[i].error, error->name) &&
                    (!hints[i].destination || streq_ptr(hints[i].destination, destination)))
                        return hints[i].hint;
        return NULL;
}

static int failure(Ctl *c, int r, const sd_bus_error *error, const char *destination, Error *e) {
        const char *more;

        if (r == -ENOTCONN || r == -ECONNRESET ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_DISCONNECTED))
                return broken(c, r, e);
        if (!sd_bus_error_is_set(error))
                return error_set(e, r, "%m");
        more = hint(error, destination);
        (void) bus_error_get(e, r, error);
        if (e) {
                /* The text may quote what is foreign to the daemon too. */
                _cleanup_free_ char *printable = text_printable(e->text, false);

                (void) snprintf(e->text, sizeof(e->text), "%s", strempty(printable));
        }
        if (more && e) {
                size_t n = strlen(e->text);

                (void) snprintf(e->text + n, sizeof(e->text) - n, " (%s)", more);
        }
        if (sd_bus_error_has_names(error, SD_BUS_ERROR_UNKNOWN_METHOD,
                                   SD_BUS_ERROR_UNKNOWN_INTERFACE, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
                if (e)
                        e->code = -ENOSYS;
                return -ENOSYS;
        }
        return -bus_error_code(error->name);
}

int client_send(Ctl *c, sd_bus_message *m, bool acts, sd_bus_message **ret, Error *e) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if (acts && ctl_is_local(c) && !c->o.no_ask_password)
                agent_start(&c->agent);
        r = sd_bus_call(c->bus, m, acts ? NO_LIMIT : 0, &error, &reply);
        if (r < 0)
                return failure(c, r, &error, sd_bus_message_get_destination(m), e);
        if (ret)
                *ret = TAKE_PTR(reply);
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        *(sd_bus_message **) userdata = sd_bus_message_ref(m);
        return 1;
}

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int sig) {
        is_interrupted = 1;
}

/* A daemon that cannot be asked to goes on; we end as we would have. */
static void cancel_own(Ctl *c) {
        if (client_query(c, &peer_skep, "CancelOperation", NULL, NULL, "t", UINT64_C(0)) < 0)
                (void) raise(SIGINT);
        c->interrupted = true;
}

static int wait_for_answer(Ctl *c, sd_bus_message **answer, void (*look)(Ctl *c, void *userdata),
                           void *userdata) {
        int r = 0;

        while (r >= 0 && !*answer) {
                if (is_interrupted && !c->interrupted)
                        cancel_own(c);
                r = sd_bus_process(c->bus, NULL);
                if (r != 0)
                        continue;
                r = sd_bus_wait(c->bus, LOOK_USEC);
                if (r == 0 && look)
                        look(c, userdata);
                if (r == -EINTR)
                        r = 0;
        }
        return r;
}

int client_act_watched(Ctl *c, sd_bus_message *m, void (*look)(Ctl *c, void *userdata),
                       void *userdata, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;

        if (ctl_is_local(c) && !c->o.no_ask_password)
                agent_start(&c->agent);
        const struct sigaction ours = { .sa_handler = on_interrupt,
                                        .sa_flags = (int) SA_RESETHAND };
        struct sigaction before;

        (void) sigaction(SIGINT, &ours, &before);
        int r = sd_bus_call_async(c->bus, &slot, m, on_answer, &answer, NO_LIMIT);
        if (r >= 0)
                r = wait_for_answer(c, &answer, look, userdata);
        (void) sigaction(SIGINT, &before, NULL);
        if (r < 0)
                return broken(c, r, e);
        if (sd_bus_message_is_method_error(answer, NULL))
                return failure(c, -sd_bus_message_get_errno(answer),
                               sd_bus_message_get_error(answer), sd_bus_message_get_destination(m),
                               e);
        return 0;
}

static int callv(Ctl *c, const Peer *peer, const char *member, bool acts, sd_bus_message **ret,
                 Error *e, const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = client_connect(c, e);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->bus, &m, peer->name, peer->path, peer->interface,
                                           member);
        if (r >= 0 && types)
                r = sd_bus_message_appendv(m, types, ap);
        if (r < 0)
                return error_set(e, r, "cannot make a call of %s: %m", member);
        return client_send(c, m, acts, ret, e);
}

int client_query(Ctl *c, const Peer *peer, const char *member, sd_bus_message **ret, Error *e,
                 const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        int r = callv(c, peer, member, false, ret, e, types, ap);
        va_end(ap);
        return r;
}

int client_act(Ctl *c, const Peer *peer, const char *member, sd_bus_message **ret, Error *e,
               const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        int r = callv(c, peer, member, true, ret, e, types, ap);
        va_end(ap);
        return r;
}

int client_get(Ctl *c, const char *member, const char *name, char **ret, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;
        int r = client_query(c, &peer_machine1, member, &reply, e, "s", name);

        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return error_set(e, r, "cannot read the answer to %s: %m", member);
        *ret = strdup(path);
        return *ret ? 0 : error_oom(e);
}

int client_properties(Ctl *c, const char *name, const char *path, const char *interface,
                      sd_bus_message **ret, Error *e) {
        const Peer peer = { name, path, BUS_PROPERTIES };

        return client_query(c, &peer, "GetAll", ret, e, "s", interface);
}

int client_string_property(Ctl *c, const char *name, const char *path, const char *interface,
                           const char *property, char **ret, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Peer peer = { name, path, BUS_PROPERTIES };
        const char *s, *type;
        int r = client_query(c, &peer, "Get", &reply, e, "ss", interface, property);

        if (r < 0)
                return r;
        r = sd_bus_message_peek_type(reply, NULL, &type);
        if (r > 0)
                r = sd_bus_message_enter_container(reply, 'v', type);
        if (r > 0 && strchr("sog", type[0]))
                r = sd_bus_message_read_basic(reply, type[0], &s);
        else if (r >= 0)
                r = -EBADMSG;
        if (r < 0)
                return error_set(e, r, "cannot read the property %s: %m", property);
        *ret = strdup(s);
        return *ret ? 0 : error_oom(e);
}

int client_os_release(sd_bus_message *reply, char **ret_id, char **ret_version, char **ret_pretty) {
        const struct {
                const char *key;
                char **ret;
        } wanted[] = { { "ID", ret_id },
                       { "VERSION_ID", ret_version },
                       { "PRETTY_NAME", ret_pretty } };
        const char *key, *value;
        int r = sd_bus_message_enter_container(reply, 'a', "{ss}");

        while (r >= 0 && (r = sd_bus_message_read(reply, "{ss}", &key, &value)) > 0)
                for (size_t i = 0; i < ELEMENTSOF(wanted); i++)
                        if (wanted[i].ret && streq(wanted[i].key, key) &&
                            str_replace(wanted[i].ret, value) < 0)
                                return -ENOMEM;
        return r < 0 ? r : sd_bus_message_exit_container(reply);
}

int client_addresses(sd_bus_message *reply, int ifindex, const char *separator, char **ret) {
        _cleanup_(buf_done) Buf out = {};
        const void *address;
        size_t n;
        int family, r = sd_bus_message_enter_container(reply, 'a', "(iay)");

        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "iay")) > 0) {
                char text[INET6_ADDRSTRLEN];

                r = sd_bus_message_read(reply, "i", &family);
                if (r >= 0)
                        r = sd_bus_message_read_array(reply, 'y', &address, &n);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r < 0)
                        break;
                if (!(family == AF_INET && n == 4) && !(family == AF_INET6 && n == 16))
                        continue;
                if (!inet_ntop(family, address, text, sizeof(text)))
                        return -errno;
                r = buf_printf(&out, "%s%s", out.n > 0 ? separator : "", text);
                if (r >= 0 && family == AF_INET6 && ifindex > 0)
                        r = buf_printf(&out, "%%%d", ifindex);
        }
        if (r < 0)
                return r;
        *ret = out.n > 0 ? buf_take(&out) : NULL;
        return 0;
}

bool client_is_unknown_method(int r) {
        return r == -ENOSYS;
}

int client_wait(Ctl *c, bool (*done)(void *), void *userdata, Error *e) {
        while (!done(userdata)) {
                int r = sd_bus_process(c->bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(c->bus, UINT64_MAX);
                if (r < 0 && r != -EINTR)
                        return broken(c, r, e);
        }
        return 0;
}
