/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two ends of a connection's own bus, see bridge.h. They are made with the first call that needs them. */
#include "machined/bridge.h"

#include "bus/pair.h"
#include "machined/front.h"
#include "machined/image-object.h"
#include "machined/object.h"
#include "machined/privacy.h"

struct Bridge {
        Manager *manager;
        VarlinkLink *link;
        BusPair pair;
        sd_bus_slot *slot; /* the call that is under way */
        BridgeReply reply;
};

Bridge *bridge_free(Bridge *b) {
        if (!b)
                return NULL;
        sd_bus_slot_unref(b->slot);
        if (b->pair.server) {
                polkit_remove_peer(b->manager->daemon.polkit, b->pair.server);
                privacy_unwatch(b->manager, b->pair.server);
        }
        bus_pair_close(&b->pair);
        free(b);
        return NULL;
}
DEFINE_CLEANUP(Bridge *, bridge_free)

static int bridge_new(VarlinkLink *link, Bridge **ret, Error *e) {
        _cleanup_(bridge_freep) Bridge *b = calloc(1, sizeof *b);
        Manager *m = varlink_userdata(link);
        const VarlinkPeer *peer = varlink_peer(link);

        if (!b)
                return error_oom(e);
        b->manager = m;
        b->link = link;
        int r = bus_pair_open(m->daemon.event, &b->pair, e);
        if (r >= 0)
                r = privacy_watch(m, b->pair.server, e);
        if (r >= 0)
                r = image_object_watch(m, b->pair.server, e);
        if (r >= 0)
                r = object_add_all(m, b->pair.server, e);
        if (r >= 0)
                r = polkit_add_peer(m->daemon.polkit, b->pair.server, peer->uid, peer->pid,
                                    peer->start_time);
        if (r < 0)
                return error_is_set(e) ? r : error_set(e, r, "cannot make a bus for two: %m");
        *ret = TAKE_PTR(b);
        return 0;
}

int bridge_call(VarlinkLink *link, const char *interface, const char *member, bool interactive,
                sd_bus_message **ret, Error *e) {
        return bridge_call_object(link, BUS_MACHINE1_PATH, interface, member, interactive, ret, e);
}

int bridge_call_object(VarlinkLink *link, const char *path, const char *interface,
                       const char *member, bool interactive, sd_bus_message **ret, Error *e) {
        FrontClient *client;
        int r = front_client(link, &client, e);

        if (r >= 0 && !client->bridge)
                r = bridge_new(link, &client->bridge, e);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_call(client->bridge->pair.client, ret, NULL, path, interface,
                                           member);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(*ret, interactive);
        return r < 0 ? error_set(e, r, "cannot make a call: %m") : 0;
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *ignored) {
        Bridge *b = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(m);
        Error e = {};
        int r = error ? bus_error_get(&e, 0, error) : 0;

        b->slot = sd_bus_slot_unref(b->slot);
        r = b->reply(b->link, error ? NULL : m, r, &e);
        if (r < 0)
                front_fail(b->link, r, &e);
        return 0;
}

int bridge_send(VarlinkLink *link, sd_bus_message *call, BridgeReply reply, Error *e) {
        FrontClient *client;
        int r = front_client(link, &client, e);

        if (r < 0)
                return r;
        client->bridge->reply = reply;
        /* What takes long has a time limit of its own. */
        r = sd_bus_call_async(client->bridge->pair.client, &client->bridge->slot, call, on_reply,
                              client->bridge, UINT64_MAX);
        return r < 0 ? error_set(e, r, "cannot send a call: %m") : 0;
}

int bridge_send_built(VarlinkLink *link, sd_bus_message *call, int r, BridgeReply reply, Error *e) {
        return r < 0 ? error_set(e, r, "cannot make a call: %m")
                     : bridge_send(link, call, reply, e);
}

int bridge_done(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        return reply ? varlink_reply(link, NULL) : r;
}
