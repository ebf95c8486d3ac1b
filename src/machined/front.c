/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets and connections of varlink in the daemon, see front.h. What methods do is in varlink-*.c. */
#include "machined/front.h"

#include <systemd/sd-daemon.h>

#include "app/report.h"
#include "base/home.h"
#include "varlink/place.h"

static void on_gone(VarlinkLink *link);
static void on_level(VarlinkLink *link, int level);

static const VarlinkInterface *const machine_interfaces[] = {
        &machine_interface, &image_interface, &life_interface, &varlink_service_interface, NULL,
};
static const VarlinkInterface *const user_interfaces[] = { &user_interface,
                                                           &varlink_service_interface, NULL };
static const VarlinkInterface *const hook_interfaces[] = { &hook_interface,
                                                           &varlink_service_interface, NULL };

#define SERVICE(list)                                                                              \
        {                                                                                          \
                .vendor = "skep", .product = "skep-machined", .version = SKEP_VERSION,             \
                .url = "man:skep-machined(8)", .interfaces = list, .fail = front_fail,             \
                .gone = on_gone, .set_level = on_level                                             \
        }

static const struct {
        VarlinkPlace place;
        bool is_system; /* users have none */
        VarlinkService service;
} places[] = {
        { { "systemd/machine/io.systemd.Machine",
            { "systemd/machine/io.systemd.MachineImage", "varlink/registry/io.systemd.Machine",
              "varlink/registry/io.systemd.MachineImage" } },
          false,
          SERVICE(machine_interfaces) },
        { { "systemd/userdb/io.systemd.Machine", { NULL } }, true, SERVICE(user_interfaces) },
        { { "systemd/resolve.hook/io.systemd.Machine", { NULL } }, true, SERVICE(hook_interfaces) },
};

struct Front {
        VarlinkServer *servers[ELEMENTSOF(places)];
        bool is_ours[ELEMENTSOF(places)]; /* the socket was made by us, not by systemd */
        FrontClient *clients;
};

/* Connections */

static void on_gone(VarlinkLink *link) {
        Front *front = ((Manager *) varlink_userdata(link))->front;
        FrontClient *c = *varlink_state(link);

        if (!c)
                return;
        if (c->next)
                c->next->previous = c->previous;
        if (c->previous)
                c->previous->next = c->next;
        else
                front->clients = c->next;
        bridge_free(c->bridge);
        front_set_work(c, NULL, NULL);
        free(c);
}

static void on_level(VarlinkLink *link, int level) {
        log_control_set(&((Manager *) varlink_userdata(link))->daemon.log, level);
}

void front_set_work(FrontClient *client, void *work, void (*work_free)(void *work)) {
        if (client->work)
                client->work_free(client->work);
        client->work = work;
        client->work_free = work_free;
}

int front_client(VarlinkLink *link, FrontClient **ret, Error *e) {
        Front *front = ((Manager *) varlink_userdata(link))->front;
        FrontClient *c = *varlink_state(link);

        if (!c) {
                c = calloc(1, sizeof *c);
                if (!c)
                        return error_oom(e);
                c->link = link;
                c->next = front->clients;
                if (c->next)
                        c->next->previous = c;
                front->clients = c;
                *varlink_state(link) = c;
        }
        *ret = c;
        return 0;
}

/* Answers */

int front_reply(VarlinkLink *link, VarlinkObject *o) {
        const char *text;
        int r = varlink_object_end(o, &text);

        return r < 0 ? r : varlink_reply(link, text);
}

int front_error(VarlinkLink *link, const char *name) {
        _cleanup_free_ char *id = str_format("%s.%s", varlink_interface(link), name);

        return id ? varlink_error(link, id, NULL) : -ENOMEM;
}

