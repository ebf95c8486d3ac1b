/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections of varlink, see import-front.h. What methods do is in import-varlink.c. */
#include "importer/import-front.h"

#include <systemd/sd-daemon.h>

#include "app/report.h"
#include "base/fd.h"
#include "bus/error.h"
#include "bus/name.h"
#include "importer/import-bus.h"
#include "varlink/place.h"

static const VarlinkPlace place = { "systemd/io.systemd.Import",
                                    { "varlink/registry/io.systemd.Import",
                                      "varlink/registry/org.skep.Import" } };

struct ImportFront {
        VarlinkServer *server;
        bool is_ours; /* the socket was made by us, not by systemd */
        ImportClient *clients;
};

static const VarlinkInterface *const interfaces[] = { &import_interface, &import_skep_interface,
                                                      &varlink_service_interface, NULL };

/* Connections */

static void client_close(ImportManager *m, ImportClient *c) {
        c->slot = sd_bus_slot_unref(c->slot);
        if (c->pair.server)
                polkit_remove_peer(m->daemon.polkit, c->pair.server);
        bus_pair_close(&c->pair);
}

static void on_gone(VarlinkLink *link) {
        ImportManager *m = varlink_userdata(link);
        ImportClient *c = *varlink_state(link);

        m->daemon.active_usec = now_usec();
        if (!c)
                return;
        if (c->next)
                c->next->previous = c->previous;
        if (c->previous)
                c->previous->next = c->next;
        else
                m->front->clients = c->next;
        client_close(m, c);
        free(c->remote);
        free(c);
}

static void on_level(VarlinkLink *link, int level) {
        log_control_set(&((ImportManager *) varlink_userdata(link))->daemon.log, level);
}

int import_client(VarlinkLink *link, ImportClient **ret, Error *e) {
        ImportManager *m = varlink_userdata(link);
        ImportClient *c = *varlink_state(link);

        if (!c) {
                c = calloc(1, sizeof *c);
                if (!c)
                        return error_oom(e);
                c->link = link;
                c->next = m->front->clients;
                if (c->next)
                        c->next->previous = c;
                m->front->clients = c;
                *varlink_state(link) = c;
        }
        *ret = c;
        return 0;
}

/* Failures */

static int fail_by_name(ImportClient *c, VarlinkLink *link, int code) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *text;

        if (code == ERR_NEEDS_INTERACTION)
                return varlink_error(link, "io.systemd.InteractiveAuthenticationRequired", NULL);
        if (code == ERR_NO_SUCH_TRANSFER)
                return varlink_error(link, "org.skep.Import.NoSuchTransfer", NULL);
        if (code != ERR_TRANSFER_IN_PROGRESS)
                return -ENOENT;
        varlink_put_string(&o, "remote", c ? c->remote : NULL);
        int r = varlink_object_end(&o, &text);
        return r < 0 ? r : varlink_error(link, "io.systemd.Import.AlreadyInProgress", text);
}

static void fail(VarlinkLink *link, int r, const Error *e) {
        int code = r < 0 ? -r : r;

        if (fail_by_name(*varlink_state(link), link, code) == -ENOENT)
                (void) varlink_fail(link, code < ERR_NO_SUCH_MACHINE ? code : EIO,
                                    error_is_set(e) ? e->text : NULL);
}

/* Calls on the connection's own bus */

static int client_open(ImportClient *c, Error *e) {
        ImportManager *m = varlink_userdata(c->link);
        const VarlinkPeer *peer = varlink_peer(c->link);
        int r = bus_pair_open(m->daemon.event, &c->pair, e);

        if (r >= 0)
                r = import_bus_add(m, c->pair.server, e);
        if (r >= 0 && polkit_add_peer(m->daemon.polkit, c->pair.server, peer->uid, peer->pid,
                                      peer->start_time) < 0)
                r = error_oom(e);
        if (r < 0)
                client_close(m, c);
        return r;
}

int import_client_call(ImportClient *c, const char *interface, const char *member, bool interactive,
                       sd_bus_message **ret, Error *e) {
        int r = c->pair.client ? 0 : client_open(c, e);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(c->pair.client, ret, NULL, BUS_IMPORT1_PATH, interface,
                                           member);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(*ret, interactive);
        return r < 0 ? error_set(e, r, "cannot make a call: %m") : 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ignored) {
        ImportClient *c = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        Error e = {};
        int r = error ? bus_error_get(&e, 0, error) : 0;

        c->slot = sd_bus_slot_unref(c->slot);
        r = c->reply(c, error ? NULL : m, r, &e);
        if (r < 0)
                fail(c->link, r, &e);
        return 0;
}

int import_client_send(ImportClient *c, sd_bus_message *call, int r, ImportReply reply, Error *e) {
        c->reply = reply;
        /* What takes long has a time limit of its own. */
        if (r >= 0)
                r = sd_bus_call_async(c->pair.client, &c->slot, call, on_reply, c, UINT64_MAX);
        return r < 0 ? error_set(e, r, "cannot send a call: %m") : 0;
}

