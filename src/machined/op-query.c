/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be learnt of a running machine. Whatever is under its control is looked at by workers. */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/home.h"
#include "bus/operation.h"
#include "image/metadata.h"
#include "machined/address.h"
#include "machined/enter.h"
#include "machined/id-owner.h"
#include "machined/op.h"
#include "machined/privacy.h"

#define QUERY_USEC ((uint64_t) 10 * 1000000)

static int refuse_vm(const Machine *machine, Error *e) {
        return machine->class == MACHINE_CONTAINER || machine->class == MACHINE_HOST
                       ? 0
                       : error_set(e, EOPNOTSUPP,
                                   "machine '%s' is no container, one cannot look into it",
                                   machine->name);
}

static int finish_fd(sd_bus_message *call, const OperationResult *result, Error *e) {
        return op_sent(sd_bus_reply_method_return(call, "h", result->fds[0]), e);
}

static int start(Manager *m, const OperationKind *kind, Machine *machine, sd_bus_message *call,
                 Error *e) {
        const Target target = target_of(machine);

        if (machine->class == MACHINE_HOST && kind->finish != finish_fd)
                return operation_here(kind, call, &target, e);
        return operation_start(&m->operations, kind, call, machine, &target, &target.pidfd,
                               target.pidfd >= 0 ? 1 : 0, e);
}

static int work_addresses(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(guest_links_done) GuestLinks links = {};
        _cleanup_free_ Address *addresses = NULL;
        _cleanup_free_ int *pairs = NULL;
        const Target *target = arg;
        size_t n;

        if (target->pid != 1) {
                pairs = calloc(target->n_netifs + 1, sizeof *pairs);
                if (!pairs)
                        return error_oom(e);
                guest_link_pairs(target->netifs, target->n_netifs, pairs);
                /* A user may go there as who made it: from within its user namespace. */
                if (setns(target->pidfd, CLONE_NEWNET | (home_is_user() ? CLONE_NEWUSER : 0)) < 0)
                        return error_set(e, errno,
                                         "cannot enter the network namespace of process %d: %m",
                                         target->pid);
                int r = guest_links_read(&links);
                if (r < 0)
                        return error_set(e, r, "cannot list the interfaces: %m");
                guest_links_mark(&links, pairs, target->netifs, target->n_netifs);
        }
        int r = address_list(&links, &addresses, &n, e);
        return r < 0 ? r : operation_send_text(out, addresses, n * sizeof *addresses);
}

static int append_address(sd_bus_message *reply, const char *at, size_t n) {
        Address a;

        if (n < sizeof a)
                return 0;
        memcpy(&a, at, sizeof a);
        int r = sd_bus_message_open_container(reply, 'r', "iay");
        if (r >= 0)
                r = sd_bus_message_append(reply, "i", a.family);
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', a.bytes, address_size(&a));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : (int) sizeof a;
}

static int finish_addresses(sd_bus_message *call, const OperationResult *result, Error *e) {
        return operation_reply_list(call, result, "(iay)", append_address, e);
}

/* The same with the interface and the scope that each is of. */
static int append_whole_address(sd_bus_message *reply, const char *at, size_t n) {
        Address a;

        if (n < sizeof a)
                return 0;
        memcpy(&a, at, sizeof a);
        int r = sd_bus_message_open_container(reply, 'r', "iiayu");
        if (r >= 0)
                r = sd_bus_message_append(reply, "ii", a.family, a.ifindex);
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 'y', a.bytes, address_size(&a));
        if (r >= 0)
                r = sd_bus_message_append(reply, "u", (uint32_t) a.scope);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : (int) sizeof a;
}

static int finish_list_addresses(sd_bus_message *call, const OperationResult *result, Error *e) {
        return operation_reply_list(call, result, "(iiayu)", append_whole_address, e);
}

static int start_addresses(Manager *m, Machine *machine, const OperationKind *kind,
                           sd_bus_message *call, Error *e) {
        int r = refuse_vm(machine, e);

        if (r < 0)
                return r;
        if (machine->class == MACHINE_CONTAINER) {
                uint64_t theirs, ours;
                if (proc_ns_id(machine->leader.pid, "net", &theirs) < 0 ||
                    proc_ns_id(0, "net", &ours) < 0)
                        return error_set(e, ESRCH, "machine '%s' has ended", machine->name);
                if (theirs == ours)
                        return error_set(e, ERR_NO_PRIVATE_NETWORKING,
                                         "Machine '%s' does not use private networking",
                                         machine->name);
        }
        return start(m, kind, machine, call, e);
}

int op_addresses(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading addresses", work_addresses, finish_addresses,
                                            QUERY_USEC, false };

        return start_addresses(m, machine, &kind, call, e);
}

int op_list_addresses(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading addresses", work_addresses,
                                            finish_list_addresses, QUERY_USEC, false };

        return start_addresses(m, machine, &kind, call, e);
}

