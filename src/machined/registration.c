/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* New machines, see registration.h. The bus and Varlink both come through here, so that neither can let in
 * what the other refuses. */
#include "machined/registration.h"

#include <limits.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/home.h"
#include "base/path.h"
#include "machined/scope.h"

#define SERVICE_LENGTH_MAX 256
#define ADDRESS_LENGTH_MAX 1024
/* Of one user who is not root. */
#define MACHINES_PER_USER_MAX 1024

/* Free text that ends up in files of lines and on terminals. */
static bool text_is_plain(const char *s, size_t max) {
        if (strlen(s) > max)
                return false;
        for (; *s; s++)
                if ((unsigned char) *s < ' ' || *s == 0x7f)
                        return false;
        return true;
}

static bool path_is_plain(const char *s) {
        return path_is_safe(s) && text_is_plain(s, PATH_MAX);
}

static int check_texts(const Registration *g, Error *e) {
        MachineClass class = machine_class_parse(strempty(g->class));

        if (class < 0 || class == MACHINE_HOST)
                return error_set(e, EINVAL, "'%.64s' is not a class that a machine can have",
                                 g->class);
        if (!text_is_plain(strempty(g->service), SERVICE_LENGTH_MAX))
                return error_set(e, EINVAL, "the service is too long or has control characters");
        if (g->root && *g->root && !path_is_plain(g->root))
                return error_set(e, EINVAL, "the root directory is not an absolute, plain path");
        if (!text_is_plain(strempty(g->ssh_address), ADDRESS_LENGTH_MAX))
                return error_set(e, EINVAL, "the SSH address is not valid");
        if (g->ssh_key && *g->ssh_key && !path_is_plain(g->ssh_key))
                return error_set(e, EINVAL, "the path of the SSH key is not absolute and plain");
        if (!text_is_plain(strempty(g->control_address), ADDRESS_LENGTH_MAX))
                return error_set(e, EINVAL, "the control address is not valid");
        return 0;
}

int registration_check(const Registration *g, Error *e) {
        int r = registry_check_name(g->name, e);

        if (r >= 0)
                r = check_texts(g, e);
        if (r < 0)
                return r;
        if (g->n_id != 0 && g->n_id != sizeof(Id128))
                return error_set(e, EINVAL, "an ID has 16 bytes, not %zu", g->n_id);
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
        return 0;
}

int registration_find_free(Manager *m, const Registration *g, Machine **ret_old, Error *e) {
        Machine *old = registry_by_name(&m->registry, g->name);

        if (!old || manager_check_gone(m, old))
                return 0;
        if (old->class != MACHINE_HOST && !machine_process_is_alive(&old->leader)) {
                *ret_old = old;
                return 1;
        }
        return error_set(e, ERR_MACHINE_EXISTS, "Machine '%s' already exists", g->name);
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
        /* A connection outlives the process that made it, whose number another may have by now. */
        if (machine->uid != 0 && machine->supervisor.fd >= 0 &&
            machine_uid_owns_process(machine->uid, &machine->supervisor, NULL) <= 0)
                machine_process_done(&machine->supervisor);
        return 0;
}

static int fill(const Registration *g, Machine *machine) {
        struct timespec t;

        if (str_replace(&machine->service, strempty(g->service)) < 0 ||
            str_replace(&machine->root, strempty(g->root)) < 0 ||
            str_replace(&machine->ssh_address, g->ssh_address) < 0 ||
            str_replace(&machine->ssh_key, g->ssh_key) < 0 ||
            str_replace(&machine->control_address, g->control_address) < 0)
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
        machine->class = machine_class_parse(strempty(g->class));
        (void) clock_gettime(CLOCK_REALTIME, &t);
        machine->realtime = (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
        machine->monotonic = now_usec();
        return 0;
}

/* Programs look up hosts by the names of machines, before they ask anybody else. So a machine of a user
 * must not be called what a host elsewhere may be called, or this one is. */
static bool name_is_of_a_host(const char *name) {
        char own[HOST_NAME_MAX + 1] = "";

        (void) gethostname(own, sizeof own - 1);
        own[strcspn(own, ".")] = '\0';
        return strchr(name, '.') || strcasecmp(name, "localhost") == 0 ||
               strcasecmp(name, own) == 0;
}

static int check_owner(const Manager *m, const Machine *machine, Error *e) {
        unsigned n = 0;

        if (machine->uid == 0)
                return 0;
        if (!home_is_user() && name_is_of_a_host(machine->name))
                return error_set(e, EACCES,
                                 "'%s' is what a host may be called: a user's machine cannot be",
                                 machine->name);
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

int registration_make(Manager *m, const Registration *g, uid_t uid, pid_t caller, Machine **ret,
                      Error *e) {
        _cleanup_(machine_freep) Machine *machine = NULL;
        int r = machine_new(g->name, &machine);

        if (r < 0 || fill(g, machine) < 0)
                return error_oom(e);
        machine->uid = uid;
        r = pin_leader(g, caller, machine, e);
        if (r >= 0)
                r = check_owner(m, machine, e);
        if (r >= 0 && !g->wants_scope)
                r = machine_find_unit(machine, e);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(machine);
        return 0;
}

int registration_take_in(Manager *m, Machine *machine, const Creation *creation, Error *e) {
        int r = manager_add(m, machine, e);

        if (r < 0) {
                machine_free(machine);
                return r;
        }
        r = creation ? scope_start(m, machine, creation, e) : manager_announce(m, machine, e);
        if (r < 0)
                manager_drop(m, machine);
        return r < 0 ? r : 0;
}
