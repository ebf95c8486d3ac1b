/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files carried into and out of running machines. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/home.h"
#include "base/path.h"
#include "bus/operation.h"
#include "machined/enter.h"
#include "machined/op.h"
#include "machined/transfer.h"

#define COPY_REPLACE UINT64_C(1)

/* A copy, for the worker. */
typedef struct Request {
        Target target;
        const char *source;
        const char *destination;
        bool to_machine;
        bool replace;
} Request;

static int check_request(const Machine *machine, Request *request, Error *e) {
        if (machine->class != MACHINE_CONTAINER)
                return error_set(e, EOPNOTSUPP, "machine '%s' is no container", machine->name);
        if (!path_is_absolute_clean(request->source))
                return error_set(e, EINVAL, "'%.256s' is not an absolute, plain path",
                                 request->source);
        if (!*request->destination)
                request->destination = request->source;
        if (!path_is_absolute_clean(request->destination))
                return error_set(e, EINVAL, "'%.256s' is not an absolute, plain path",
                                 request->destination);
        return 0;
}

static int authorize(Manager *m, const Machine *machine, sd_bus_message *call, const char *verb,
                     const Request *request, Error *e) {
        const char *const details[] = { "machine", machine->name,   "verb", verb,
                                        "src",     request->source, "dest", request->destination,
                                        NULL };

        return polkit_check(m->daemon.polkit, call, BUS_MACHINE1_NAME ".manage-machines", details,
                            POLKIT_NOBODY, e);
}

static int start(Manager *m, const OperationKind *kind, Machine *machine, Request *request,
                 sd_bus_message *call, Error *e) {
        request->target = target_of(machine);
        return operation_start(&m->operations, kind, call, machine, request, &request->target.pidfd,
                               1, e);
}

/* The directory that holds @path, below a root, and the name in it. */
static int open_parent(int root_fd, const char *path, const char **ret_name, Error *e) {
        _cleanup_free_ char *parent = strndup(path, (size_t) (path_last(path) - path));

        if (!parent)
                return error_oom(e);
        *ret_name = path_last(path);
        if (!**ret_name)
                return error_set(e, EINVAL, "'%s' is a whole root directory", path);
        int fd = path_open_in_root(root_fd, parent, O_RDONLY | O_DIRECTORY, 0);
        return fd < 0 ? error_set(e, fd, "cannot open %s: %m", parent) : fd;
}

static int work_copy(const void *arg, const WorkerOut *out, Error *e) {
        _cleanup_(idmap_done) IdMap uids = {}, gids = {};
        const Request *request = arg;
        const char *from, *to;

        _cleanup_fd_ int theirs = target_open_root(&request->target, e);
        if (theirs < 0)
                return theirs;
        _cleanup_fd_ int ours = open(home_is_user() ? "/" : "/proc/1/root",
                                     O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (ours < 0)
                return error_set(e, errno, "cannot open the root directory of the host: %m");
        int r = idmap_read(request->target.pid, "uid_map", &uids);
        if (r >= 0)
                r = idmap_read(request->target.pid, "gid_map", &gids);
        if (r < 0)
                return error_set(e, r, "cannot read the ID maps of the machine: %m");

        _cleanup_fd_ int from_dir = open_parent(request->to_machine ? ours : theirs,
                                                request->source, &from, e);
        if (from_dir < 0)
                return from_dir;
        _cleanup_fd_ int to_dir = open_parent(request->to_machine ? theirs : ours,
                                              request->destination, &to, e);
        if (to_dir < 0)
                return to_dir;
        const Transfer transfer = { .replace = request->replace,
                                    .to_machine = request->to_machine,
                                    .drop_privileges = !request->to_machine,
                                    .uids = &uids,
                                    .gids = &gids };
        (void) operation_send_total(out, transfer_size(from_dir, from));
        (void) umask(0);
        if (request->to_machine) {
                r = target_take_ownership(&uids, &gids, e);
                if (r < 0)
                        return r;
        }
        return transfer_copy(&transfer, from_dir, from, to_dir, to, e);
}

static int copy(Manager *m, Machine *machine, sd_bus_message *call, bool to_machine, bool has_flags,
                Error *e) {
        static const OperationKind kind = { "copying", work_copy, op_finish_empty, 0, false };
        Request request = { .to_machine = to_machine };
        uint64_t flags = 0;
        int r = op_read(call, e, "ss", &request.source, &request.destination);

        if (r >= 0 && has_flags)
                r = op_read(call, e, "t", &flags);
        if (r < 0)
                return r;
        if (flags & ~COPY_REPLACE)
                return error_set(e, EINVAL, "unknown flags %#llx", (unsigned long long) flags);
        request.replace = flags & COPY_REPLACE;
        r = check_request(machine, &request, e);
        if (r >= 0)
                r = authorize(m, machine, call, "copy", &request, e);
        return r <= 0 ? r : start(m, &kind, machine, &request, call, e);
}

int op_copy_from(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return copy(m, machine, call, false, false, e);
}

int op_copy_to(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return copy(m, machine, call, true, false, e);
}

int op_copy_from_flags(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return copy(m, machine, call, false, true, e);
}

int op_copy_to_flags(Manager *m, Machine *machine, sd_bus_message *call, Error *e) {
        return copy(m, machine, call, true, true, e);
}
