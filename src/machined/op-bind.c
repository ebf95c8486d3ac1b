/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and folders of the host that running machines are shown, and no longer shown. */
#include <unistd.h>

#include "base/home.h"
#include "base/path.h"
#include "bus/operation.h"
#include "machined/bind.h"
#include "machined/op.h"

#define MOUNT_USEC ((uint64_t) 30 * 1000000)

static int check_machine(const Machine *machine, BindRequest *request, Error *e) {
        if (machine->class != MACHINE_CONTAINER)
                return error_set(e, EOPNOTSUPP, "machine '%s' is no container", machine->name);
        request->target = target_of(machine);
        int r = proc_start_time(machine->leader.pid, &request->started);
        return r < 0 ? error_set(e, r, "cannot look at machine '%s': %m", machine->name) : 0;
}

static int check_path(const char *path, Error *e) {
        return path_is_absolute_clean(path)
                       ? 0
                       : error_set(e, EINVAL, "'%.256s' is not an absolute, plain path", path);
}

static int authorize(Manager *m, const Machine *machine, sd_bus_message *call, const char *verb,
                     const BindRequest *request, Error *e) {
        const char *const details[] = { "machine",
                                        machine->name,
                                        "verb",
                                        verb,
                                        "dest",
                                        request->destination,
                                        request->source ? "src" : NULL,
                                        request->source,
                                        NULL };

        return polkit_check(m->daemon.polkit, call, BUS_MACHINE1_NAME ".manage-machines", details,
                            POLKIT_NOBODY, e);
}

static int start(Manager *m, const OperationKind *kind, Machine *machine,
                 const BindRequest *request, sd_bus_message *call, Error *e) {
        if (home_is_user())
                return error_set(e, EOPNOTSUPP,
                                 "the registry of a user has no right to mount from the host into "
                                 "machines");
        return operation_start(&m->operations, kind, call, machine, request, &request->target.pidfd,
                               1, e);
}

static int work_bind(const void *arg, const WorkerOut *out, Error *e) {
        return bind_mount(arg, e);
}

int op_bind_mount(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "mounting into the machine", work_bind, op_finish_empty,
                                            MOUNT_USEC, false };
        BindRequest request = {};
        int read_only, make;
        int r = op_read(call, e, "ssbb", &request.source, &request.destination, &read_only, &make);

        if (r < 0)
                return r;
        request.read_only = read_only;
        request.mkdir = make;
        if (!*request.destination)
                request.destination = request.source;
        r = check_machine(machine, &request, e);
        if (r >= 0)
                r = check_path(request.source, e);
        if (r >= 0)
                r = check_path(request.destination, e);
        if (r >= 0)
                r = authorize(m, machine, call, "bind", &request, e);
        return r <= 0 ? r : start(m, &kind, machine, &request, call, e);
}

static int work_unbind(const void *arg, const WorkerOut *out, Error *e) {
        return bind_unmount(arg, e);
}

int op_unbind(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "unmounting from the machine", work_unbind,
                                            op_finish_empty, MOUNT_USEC, false };
        BindRequest request = {};
        int r = op_read(call, e, "s", &request.destination);

        if (r >= 0)
                r = check_machine(machine, &request, e);
        if (r >= 0)
                r = check_path(request.destination, e);
        if (r >= 0)
                r = authorize(m, machine, call, "unbind", &request, e);
        return r <= 0 ? r : start(m, &kind, machine, &request, call, e);
}

/* Each as the text of its record, one after the other with a NUL behind. */
static int work_list(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(bind_records_done) BindRecords binds = {};
        _cleanup_(buf_done) Buf all = {};
        int r = bind_list(arg, &binds, e);

        for (size_t i = 0; i < binds.n && r >= 0; i++) {
                r = bind_record_format(binds.v + i, &all);
                if (r >= 0)
                        r = buf_append(&all, "", 1);
        }
        return r < 0 ? r : operation_send_text(out, strempty(all.p), all.n);
}

static int append_bind(sd_bus_message *reply, const char *at, size_t n) {
        _cleanup_(bind_record_done) BindRecord b = {};
        int r = bind_record_parse(at, &b);

        if (r >= 0)
                r = sd_bus_message_append(reply, "(ssbbt)", b.source, b.destination,
                                          (int) b.read_only, (int) b.is_mapped, b.realtime);
        return r < 0 ? r : (int) strlen(at) + 1;
}

static int finish_list(sd_bus_message *call, const OperationResult *result, Error *e) {
        return operation_reply_list(call, result, "(ssbbt)", append_bind, e);
}

int op_list_binds(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        static const OperationKind kind = { "listing mounts", work_list, finish_list, MOUNT_USEC,
                                            false };
        BindRequest request = {};
        int r = check_machine(machine, &request, e);

        if (r >= 0)
                r = op_authorize(m, call, BUS_MACHINE1_NAME ".inspect-machines", machine,
                                 "list_binds", POLKIT_NOBODY, e);
        return r <= 0 ? r
                      : operation_start(&m->operations, &kind, call, machine, &request,
                                        &request.target.pidfd, 1, e);
}