/* Following a transfer */

static const Transfer *find_ended(const ImportManager *m, uint32_t id) {
        for (size_t i = m->n_ended; i > 0; i--)
                if (m->ended[i - 1]->id == id)
                        return m->ended[i - 1];
        return NULL;
}

static void answer_end(ImportClient *c, const Transfer *t) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *result = t ? transfer_result(t) : "failed", *text;

        c->follow = 0;
        if (streq(result, "done"))
                (void) varlink_reply(c->link, NULL);
        else if (streq(result, "canceled"))
                (void) varlink_error(c->link, "io.systemd.Import.TransferCancelled", NULL);
        else {
                varlink_put_string(&o, "message", t ? t->error : NULL);
                if (varlink_object_end(&o, &text) >= 0)
                        (void) varlink_error(c->link, "io.systemd.Import.TransferFailed", text);
        }
}

int import_client_follow(ImportClient *c, uint32_t id, Error *e) {
        const ImportManager *m = varlink_userdata(c->link);
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *text;

        varlink_put_unsigned(&o, "id", id);
        int r = varlink_object_end(&o, &text);
        if (r < 0)
                return error_set(e, r, "cannot answer: %m");
        if (!varlink_wants_more(c->link))
                return varlink_reply(c->link, text);
        r = varlink_continue(c->link, text);
        if (r < 0)
                return r;
        c->follow = id;
        if (!import_manager_find(m, id))
                answer_end(c, find_ended(m, id));
        return 0;
}

/* To all who follow it. What is sent may break a connection, but its owner is not freed meanwhile. */
static void tell(const Watched *w, VarlinkObject *o) {
        const char *text;

        if (varlink_object_end(o, &text) < 0)
                return;
        for (ImportClient *c = w->manager->front->clients; c; c = c->next)
                if (c->follow == w->transfer->id)
                        (void) varlink_continue(c->link, text);
}

static bool is_followed(const Watched *w) {
        const ImportFront *front = w->manager->front;

        for (const ImportClient *c = front ? front->clients : NULL; c; c = c->next)
                if (c->follow == w->transfer->id)
                        return true;
        return false;
}

void import_front_log(const Watched *w, int level, const char *text) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();

        if (!is_followed(w))
                return;
        varlink_open(&o, "log", '{');
        varlink_put_string(&o, "message", text);
        varlink_put_unsigned(&o, "priority", (uint64_t) level);
        varlink_close(&o, '}');
        tell(w, &o);
}

void import_front_progress(const Watched *w) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        char number[16];

        if (w->transfer->progress < 0 || !is_followed(w))
                return;
        (void) snprintf(number, sizeof number, "%.2f", w->transfer->progress * 100);
        varlink_put_text(&o, "progress", number);
        tell(w, &o);
}

void import_front_end(const Watched *w) {
        const ImportFront *front = w->manager->front;

        for (ImportClient *c = front ? front->clients : NULL; c; c = c->next)
                if (c->follow == w->transfer->id)
                        answer_end(c, w->transfer);
}

/* Beginning and end */

int import_front_init(ImportManager *m, Error *e) {
        static const VarlinkService service = {
                .vendor = "skep",
                .product = "skep-importd",
                .version = SKEP_VERSION,
                .url = "man:skep-importd(8)",
                .interfaces = interfaces,
                .fail = fail,
                .gone = on_gone,
                .set_level = on_level,
                .takes_fds = true,
        };
        int n = sd_listen_fds(true);
        Error why = {};

        m->front = calloc(1, sizeof *m->front);
        if (!m->front)
                return error_oom(e);
        int n_given = MAX(n, 0);
        int fd = varlink_place_listen(&place, n_given, &m->front->is_ours, &why);
        /* Everything else works without it. */
        if (fd < 0) {
                report(LOG_WARNING, "%s", why.text);
                return 0;
        }
        int r = varlink_server_new(m->daemon.event, &service, m, &m->front->server);
        while (r >= 0 && fd >= 0) {
                r = varlink_server_listen(m->front->server, fd);
                if (r >= 0)
                        fd = varlink_place_next(&place, n_given, fd);
        }
        if (r < 0) {
                fd_close(fd);
                return error_set(e, r, "cannot listen on %s: %m", place.path);
        }
        return 0;
}

bool import_front_is_idle(const ImportManager *m) {
        return !m->front || !m->front->server || varlink_server_links(m->front->server) == 0;
}

void import_front_close(const ImportManager *m) {
        if (m->front && m->front->server)
                varlink_server_close(m->front->server);
}

void import_front_done(ImportManager *m) {
        if (!m->front)
                return;
        m->front->server = varlink_server_free(m->front->server);
        if (m->front->is_ours)
                varlink_place_remove(&place);
        free(m->front);
        m->front = NULL;
}