static int work_os_release(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_strv_ char **v = NULL;
        _cleanup_fd_ int root = target_open_root(arg, e);

        if (root < 0)
                return root;
        int r = metadata_os_release(root, &v, e);
        if (r == -ENOENT)
                return error_set(e, ENOENT, "the machine has no os-release file");
        return r < 0 ? r : op_send_assignments(out, v);
}

int op_os_release(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "reading os-release", work_os_release,
                                            op_finish_assignments, QUERY_USEC, false };
        int r = refuse_vm(machine, e);

        if (r < 0)
                return r;
        r = op_authorize(m, call, BUS_MACHINE1_NAME ".inspect-machines", machine, "get_os_release",
                         machine->uid, e);
        return r <= 0 ? r : start(m, &kind, machine, call, e);
}

int op_ssh_info(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        if (!machine->ssh_address || !*machine->ssh_address || !machine->ssh_key ||
            !*machine->ssh_key)
                return error_set(e, ENOENT, "machine '%s' has told no SSH address and key",
                                 machine->name);
        int r = privacy_check(m, call, machine, "get_ssh_info", e);
        return r <= 0 ? r
                      : op_sent(sd_bus_reply_method_return(call, "ss", machine->ssh_address,
                                                           machine->ssh_key),
                                e);
}

int op_uid_shift(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        uint32_t shift = 0;
        int r = refuse_vm(machine, e);

        if (r >= 0)
                r = privacy_check(m, call, machine, "get_uid_shift", e);
        if (r <= 0)
                return r;
        r = machine_id_shift(machine, &shift, e);
        return r < 0 ? r : op_sent(sd_bus_reply_method_return(call, "u", shift), e);
}

static int work_open_root(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_fd_ int root = target_open_root(arg, e);

        if (root < 0)
                return root;
        _cleanup_fd_ int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno, "cannot open the root directory: %m");
        return handshake_send_fd(out->sock, 0, fd);
}

int op_open_root(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "opening the root directory", work_open_root, finish_fd,
                                            QUERY_USEC, false };
        int r = refuse_vm(machine, e);

        if (r < 0)
                return r;
        r = op_authorize(m, call, BUS_MACHINE1_NAME ".manage-machines", machine,
                         "open_root_directory", POLKIT_NOBODY, e);
        return r <= 0 ? r : start(m, &kind, machine, call, e);
}

/* What is told apart in the four calls that map IDs. */
typedef struct MapKind {
        const char *file; /* in /proc/PID */
        const char *what;
        int code;
} MapKind;

static const MapKind map_users = { "uid_map", "user", ERR_NO_SUCH_USER_MAPPING };
static const MapKind map_groups = { "gid_map", "group", ERR_NO_SUCH_GROUP_MAPPING };

static int map_from(Manager *m, Machine *machine, const MapKind *kind, sd_bus_message *call,
                    Error *e) {
        _cleanup_(idmap_done) IdMap map = {};
        uint32_t inside, outside;
        int r = op_read(call, e, "u", &inside);

        if (r < 0)
                return r;
        if (inside == UINT32_MAX)
                return error_set(e, EINVAL, "%u is not an ID", inside);
        if (machine->class != MACHINE_CONTAINER)
                return error_set(e, EOPNOTSUPP, "machine '%s' is no container", machine->name);
        r = privacy_check(m, call, machine, "map_from", e);
        if (r <= 0)
                return r;
        r = idmap_read(machine->leader.pid, kind->file, &map);
        if (r < 0)
                return error_set(e, r, "cannot read the ID map of machine '%s': %m", machine->name);
        if (idmap_to_outside(&map, inside, &outside) < 0)
                return error_set(e, kind->code, "machine '%s' has no mapping for %s %u",
                                 machine->name, kind->what, inside);
        return op_sent(sd_bus_reply_method_return(call, "u", outside), e);
}

static int map_to(Manager *m, const MapKind *kind, sd_bus_message *call, Error *e) {
        uint32_t outside, inside;
        int r = op_read(call, e, "u", &outside);

        if (r < 0)
                return r;
        if (outside < ID_OWNER_MIN || outside == UINT32_MAX)
                return error_set(e, outside == UINT32_MAX ? EINVAL : kind->code,
                                 "%s %u belongs to the host", kind->what, outside);
        r = privacy_check_any(m, call, "map_to", e);
        if (r <= 0)
                return r;

        const Machine *owner = id_owner_find(&m->registry, kind->file, outside, &inside);
        if (!owner)
                return error_set(e, kind->code, "no machine maps %s %u", kind->what, outside);
        return op_sent(sd_bus_reply_method_return(call, "sou", owner->name, owner->path, inside),
                       e);
}

int op_map_from_user(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return map_from(m, machine, &map_users, call, e);
}

int op_map_from_group(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return map_from(m, machine, &map_groups, call, e);
}

int op_map_to_user(Manager *m, sd_bus_message *call, Error *e) {
        return map_to(m, &map_users, call, e);
}

int op_map_to_group(Manager *m, sd_bus_message *call, Error *e) {
        return map_to(m, &map_groups, call, e);
}
