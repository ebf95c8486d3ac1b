/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.Machine.List(): one machine, or all of them one by one. What the registry knows is written at once;
 * what has to be looked up in a machine is asked of the operations. */
#include <systemd/sd-id128.h>

#include "base/proc.h"
#include "machined/varlink-machine.h"
#include "machined/walk.h"

typedef struct ListIn {
        VarlinkWho who;
        int metadata;
} ListIn;

static const JsonRow rows[] = {
        VARLINK_WHO_ROWS,
        { .name = "acquireMetadata",
          .kind = &json_choice_kind,
          .at = offsetof(ListIn, metadata),
          .names = varlink_metadata_names },
};
const JsonShape varlink_list_shape = { rows, ELEMENTSOF(rows), sizeof(ListIn), NULL };

static void put_process(VarlinkObject *o, const char *name, const MachineProcess *p) {
        sd_id128_t boot;
        char text[SD_ID128_STRING_MAX];

        if (p->pid <= 0)
                return;
        varlink_open(o, name, '{');
        varlink_put_unsigned(o, "pid", (uint64_t) p->pid);
        if (p->id > 0)
                varlink_put_unsigned(o, "pidfdId", p->id);
        if (sd_id128_get_boot(&boot) >= 0)
                varlink_put_string(o, "bootId", sd_id128_to_string(boot, text));
        varlink_close(o, '}');
}

/* What not everybody is told. */
static void put_details(VarlinkObject *o, const Machine *m) {
        if (!id128_is_null(&m->id))
                walk_put_id(o, "id", m->id.bytes);
        put_process(o, "leader", &m->leader);
        if (machine_process_is_alive(&m->supervisor))
                put_process(o, "supervisor", &m->supervisor);
        varlink_put_string(o, "rootDirectory", m->root);
        varlink_put_string(o, "unit", m->unit);
        varlink_put_string(o, "subgroup", m->subgroup);
        if (m->realtime > 0 || m->monotonic > 0) {
                varlink_open(o, "timestamp", '{');
                varlink_put_unsigned(o, "realtime", m->realtime);
                varlink_put_unsigned(o, "monotonic", m->monotonic);
                varlink_close(o, '}');
        }
        if (m->vsock_cid != MACHINE_VSOCK_ANY)
                varlink_put_unsigned(o, "vSockCid", m->vsock_cid);
        varlink_put_string(o, "sshAddress", m->ssh_address);
        varlink_put_string(o, "sshPrivateKeyPath", m->ssh_key);
        varlink_put_string(o, "controlAddress", m->control_address);
        varlink_put_unsigned(o, "UID", m->uid);
}

/* Who may see the leader may see all else. */
static int put_if_revealed(VarlinkLink *link, const char *name, VarlinkObject *o,
                           sd_bus_message *reply) {
        const Registry *registry = &((Manager *) varlink_userdata(link))->registry;
        const Machine *machine = registry_by_name(registry, name);
        uint32_t leader;
        int r = sd_bus_message_read(reply, "v", "u", &leader);

        if (r >= 0 && leader > 0 && machine)
                put_details(o, machine);
        return r;
}

static int put_addresses(VarlinkLink *link, const char *name, VarlinkObject *o,
                         sd_bus_message *reply) {
        int r = sd_bus_message_enter_container(reply, 'a', "(iiayu)");

        varlink_open(o, "addresses", '[');
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "iiayu")) > 0) {
                const uint8_t *bytes = NULL;
                int32_t family = 0, ifindex = 0;
                size_t n = 0;

                r = sd_bus_message_read(reply, "ii", &family, &ifindex);
                if (r >= 0)
                        r = sd_bus_message_read_array(reply, 'y', (const void **) &bytes, &n);
                if (r >= 0)
                        r = sd_bus_message_skip(reply, "u");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                varlink_open(o, NULL, '{');
                if (ifindex > 0)
                        varlink_put_unsigned(o, "ifindex", (uint64_t) ifindex);
                varlink_put_unsigned(o, "family", (uint64_t) family);
                varlink_open(o, "address", '[');
                for (size_t i = 0; r >= 0 && i < n; i++)
                        varlink_put_unsigned(o, NULL, bytes[i]);
                varlink_close(o, ']');
                varlink_close(o, '}');
        }
        varlink_close(o, ']');
        return r;
}

static int put_os_release(VarlinkLink *link, const char *name, VarlinkObject *o,
                          sd_bus_message *reply) {
        return walk_put_assignments(o, "OSRelease", reply);
}

static int put_shift(VarlinkLink *link, const char *name, VarlinkObject *o, sd_bus_message *reply) {
        uint32_t shift;
        int r = sd_bus_message_read(reply, "u", &shift);

        if (r >= 0)
                varlink_put_unsigned(o, "UIDShift", shift);
        return r;
}

static const WalkStep steps[] = {
        { .interface = BUS_PROPERTIES,
          .member = "Get",
          .prefix = BUS_MACHINE1_MACHINE,
          .argument = BUS_MACHINE1_NAME ".Machine",
          .argument2 = "Leader",
          .put = put_if_revealed,
          .is_for_others = true },
        { .interface = BUS_SKEP_MANAGER1,
          .member = "ListMachineAddresses",
          .put = put_addresses,
          .code = ERR_NO_PRIVATE_NETWORKING,
          .error = "NoPrivateNetworking" },
        { .interface = BUS_MACHINE1_MANAGER,
          .member = "GetMachineOSRelease",
          .put = put_os_release,
          .code = ENOENT,
          .error = "NoOSReleaseInformation",
          .is_asked_for = true },
        { .interface = BUS_MACHINE1_MANAGER,
          .member = "GetMachineUIDShift",
          .put = put_shift,
          .code = EOPNOTSUPP,
          .error = "NoUIDShift",
          .is_asked_for = true },
};

static int begin(VarlinkLink *link, VarlinkObject *o, const char *name, bool *ret_is_own) {
        const Registry *registry = &((Manager *) varlink_userdata(link))->registry;
        const Machine *machine = registry_by_name(registry, name);

        if (!machine)
                return 0;
        *ret_is_own = varlink_owns_machine(link, machine);
        varlink_put_string(o, "name", machine->name);
        varlink_put_string(o, "service", machine->service);
        varlink_put_string(o, "class",
                           machine->class == MACHINE_CLASS_UNKNOWN
                                   ? "container"
                                   : machine_class_name(machine->class));
        if (*ret_is_own)
                put_details(o, machine);
        return 1;
}

static bool is_there(VarlinkLink *link, const char *name) {
        return registry_by_name(&((Manager *) varlink_userdata(link))->registry, name);
}

static const WalkKind kind = { steps, ELEMENTSOF(steps), begin, is_there, "NoSuchMachine" };

int varlink_list(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_strv_ char **names = NULL;
        const Manager *m = varlink_userdata(link);
        const ListIn *in = parameters;
        bool one = in->who.name || in->who.pid.pid.set;
        Machine *machine = NULL;

        if (!one && !varlink_wants_more(link))
                return varlink_error(link, "org.varlink.service.ExpectedMore", NULL);
        int r = one ? varlink_find_machine(link, &in->who, &machine, e) : 0;
        if (r >= 0 && machine)
                r = strv_append(&names, machine->name);
        for (const Machine *i = m->registry.first; !one && r >= 0 && i; i = i->next)
                r = strv_append(&names, i->name);
        if (r < 0)
                return r == -ENOMEM ? error_oom(e) : r;
        return walk_start(link, &kind, TAKE_PTR(names), (VarlinkMetadata) in->metadata,
                          in->who.interactive, e);
}
