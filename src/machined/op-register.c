/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New machines: RegisterMachine…() takes a machine in as it stands, CreateMachine…() puts its leader in
 * a scope as well. All six forms are decoded into one Registration and go the same way from there. */
#include <systemd/sd-event.h>
#include <time.h>

#include "base/path.h"
#include "machined/op.h"
#include "machined/scope.h"

#define SERVICE_LENGTH_MAX 256
/* Of one user who is not root. */
#define MACHINES_PER_USER_MAX 1024

typedef struct Registration {
        const char *name;
        const char *service;
        const char *class;
        const char *root;
        const char *ssh_address;
        const char *ssh_key;
        const void *id; /* 0 or 16 bytes */
        size_t n_id;
        const int32_t *netifs;
        size_t n_netifs;
        uint32_t leader; /* 0 = the caller */
        uint64_t leader_id;
        int leader_fd; /* borrowed from the message; -EBADF = none */
        uint32_t vsock_cid;
        bool has_vsock_cid;
        bool wants_scope;
} Registration;

static int decode(sd_bus_message *call, bool with_network, Registration *ret, Error *e) {
        Registration g = { .leader_fd = -EBADF };
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
                { "Service", "s", &g->service },           { "Class", "s", &g->class },
                { "LeaderPID", "u", &g->leader },          { "LeaderPIDFD", "h", &g->leader_fd },
                { "LeaderPIDFDID", "t", &g->leader_id },   { "RootDirectory", "s", &g->root },
                { "VSockCID", "u", &g->vsock_cid },        { "SSHAddress", "s", &g->ssh_address },
                { "SSHPrivateKeyPath", "s", &g->ssh_key },
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
        Registration g = { .leader_fd = -EBADF, .service = "", .class = "", .root = "" };
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

/* Free text that ends up in files of lines and on terminals. */
static bool text_is_plain(const char *s, size_t max) {
        if (strlen(s) > max)
                return false;
        for (; *s; s++)
                if ((unsigned char) *s < ' ' || *s == 0x7f)
                        return false;
        return true;
}

static int check(const Registration *g, Error *e) {
        MachineClass class = machine_class_parse(g->class);
        int r = registry_check_name(g->name, e);

        if (r < 0)
                return r;
        if (g->n_id != 0 && g->n_id != sizeof(Id128))
                return error_set(e, EINVAL, "an ID has 16 bytes, not %zu", g->n_id);
        if (class < 0 || class == MACHINE_HOST)
                return error_set(e, EINVAL, "'%.64s' is not a class that a machine can have",
                                 g->class);
        if (!text_is_plain(g->service, SERVICE_LENGTH_MAX))
                return error_set(e, EINVAL, "the service is too long or has control characters");
        if (*g->root && (!path_is_safe(g->root) || !text_is_plain(g->root, PATH_MAX)))
                return error_set(e, EINVAL, "the root directory is not an absolute, plain path");
        if (g->leader == 1)
                return error_set(e, EINVAL, "PID 1 cannot lead a machine");
        if (g->leader > INT32_MAX)
                return error_set(e, EINVAL, "%u is not a process ID", g->leader);
        if (g->n_netifs > MACHINE_NETIFS_MAX)
                return error_set(e, EINVAL, "too many network interfaces");
        for (size_t i = 0; i < g->n_netifs; i++)
                if (g->netifs[i] <= 0)
                        return error_set(e, EINVAL, "%d is not an interface index", g->netifs[i]);
        /* 0 to 2 are the hypervisor, this host and any host. */
        if (g->has_vsock_cid && (g->vsock_cid < 3 || g->vsock_cid == MACHINE_VSOCK_ANY))
                return error_set(e, EINVAL, "%u is not the VSOCK address of a machine",
                                 g->vsock_cid);
        if ((g->ssh_address && !text_is_plain(g->ssh_address, 1024)) ||
            (g->ssh_key && !(path_is_safe(g->ssh_key) && text_is_plain(g->ssh_key, PATH_MAX))))
                return error_set(e, EINVAL, "the SSH address or key path is not valid");
        return 0;
}

static int pin_leader(const Registration *g, pid_t caller, Machine *machine, Error *e) {
        pid_t pid = g->leader ? (pid_t) g->leader : caller;
        int r = 0;

        if (g->leader_fd >= 0) {
                pid_t behind;
                r = proc_pidfd_pid(g->leader_fd, &behind);
                if (r < 0)
                        return error_set(e, EINVAL, "LeaderPIDFD is not a pidfd of a live process");
                if (g->leader != 0 && behind != (pid_t) g->leader)
                        return error_set(e, EINVAL, "LeaderPIDFD and LeaderPID are not the same");
                pid = behind;
        }
        if (pid <= 1)
                return error_set(e, EINVAL, "the caller is no process that could lead a machine");

        r = machine_process_pin(pid, g->leader_id, &machine->leader);
        if (r < 0)
                return error_set(e, r, "cannot take process %d as leader: %m", pid);
        /* The descriptor held the process all the while, so it still is the same one. */
        if (g->leader_fd >= 0 && !proc_pidfd_is_alive(g->leader_fd))
                return error_set(e, ESRCH, "process %d has ended", pid);
        if (caller > 1 && caller != pid)
                (void) machine_process_pin(caller, 0, &machine->supervisor);
        return 0;
}

static int fill(const Registration *g, Machine *machine) {
        struct timespec t;

        if (str_replace(&machine->service, g->service) < 0 ||
            str_replace(&machine->root, g->root) < 0 ||
            str_replace(&machine->ssh_address, g->ssh_address) < 0 ||
            str_replace(&machine->ssh_key, g->ssh_key) < 0)
                return -ENOMEM;
        if (g->n_netifs > 0) {
                machine->netifs = calloc(g->n_netifs, sizeof *machine->netifs);
                if (!machine->netifs)
                        return -ENOMEM;
                memcpy(machine->netifs, g->netifs, g->n_netifs * sizeof *machine->netifs);
                machine->n_netifs = g->n_netifs;
        }
        if (g->n_id == sizeof machine->id)
                memcpy(machine->id.bytes, g->id, sizeof machine->id);
        if (g->has_vsock_cid)
                machine->vsock_cid = g->vsock_cid;
        machine->class = machine_class_parse(g->class);
        (void) clock_gettime(CLOCK_REALTIME, &t);
        machine->realtime = (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
        machine->monotonic = now_usec();
        return 0;
}

static int authorize(Manager *m, const Registration *g, sd_bus_message *call, Error *e) {
        const char *details[] = { "name", g->name, "class", g->class, NULL };

        return polkit_check(m->daemon.polkit, call,
                            g->wants_scope ? BUS_MACHINE1_NAME ".create-machine"
                                           : BUS_MACHINE1_NAME ".register-machine",
                            details, POLKIT_NOBODY, e);
}

static int check_owner(const Manager *m, const Machine *machine, Error *e) {
        unsigned n = 0;

        if (machine->uid == 0)
                return 0;
        for (const Machine *i = m->registry.first; i; i = i->next)
                n += i->uid == machine->uid;
        if (n >= MACHINES_PER_USER_MAX)
                return error_set(e, ENOBUFS, "user %u has too many machines", machine->uid);
        int r = machine_uid_owns_process(machine->uid, &machine->leader, e);
        if (r == 0)
                return error_set(e, EACCES, "process %d does not belong to user %u",
                                 machine->leader.pid, machine->uid);
        return r < 0 ? r : 0;
}

static int take_in(Manager *m, const Registration *g, Machine *machine, sd_bus_message *call,
                   Error *e) {
        int r = g->wants_scope ? 0 : machine_find_unit(machine, e);

        if (r >= 0)
                r = manager_add(m, machine, e);
        if (r < 0) {
                machine_free(machine);
                return r;
        }

        r = g->wants_scope ? scope_start(m, machine, call, e) : manager_announce(m, machine, e);
        if (r < 0) {
                manager_drop(m, machine);
                return r;
        }
        if (g->wants_scope)
                return 0;
        r = op_sent(sd_bus_reply_method_return(call, "o", machine->path), e);
        manager_log_new(machine);
        return r;
}

static int go(Manager *m, const Registration *g, sd_bus_message *call, Error *e) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        pid_t caller;
        int r = check(g, e);

        if (r < 0)
                return r;
        Machine *old = registry_by_name(&m->registry, g->name);
        if (old && !manager_check_gone(m, old))
                return error_set(e, ERR_MACHINE_EXISTS, "Machine '%s' already exists", g->name);
        r = authorize(m, g, call, e);
        if (r <= 0)
                return r;

        r = machine_new(g->name, &machine);
        if (r < 0 || fill(g, machine) < 0)
                return error_oom(e);
        r = polkit_caller(m->daemon.polkit, call, &machine->uid, &caller, e);
        if (r >= 0)
                r = pin_leader(g, caller, machine, e);
        if (r >= 0)
                r = check_owner(m, machine, e);
        return r < 0 ? r : take_in(m, g, TAKE_PTR(machine), call, e);
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