void front_fail(VarlinkLink *link, int r, const Error *e) {
        static const struct {
                int code;
                const char *name;
        } names[] = {
                { ERR_NO_SUCH_MACHINE, "NoSuchMachine" },
                { ERR_NO_MACHINE_FOR_PID, "NoSuchMachine" },
                { ERR_NO_SUCH_IMAGE, "NoSuchImage" },
                { ERR_MACHINE_EXISTS, "MachineExists" },
                { ERR_NO_PRIVATE_NETWORKING, "NoPrivateNetworking" },
                { ERR_NO_SUCH_USER_MAPPING, "NoSuchUser" },
                { ERR_NO_SUCH_GROUP_MAPPING, "NoSuchGroup" },
                { EOPNOTSUPP, "NotSupported" },
                { ENOBUFS, "TooManyOperations" },
        };
        int code = r < 0 ? -r : r;
        int k = -ENOENT;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (code == names[i].code)
                        k = front_error(link, names[i].name);
        if (k == -ENOENT && code == ERR_NEEDS_INTERACTION)
                k = varlink_error(link, "io.systemd.InteractiveAuthenticationRequired", NULL);
        if (k == -ENOENT)
                (void) varlink_fail(link, code < ERR_NO_SUCH_MACHINE ? code : EIO,
                                    error_is_set(e) ? e->text : NULL);
}

/* Machines that come and go */

void front_life_text(VarlinkObject *o, const char *event, const Machine *machine) {
        varlink_put_string(o, "event", event);
        if (!machine)
                return;
        varlink_put_string(o, "name", machine->name);
        varlink_put_string(o, "class", machine_class_name(machine->class));
        varlink_put_string(o, "service", machine->service);
}

void front_life(Manager *m, const Machine *machine, bool comes) {
        bool any = false;

        for (const FrontClient *c = m->front ? m->front->clients : NULL; c && !any; c = c->next)
                any = c->interest != FRONT_NOTHING;
        if (!any)
                return;

        _cleanup_object_ VarlinkObject life = varlink_object_init(), filter = varlink_object_init();
        const char *life_text, *filter_text;
        front_life_text(&life, comes ? "new" : "removed", machine);
        hook_filter_text(&filter, m);
        if (varlink_object_end(&life, &life_text) < 0 ||
            varlink_object_end(&filter, &filter_text) < 0)
                return;
        for (FrontClient *c = m->front->clients; c; c = c->next)
                if (c->interest != FRONT_NOTHING)
                        (void) varlink_continue(c->link, c->interest == FRONT_LIFE ? life_text
                                                                                   : filter_text);
}

/* Sockets */

static int serve(Manager *m, size_t i, int n_given, Error *e) {
        Error why = {};
        int fd = varlink_place_listen(&places[i].place, n_given, &m->front->is_ours[i], &why);

        /* Everything else works without it. */
        if (fd < 0) {
                report(LOG_WARNING, "%s", why.text);
                return 0;
        }
        int r = varlink_server_new(m->daemon.event, &places[i].service, m, &m->front->servers[i]);
        while (r >= 0 && fd >= 0) {
                r = varlink_server_listen(m->front->servers[i], fd);
                if (r >= 0)
                        fd = varlink_place_next(&places[i].place, n_given, fd);
        }
        if (r < 0) {
                fd_close(fd);
                return error_set(e, r, "cannot listen on %s: %m", places[i].place.path);
        }
        return 0;
}

int front_init(Manager *m, Error *e) {
        int n = sd_listen_fds(true);

        m->front = calloc(1, sizeof *m->front);
        if (!m->front)
                return error_oom(e);
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                if (places[i].is_system && home_is_user())
                        continue;
                int r = serve(m, i, n < 0 ? 0 : n, e);
                if (r < 0)
                        return r;
        }
        return 0;
}

void front_done(Manager *m) {
        if (!m->front)
                return;
        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                m->front->servers[i] = varlink_server_free(m->front->servers[i]);
                if (m->front->is_ours[i])
                        varlink_place_remove(&places[i].place);
        }
        free(m->front);
        m->front = NULL;
}
