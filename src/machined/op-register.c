/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New machines: RegisterMachine…() takes a machine in as it stands, CreateMachine…() puts its leader in
 * a scope as well. All six forms are decoded into one Registration and go the same way from there. */
#include "machined/op.h"
#include "machined/registration.h"

static int decode(sd_bus_message *call, bool with_network, Registration *ret, Error *e) {
        Registration g = REGISTRATION_NONE;
        size_t size = 0;
        int r = op_read(call, e, "s", &g.name);

        if (r < 0)
                return r;
        r = sd_bus_message_read_array(call, 'y', &g.id, &g.n_id);
        if (r < 0)
                return error_set(e, EINVAL, "the ID cannot be read");
        r = op_read(call, e, "ssus", &g.service, &g.class, &g.leader, &g.root);
        if (r < 0)
                return r;
        if (with_network) {
                const void *p = NULL;
                if (sd_bus_message_read_array(call, 'i', &p, &size) < 0)
                        return error_set(e, EINVAL, "the interfaces cannot be read");
                g.netifs = p;
                g.n_netifs = size / sizeof *g.netifs;
        }
        *ret = g;
        return 0;
}

static int read_array(sd_bus_message *call, char type, const void **ret, size_t *ret_size) {
        char contents[] = { 'a', type, '\0' };
        int r = sd_bus_message_enter_container(call, 'v', contents);

        if (r >= 0)
                r = sd_bus_message_read_array(call, type, ret, ret_size);
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int decode_property(sd_bus_message *call, const char *key, Registration *g, Error *e) {
        const struct {
                const char *key, *type;
                void *value;
        } simple[] = {
                { "Service", "s", &g->service },
                { "Class", "s", &g->class },
                { "LeaderPID", "u", &g->leader },
                { "LeaderPIDFD", "h", &g->leader_fd },
                { "LeaderPIDFDID", "t", &g->leader_id },
                { "RootDirectory", "s", &g->root },
                { "VSockCID", "u", &g->vsock_cid },
                { "SSHAddress", "s", &g->ssh_address },
                { "SSHPrivateKeyPath", "s", &g->ssh_key },
                { "ControlAddress", "s", &g->control_address },
        };
        int r = -ENOENT;

        for (size_t i = 0; i < ELEMENTSOF(simple); i++)
                if (streq(key, simple[i].key))
                        r = sd_bus_message_read(call, "v", simple[i].type, simple[i].value);
        if (streq(key, "VSockCID"))
                g->has_vsock_cid = true;
        if (streq(key, "Id"))
                r = read_array(call, 'y', &g->id, &g->n_id);
        if (streq(key, "NetworkInterfaces")) {
                const void *p = NULL;
                size_t size = 0;
                r = read_array(call, 'i', &p, &size);
                g->netifs = p;
                g->n_netifs = size / sizeof *g->netifs;
        }
        if (r == -ENOENT)
                return error_set(e, EINVAL, "unknown property '%.64s'", key);
        return r < 0 ? error_set(e, EINVAL, "property '%.64s' is of the wrong type", key) : 0;
}

static int decode_ex(sd_bus_message *call, Registration *ret, Error *e) {
        Registration g = REGISTRATION_NONE;

        int r = op_read(call, e, "s", &g.name);

        if (r >= 0 && sd_bus_message_enter_container(call, 'a', "(sv)") < 0)
                r = error_set(e, EINVAL, "the properties cannot be read");
        while (r >= 0) {
                const char *key;
                r = sd_bus_message_enter_container(call, 'r', "sv");
                if (r == 0)
                        break;
                if (r >= 0)
                        r = sd_bus_message_read(call, "s", &key);
                if (r >= 0) {
                        r = decode_property(call, key, &g, e);
                        if (r < 0)
                                return r;
                        r = sd_bus_message_exit_container(call);
                }
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(call);
        if (r < 0)
                return error_is_set(e) ? r : error_set(e, EINVAL, "the properties cannot be read");
        if (g.leader_fd < 0 && (g.leader == 0) != (g.leader_id == 0))
                return error_set(e, EINVAL, "LeaderPID and LeaderPIDFDID have to come together");
        *ret = g;
        return 0;
}

static int authorize(Manager *m, const Registration *g, sd_bus_message *call, Error *e) {
        const char *details[] = { "name", g->name, "class", strempty(g->class), NULL };

        return polkit_check(m->daemon.polkit, call,
                            g->wants_scope ? BUS_MACHINE1_NAME ".create-machine"
                                           : BUS_MACHINE1_NAME ".register-machine",
                            details, POLKIT_NOBODY, e);
}

static void answer_creation(void *userdata, const Machine *machine, const sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = userdata;

        if (machine)
                (void) sd_bus_reply_method_return(call, "o", machine->path);
        else if (error)
                (void) sd_bus_reply_method_error(call, error);
}

static int take_in(Manager *m, const Registration *g, Machine *machine, sd_bus_message *call,
                   Error *e) {
        const Creation creation = { call, answer_creation, call };
        int r;

        if (g->wants_scope) {
                sd_bus_message_ref(call);
                r = registration_take_in(m, machine, &creation, e);
                if (r < 0)
                        sd_bus_message_unref(call);
                return r;
        }
        r = registration_take_in(m, machine, NULL, e);
        if (r < 0)
                return r;
        return op_sent(sd_bus_reply_method_return(call, "o", machine->path), e);
}

static int go(Manager *m, const Registration *g, sd_bus_message *call, Error *e) {
        Machine *machine, *old;
        pid_t caller;
        uid_t uid;
        int r = registration_check(g, e);

        if (r >= 0)
                r = registration_find_free(m, g, &old, e);
        if (r > 0)
                return manager_wait_for_end(m, old, call, e);
        if (r >= 0)
                r = authorize(m, g, call, e);
        if (r <= 0)
                return r;

        r = polkit_find_caller(m->daemon.polkit, call, &uid, &caller, e);
        if (r <= 0)
                return r;
        r = registration_make(m, g, uid, caller, &machine, e);
        return r < 0 ? r : take_in(m, g, machine, call, e);
}

static int decode_and_go(Manager *m, sd_bus_message *call, bool with_network, bool wants_scope,
                         Error *e) {
        Registration g;
        int r = decode(call, with_network, &g, e);

        if (r < 0)
                return r;
        g.wants_scope = wants_scope;
        return go(m, &g, call, e);
}

static int decode_ex_and_go(Manager *m, sd_bus_message *call, bool wants_scope, Error *e) {
        Registration g;
        int r = decode_ex(call, &g, e);

        if (r < 0)
                return r;
        g.wants_scope = wants_scope;
        return go(m, &g, call, e);
}

int op_create(Manager *m, sd_bus_message *call, Error *e) {
        return decode_and_go(m, call, false, true, e);
}

int op_create_with_network(Manager *m, sd_bus_message *call, Error *e) {
        return decode_and_go(m, call, true, true, e);
}

int op_create_ex(Manager *m, sd_bus_message *call, Error *e) {
        return decode_ex_and_go(m, call, true, e);
}

int op_register(Manager *m, sd_bus_message *call, Error *e) {
        return decode_and_go(m, call, false, false, e);
}

int op_register_with_network(Manager *m, sd_bus_message *call, Error *e) {
        return decode_and_go(m, call, true, false, e);
}

int op_register_ex(Manager *m, sd_bus_message *call, Error *e) {
        return decode_ex_and_go(m, call, false, e);
}

int op_unregister(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        if (machine->class == MACHINE_HOST)
                return error_set(e, EOPNOTSUPP, "the host cannot be unregistered");
        int r = op_authorize(m, call, BUS_MACHINE1_NAME ".manage-machines", machine, "unregister",
                             machine->uid, e);
        if (r <= 0)
                return r;
        manager_drop(m, machine);
        return op_sent(sd_bus_reply_method_return(call, NULL), e);
}
