/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects and their vtables, see object.h. The methods come from the lists in op.h; here they only get
 * from a message to the machine or image that it is about. */
#include "machined/object.h"

#include <stdarg.h>

#include "image/pool.h"
#include "machined/image-watch.h"
#include "machined/object-call.h"
#include "machined/privacy.h"

int op_read(sd_bus_message *call, Error *e, const char *types, ...) {
        va_list ap;

        va_start(ap, types);
        int r = sd_bus_message_readv(call, types, ap);
        va_end(ap);
        return r < 0 ? error_set(e, EINVAL, "the arguments cannot be read: %s", error_errno_text(r))
                     : 0;
}

int op_sent(int r, Error *e) {
        return r < 0 ? error_set(e, r, "cannot answer: %m") : r;
}

int op_authorize(Manager *m, sd_bus_message *call, const char *action, const Machine *machine,
                 const char *verb, uid_t owner, Error *e) {
        const char *details[] = { "machine", machine->name, verb ? "verb" : NULL, verb, NULL };

        return polkit_check(m->daemon.polkit, call, action, details, owner, e);
}

int op_send_assignments(const WorkerOut *out, char *const *v) {
        _cleanup_(buf_done) Buf b = {};

        STRV_FOREACH(s, v)
                if (buf_append(&b, *s, strlen(*s) + 1) < 0)
                        return -ENOMEM;
        return operation_send_text(out, b.p, b.n);
}

int op_finish_empty(sd_bus_message *call, const OperationResult *result, Error *e) {
        return op_sent(sd_bus_reply_method_return(call, NULL), e);
}

static int append_assignment(sd_bus_message *reply, const char *s, size_t n) {
        size_t length = strlen(s);
        _cleanup_free_ char *name = strndup(s, strcspn(s, "="));

        if (!name)
                return -ENOMEM;
        int r = s[strlen(name)] ? sd_bus_message_append(reply, "{ss}", name, s + strlen(name) + 1)
                                : 0;
        return r < 0 ? r : (int) length + 1;
}

int op_finish_assignments(sd_bus_message *call, const OperationResult *result, Error *e) {
        return operation_reply_list(call, result, "{ss}", append_assignment, e);
}

MACHINE_OPS(MACHINE_STUBS)
MACHINE_MANAGER_OPS(NAMED_STUB)
IMAGE_OPS(IMAGE_STUBS)
MANAGER_OPS(PLAIN_STUB)

static int get_pool(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        if (streq(property, "PoolPath")) {
                _cleanup_free_ char *pool = NULL;
                return sd_bus_message_append(reply, "s", pool_path(&pool, NULL) < 0 ? "" : pool);
        }

        PoolUsage usage = { UINT64_MAX, UINT64_MAX };
        if (privacy_reveals(userdata))
                (void) image_object_pool(userdata, &usage);
        return sd_bus_message_append(reply, "t",
                                     streq(property, "PoolUsage") ? usage.usage : usage.limit);
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("PoolPath", "s", get_pool, 0, 0),
        SD_BUS_PROPERTY("PoolUsage", "t", get_pool, 0, 0),
        SD_BUS_PROPERTY("PoolLimit", "t", get_pool, 0, 0),
        MANAGER_OPS(PLAIN_METHOD) MACHINE_OPS(TWIN_METHOD) MACHINE_MANAGER_OPS(NAMED_METHOD)
                IMAGE_OPS(TWIN_METHOD)
                        SD_BUS_SIGNAL_WITH_NAMES("MachineNew", "so", P(machine) P(path), 0),
        SD_BUS_SIGNAL_WITH_NAMES("MachineRemoved", "so", P(machine) P(path), 0),
        SD_BUS_VTABLE_END,
};

static int get_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                  sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Machine *machine = userdata;

        return sd_bus_message_append_array(reply, 'y', machine->id.bytes,
                                           id128_is_null(&machine->id) ? 0
                                                                       : sizeof machine->id.bytes);
}

