/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Machines and processes in calls over varlink, see varlink-who.h. */
#include "machined/varlink-who.h"

#include <systemd/sd-id128.h>
#include <unistd.h>

#include "base/json-reader.h"

static const JsonRow process_rows[] = {
        { .name = "pid",
          .kind = &json_unsigned_kind,
          .at = offsetof(VarlinkProcess, pid),
          .max = INT32_MAX,
          .required = true },
        { .name = "pidfdId", .kind = &json_unsigned_kind, .at = offsetof(VarlinkProcess, id) },
        { .name = "bootId", .kind = &json_string_kind, .at = offsetof(VarlinkProcess, boot_id) },
};
const JsonShape varlink_process_shape = { process_rows, ELEMENTSOF(process_rows),
                                          sizeof(VarlinkProcess), NULL };

static int read_process(JsonReader *r, const JsonRow *row, void *at) {
        return *r->p == '{'
                       ? json_object_kind.read(r, row, at)
                       : json_unsigned_kind.read(r, process_rows, &((VarlinkProcess *) at)->pid);
}

static bool process_is_set(const JsonRow *row, const void *at) {
        return ((const VarlinkProcess *) at)->pid.set;
}

static int write_process(const JsonRow *row, const void *at, Buf *out) {
        return json_object_kind.write(row, at, out);
}

static void process_done(const JsonRow *row, void *at) {
        json_object_kind.done(row, at);
}

const JsonKind varlink_process_kind = { read_process, process_is_set, write_process, process_done };

static int check_boot(const char *boot_id, Error *e) {
        sd_id128_t ours, theirs;

        if (!boot_id)
                return 0;
        if (sd_id128_from_string(boot_id, &theirs) < 0)
                return error_set(e, EINVAL, "'%.64s' is not the ID of a boot", boot_id);
        if (sd_id128_get_boot(&ours) < 0 || !sd_id128_equal(ours, theirs))
                return error_set(e, ESRCH, "the process is of another boot");
        return 0;
}

int varlink_process_pin(VarlinkLink *link, const VarlinkProcess *p, MachineProcess *ret, Error *e) {
        const VarlinkPeer *peer = varlink_peer(link);
        pid_t pid = p->pid.value == 0 ? peer->pid : (pid_t) p->pid.value;
        int r = check_boot(p->boot_id, e);

        if (r < 0)
                return r;
        if (pid <= 0)
                return error_set(e, ESRCH, "it is not known which process calls");
        r = machine_process_pin(pid, p->id.value, ret);
        return r < 0 ? error_set(e, r, "process %d: %m", pid) : 0;
}

int varlink_find_machine(VarlinkLink *link, const VarlinkWho *who, Machine **ret, Error *e) {
        Manager *m = varlink_userdata(link);
        Machine *machine = NULL;

        if (!who->name && !who->pid.pid.set)
                return error_set(e, EINVAL, "neither name nor pid says which machine");
        if (who->name) {
                int r = manager_find(m, who->name, &machine, e);
                if (r < 0)
                        return r;
        }
        if (who->pid.pid.set) {
                MachineProcess p = MACHINE_PROCESS_NONE;
                int r = varlink_process_pin(link, &who->pid, &p, e);
                if (r < 0 && r != -ESRCH)
                        return r;
                const Machine *named = machine;
                machine = r < 0 ? NULL : registry_by_pid(&m->registry, p.pid);
                machine_process_done(&p);
                if (!machine || (named && named != machine))
                        return error_set(e, ERR_NO_SUCH_MACHINE,
                                         "the process belongs to no such machine");
        }
        *ret = machine;
        return 0;
}

bool varlink_owns_machine(VarlinkLink *link, const Machine *machine) {
        uid_t uid = varlink_peer(link)->uid;

        return uid == 0 || uid == getuid() || uid == machine->uid;
}
