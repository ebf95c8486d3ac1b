/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.Machine.Register(): becomes RegisterMachineEx(), or, when the machine is to have a scope of its
 * own, CreateMachineEx(). */
#include "base/id128.h"
#include "machined/varlink-machine.h"

typedef struct RegisterIn {
        char *name, *id, *service, *class, *root;
        JsonUnsigned leader, supervisor;
        VarlinkProcess leader_process, supervisor_process;
        JsonNumbers netifs;
        JsonUnsigned vsock_cid;
        char *ssh_address, *ssh_key, *control_address;
        bool allocate_unit, interactive;
} RegisterIn;

#define STRING_ROW(row_name, field)                                                                \
        { .name = (row_name), .kind = &json_string_kind, .at = offsetof(RegisterIn, field) }

static const JsonRow rows[] = {
        { .name = "name",
          .kind = &json_string_kind,
          .at = offsetof(RegisterIn, name),
          .required = true },
        STRING_ROW("id", id),
        STRING_ROW("service", service),
        STRING_ROW("class", class),
        STRING_ROW("rootDirectory", root),
        STRING_ROW("sshAddress", ssh_address),
        STRING_ROW("sshPrivateKeyPath", ssh_key),
        STRING_ROW("controlAddress", control_address),
        { .name = "leader",
          .kind = &json_unsigned_kind,
          .at = offsetof(RegisterIn, leader),
          .max = INT32_MAX },
        { .name = "supervisor",
          .kind = &json_unsigned_kind,
          .at = offsetof(RegisterIn, supervisor),
          .max = INT32_MAX },
        VARLINK_PROCESS_ROW("leaderProcessId", offsetof(RegisterIn, leader_process)),
        VARLINK_PROCESS_ROW("supervisorProcessId", offsetof(RegisterIn, supervisor_process)),
        { .name = "ifIndices",
          .kind = &json_numbers_kind,
          .at = offsetof(RegisterIn, netifs),
          .max = INT32_MAX },
        { .name = "vSockCid",
          .kind = &json_unsigned_kind,
          .at = offsetof(RegisterIn, vsock_cid),
          .max = UINT32_MAX },
        { .name = "allocateUnit",
          .kind = &json_bool_kind,
          .at = offsetof(RegisterIn, allocate_unit) },
        { .name = "allowInteractiveAuthentication",
          .kind = &json_bool_kind,
          .at = offsetof(RegisterIn, interactive) },
};
const JsonShape varlink_register_shape = { rows, ELEMENTSOF(rows), sizeof(RegisterIn), NULL };

static int add_string(sd_bus_message *call, const char *key, const char *value) {
        return value && *value ? sd_bus_message_append(call, "(sv)", key, "s", value) : 0;
}

static int add_array(sd_bus_message *call, const char *key, char type, const void *data,
                     size_t size) {
        const char contents[] = { 'a', type, '\0' };
        int r = sd_bus_message_open_container(call, 'r', "sv");

        if (r >= 0)
                r = sd_bus_message_append(call, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', contents);
        if (r >= 0)
                r = sd_bus_message_append_array(call, type, data, size);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int add_netifs(sd_bus_message *call, const JsonNumbers *numbers) {
        _cleanup_free_ int32_t *v = NULL;

        if (numbers->n == 0)
                return 0;
        v = calloc(numbers->n, sizeof *v);
        if (!v)
                return -ENOMEM;
        for (size_t i = 0; i < numbers->n; i++)
                v[i] = numbers->v[i] > INT32_MAX ? 0 : (int32_t) numbers->v[i];
        return add_array(call, "NetworkInterfaces", 'i', v, numbers->n * sizeof *v);
}

/* The leader, held by a descriptor, so that it is the process that was meant, or none. */
static int add_leader(VarlinkLink *link, sd_bus_message *call, const RegisterIn *in, Error *e) {
        const VarlinkProcess number = { .pid = in->leader };
        const VarlinkProcess *p = in->leader_process.pid.set ? &in->leader_process : &number;
        MachineProcess leader = MACHINE_PROCESS_NONE;

        if (!p->pid.set || p->pid.value == 0) {
                /* Who calls: as it was when it connected. */
                int fd = varlink_peer(link)->pidfd;
                return fd < 0 ? 0 : sd_bus_message_append(call, "(sv)", "LeaderPIDFD", "h", fd);
        }
        int r = varlink_process_pin(link, p, &leader, e);
        if (r >= 0)
                r = sd_bus_message_append(call, "(sv)", "LeaderPIDFD", "h", leader.fd);
        machine_process_done(&leader);
        return r;
}

static int add_all(VarlinkLink *link, sd_bus_message *call, const RegisterIn *in, const Id128 *id,
                   Error *e) {
        int r = sd_bus_message_append(call, "s", in->name);

        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sv)");
        if (r >= 0 && !id128_is_null(id))
                r = add_array(call, "Id", 'y', id->bytes, sizeof id->bytes);
        if (r >= 0)
                r = add_string(call, "Service", in->service);
        if (r >= 0)
                r = add_string(call, "Class", in->class);
        if (r >= 0)
                r = add_string(call, "RootDirectory", in->root);
        if (r >= 0)
                r = add_string(call, "SSHAddress", in->ssh_address);
        if (r >= 0)
                r = add_string(call, "SSHPrivateKeyPath", in->ssh_key);
        if (r >= 0)
                r = add_string(call, "ControlAddress", in->control_address);
        if (r >= 0 && in->vsock_cid.set)
                r = sd_bus_message_append(call, "(sv)", "VSockCID", "u",
                                          (uint32_t) in->vsock_cid.value);
        if (r >= 0)
                r = add_netifs(call, &in->netifs);
        if (r >= 0)
                r = add_leader(link, call, in, e);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0 && in->allocate_unit)
                r = sd_bus_message_append(call, "a(sv)", 0);
        return r;
}

/* Nobody but the caller becomes the supervisor; to name another would be to give it signals later. */
static bool names_other_supervisor(VarlinkLink *link, const RegisterIn *in) {
        const JsonUnsigned *said = in->supervisor_process.pid.set ? &in->supervisor_process.pid
                                                                  : &in->supervisor;

        return said->set && said->value != 0 && said->value != (uint64_t) varlink_peer(link)->pid;
}

int varlink_register(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const RegisterIn *in = parameters;
        Id128 id = {};

        if (in->id && *in->id && id128_parse(in->id, &id) < 0)
                return varlink_invalid(link, "id", "not 32 hexadecimal digits");
        if (in->leader.set && in->leader_process.pid.set &&
            in->leader.value != in->leader_process.pid.value)
                return varlink_invalid(link, "leader", "not the same as leaderProcessId");
        if (names_other_supervisor(link, in))
                return varlink_invalid(link, "supervisor", "only the caller can be the supervisor");

        int r = bridge_call(link, BUS_MACHINE1_MANAGER,
                            in->allocate_unit ? "CreateMachineEx" : "RegisterMachineEx",
                            in->interactive, &call, e);
        if (r < 0)
                return r;
        r = add_all(link, call, in, &id, e);
        if (r < 0 && error_is_set(e))
                return r;
        return bridge_send_built(link, call, r, bridge_done, e);
}