/* Who only registered the machine and left is not its supervisor; the number is soon another's. */
static int get_supervisor(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *error) {
        const MachineProcess *p = &((const Machine *) userdata)->supervisor;
        bool alive = machine_process_is_alive(p);

        if (streq(property, "Supervisor"))
                return sd_bus_message_append(reply, "u", alive ? (uint32_t) p->pid : 0);
        return sd_bus_message_append(reply, "t", alive ? p->id : 0);
}

static int get_class(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Machine *machine = userdata;

        return sd_bus_message_append(reply, "s", machine_class_name(machine->class));
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", machine_state_name(userdata));
}

static int get_netifs(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Machine *machine = userdata;

        return sd_bus_message_append_array(reply, 'i', machine->netifs,
                                           machine->n_netifs * sizeof *machine->netifs);
}

#define CONSTANT(name, type, field)                                                                \
        SD_BUS_PROPERTY(name, type, NULL, offsetof(Machine, field), SD_BUS_VTABLE_PROPERTY_CONST)

static const sd_bus_vtable machine_vtable[] = {
        SD_BUS_VTABLE_START(0),
        CONSTANT("Name", "s", name),
        SD_BUS_PROPERTY("Id", "ay", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CONSTANT("Timestamp", "t", realtime),
        CONSTANT("TimestampMonotonic", "t", monotonic),
        CONSTANT("Service", "s", service),
        CONSTANT("Unit", "s", unit),
        SD_BUS_PROPERTY("Scope", "s", NULL, offsetof(Machine, unit),
                        SD_BUS_VTABLE_PROPERTY_CONST | SD_BUS_VTABLE_HIDDEN),
        CONSTANT("Subgroup", "s", subgroup),
        CONSTANT("Leader", "u", leader.pid),
        CONSTANT("LeaderPIDFDId", "t", leader.id),
        SD_BUS_PROPERTY("Supervisor", "u", get_supervisor, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("SupervisorPIDFDId", "t", get_supervisor, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Class", "s", get_class, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CONSTANT("RootDirectory", "s", root),
        SD_BUS_PROPERTY("NetworkInterfaces", "ai", get_netifs, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        CONSTANT("VSockCID", "u", vsock_cid),
        CONSTANT("SSHAddress", "s", ssh_address),
        CONSTANT("SSHPrivateKeyPath", "s", ssh_key),
        SD_BUS_PROPERTY("State", "s", get_state, 0, 0),
        CONSTANT("UID", "u", uid),
        MACHINE_OPS(OWN_METHOD) SD_BUS_VTABLE_END,
};

static int image_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const ImageObject *o = userdata;
        const Image *i = privacy_image(o->manager, o->image);
        const char *value = streq(property, "Name")   ? i->name
                            : streq(property, "Path") ? i->path
                                                      : image_type_name(i->type);

        return sd_bus_message_append(reply, "s", value);
}

static int image_read_only(sd_bus *bus, const char *path, const char *interface,
                           const char *property, sd_bus_message *reply, void *userdata,
                           sd_bus_error *error) {
        const ImageObject *o = userdata;

        return sd_bus_message_append(reply, "b", privacy_image(o->manager, o->image)->read_only);
}

static int image_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const ImageObject *o = userdata;
        const Image *i = privacy_image(o->manager, o->image);
        const struct {
                const char *name;
                uint64_t value;
        } numbers[] = {
                { "CreationTimestamp", i->crtime_usec },
                { "ModificationTimestamp", i->mtime_usec },
                { "Usage", i->usage },
                { "Limit", i->limit },
                { "UsageExclusive", i->usage_exclusive },
                { "LimitExclusive", i->limit_exclusive },
        };

        for (size_t n = 0; n < ELEMENTSOF(numbers); n++)
                if (streq(property, numbers[n].name))
                        return sd_bus_message_append(reply, "t", numbers[n].value);
        return -ENOENT;
}

static const sd_bus_vtable image_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Name", "s", image_text, 0, 0),
        SD_BUS_PROPERTY("Path", "s", image_text, 0, 0),
        SD_BUS_PROPERTY("Type", "s", image_text, 0, 0),
        SD_BUS_PROPERTY("ReadOnly", "b", image_read_only, 0, 0),
        SD_BUS_PROPERTY("CreationTimestamp", "t", image_number, 0, 0),
        SD_BUS_PROPERTY("ModificationTimestamp", "t", image_number, 0, 0),
        SD_BUS_PROPERTY("Usage", "t", image_number, 0, 0),
        SD_BUS_PROPERTY("Limit", "t", image_number, 0, 0),
        SD_BUS_PROPERTY("UsageExclusive", "t", image_number, 0, 0),
        SD_BUS_PROPERTY("LimitExclusive", "t", image_number, 0, 0),
        IMAGE_OPS(OWN_METHOD) SD_BUS_VTABLE_END,
};

int object_find_machine(sd_bus *bus, const char *path, const char *interface, void *userdata,
                        void **ret_found, sd_bus_error *error) {
        _cleanup_free_ char *name = NULL;
        Manager *m = userdata;
        Machine *machine;
        int r = sd_bus_path_decode(path, BUS_MACHINE1_MACHINE, &name);

        if (r <= 0)
                return r;
        if (streq(name, "self")) {
                sd_bus_message *call = sd_bus_get_current_message(bus);
                machine = call ? manager_caller_machine(m, call) : NULL;
        } else
                machine = registry_by_name(&m->registry, name);
        if (!machine)
                return 0;
        *ret_found = privacy_view(m, machine);
        return 1;
}

static int list_machines(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                         sd_bus_error *error) {
        _cleanup_strv_ char **nodes = NULL;
        Manager *m = userdata;

        for (Machine *i = m->registry.first; i; i = i->next)
                if (strv_append(&nodes, i->path) < 0)
                        return -ENOMEM;
        *ret_nodes = TAKE_PTR(nodes);
        return 1;
}

static int find_image(sd_bus *bus, const char *path, const char *interface, void *userdata,
                      void **ret_found, sd_bus_error *error) {
        _cleanup_free_ char *name = NULL;
        ImageObject *object;
        int r = sd_bus_path_decode(path, BUS_MACHINE1_IMAGE, &name);

        if (r <= 0)
                return r;
        r = image_object_get(userdata, name, &object, NULL);
        if (r == -ERR_NO_SUCH_IMAGE || r == -EINVAL)
                return 0;
        if (r < 0)
                return r;
        *ret_found = object;
        return 1;
}

static int list_images(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes,
                       sd_bus_error *error) {
        _cleanup_strv_ char **nodes = NULL, **names = NULL;
        int r = image_watch_names(userdata, &names);

        STRV_FOREACH(name, names) {
                char *path;
                r = sd_bus_path_encode(BUS_MACHINE1_IMAGE, *name, &path);
                if (r >= 0)
                        r = strv_consume(&nodes, path);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret_nodes = TAKE_PTR(nodes);
        return 1;
}

int object_add_all(Manager *m, sd_bus *bus, Error *e) {
        int r = sd_bus_add_object_vtable(bus, NULL, BUS_MACHINE1_PATH, BUS_MACHINE1_MANAGER,
                                         manager_vtable, m);

        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_MACHINE1_MACHINE,
                                               BUS_MACHINE1_NAME ".Machine", machine_vtable,
                                               object_find_machine, m);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(bus, NULL, BUS_MACHINE1_MACHINE, list_machines, m);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_MACHINE1_IMAGE,
                                               BUS_MACHINE1_NAME ".Image", image_vtable, find_image,
                                               m);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(bus, NULL, BUS_MACHINE1_IMAGE, list_images, m);
        if (r >= 0)
                r = object_add_skep(m, bus);
        return r < 0 ? error_set(e, r, "cannot put objects on the bus: %m") : 0;
}
