/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model of one machine, see machine.h. What several machines have to do with each other is in
 * registry.c; how it is written down in state.c. */
#include "machined/machine.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup.h"

#define USERNS_LEVELS_MAX 16

int machine_new(const char *name, Machine **ret) {
        _cleanup_(machine_freep) Machine *m = calloc(1, sizeof *m);

        if (!m)
                return -ENOMEM;
        m->leader = m->supervisor = MACHINE_PROCESS_NONE;
        m->vsock_cid = MACHINE_VSOCK_ANY;
        m->name = strdup(name);
        if (!m->name)
                return -ENOMEM;
        *ret = TAKE_PTR(m);
        return 0;
}

Machine *machine_free(Machine *m) {
        if (!m)
                return NULL;
        machine_process_done(&m->leader);
        machine_process_done(&m->supervisor);
        free(m->name);
        free(m->service);
        free(m->root);
        free(m->unit);
        free(m->subgroup);
        free(m->scope_job);
        free(m->netifs);
        free(m->ssh_address);
        free(m->ssh_key);
        free(m->control_address);
        free(m->path);
        free(m);
        return NULL;
}

void machine_process_done(MachineProcess *p) {
        (void) fd_close(p->fd);
        *p = MACHINE_PROCESS_NONE;
}

int machine_process_pin(pid_t pid, uint64_t id, MachineProcess *ret) {
        MachineProcess p = { .pid = pid };
        _cleanup_fd_ int fd = proc_pidfd_open(pid);

        if (fd < 0)
                return fd;
        int r = proc_pidfd_id(fd, &p.id);
        if (r < 0 && r != -EOPNOTSUPP)
                return r;
        if (id != 0 && p.id != 0 && id != p.id)
                return -ESRCH;
        if (!proc_pidfd_is_alive(fd))
                return -ESRCH;
        p.fd = TAKE_FD(fd);
        *ret = p;
        return 0;
}

bool machine_process_is_alive(const MachineProcess *p) {
        return p->pid == 1 || (p->fd >= 0 && proc_pidfd_is_alive(p->fd));
}

bool machine_process_has_pid(const MachineProcess *p) {
        return p->fd < 0 || proc_pidfd_signal(p->fd, 0) != -ESRCH;
}

bool machine_unit_is_shared(const char *unit) {
        static const char *const patterns[] = { "init.scope", "session-*.scope", "user@*.service",
                                                "systemd-*.service", "*.slice" };

        for (size_t i = 0; i < ELEMENTSOF(patterns); i++)
                if (fnmatch(patterns[i], unit, 0) == 0)
                        return !(str_skip_prefix(unit, "systemd-nspawn@") ||
                                 str_skip_prefix(unit, "systemd-vmspawn@"));
        return false;
}

/* Whether a control group is one that spawners make for their own division of labour. */
static bool is_division(const char *subgroup) {
        static const char *const names[] = { "payload", "supervisor" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                const char *rest = str_skip_prefix(subgroup, names[i]);
                if (rest && (*rest == '\0' || *rest == '/'))
                        return true;
        }
        return false;
}

/* Whether the control group of a unit was given to a user. A user's process in a unit of somebody else's
 * (a job in cron.service, say) must not be the handle to end that unit by. */
static bool unit_is_given_to(uid_t uid, const char *group) {
        _cleanup_free_ char *mount = NULL, *path = NULL;
        struct stat st;

        if (cgroup_mount(&mount) < 0 || !(path = str_format("%s%s", mount, group)))
                return false;
        return lstat(path, &st) >= 0 && st.st_uid == uid;
}

int machine_find_unit(Machine *m, Error *e) {
        _cleanup_free_ char *path = NULL, *unit = NULL, *rest = NULL;
        int r = cgroup_of_pid(m->leader.pid, &path);

        if (r == -ENODATA)
                return 0;
        if (r < 0)
                return error_set(e, r, "cannot find the control group of process %d: %m",
                                 m->leader.pid);
        r = cgroup_unit_of_path(path, &unit, &rest);
        if (r == -ENXIO)
                return 0;
        if (r < 0)
                return error_set(e, r, "cannot tell the unit of control group %s: %m", path);

        const char *subgroup = rest + strspn(rest, "/");
        bool divided = *subgroup && is_division(subgroup);
        m->owns_unit = (!*subgroup || divided) && !machine_unit_is_shared(unit);
        if (m->owns_unit && m->uid != 0) {
                path[strlen(path) - strlen(rest)] = '\0';
                m->owns_unit = unit_is_given_to(m->uid, path);
        }
        free(m->unit);
        m->unit = TAKE_PTR(unit);
        return str_replace(&m->subgroup, *subgroup && !divided ? subgroup : NULL) < 0 ? error_oom(e)
                                                                                      : 0;
}

bool machine_is_in_unit(const Machine *m) {
        _cleanup_free_ char *path = NULL, *unit = NULL;

        return m->unit && cgroup_of_pid(m->leader.pid, &path) >= 0 &&
               cgroup_unit_of_path(path, &unit, NULL) >= 0 && streq(unit, m->unit);
}

char *machine_scope_name(const char *name) {
        _cleanup_(buf_done) Buf b = {};

        if (buf_puts(&b, "machine-") < 0)
                return NULL;
        for (const char *c = name; *c; c++) {
                bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                             (*c >= '0' && *c <= '9') || *c == ':' || *c == '_' ||
                             (*c == '.' && c > name);
                int r = plain ? buf_append(&b, c, 1) : buf_printf(&b, "\\x%02x", (uint8_t) *c);
                if (r < 0)
                        return NULL;
        }
        if (buf_puts(&b, ".scope") < 0)
                return NULL;
        return buf_take(&b);
}

bool machine_has_own_scope(const Machine *m) {
        _cleanup_free_ char *scope = machine_scope_name(m->name);

        return m->owns_unit && scope && streq_ptr(m->unit, scope);
}

const char *machine_state_name(const Machine *m) {
        return m->scope_job ? "opening" : m->is_closing ? "closing" : "running";
}

static const char *const class_names[_MACHINE_CLASS_MAX] = {
        [MACHINE_CLASS_UNKNOWN] = "",
        [MACHINE_CONTAINER] = "container",
        [MACHINE_VM] = "vm",
        [MACHINE_HOST] = "host",
};

const char *machine_class_name(MachineClass c) {
        return class_names[c];
}

MachineClass machine_class_parse(const char *s) {
        for (MachineClass c = 0; c < _MACHINE_CLASS_MAX; c++)
                if (streq(s, class_names[c]))
                        return c;
        return _MACHINE_CLASS_INVALID;
}

int machine_id_shift(const Machine *m, uint32_t *ret, Error *e) {
        _cleanup_(idmap_done) IdMap uids = {}, gids = {};

        if (m->class == MACHINE_HOST) {
                *ret = 0;
                return 0;
        }

        int r = idmap_read(m->leader.pid, "uid_map", &uids);
        if (r >= 0)
                r = idmap_read(m->leader.pid, "gid_map", &gids);
        if (r >= 0 && !machine_process_is_alive(&m->leader))
                r = -ESRCH;
        if (r < 0)
                return error_set(e, r, "cannot read the ID maps of machine '%s': %m", m->name);

        if (uids.n != 1 || gids.n != 1 || uids.ranges[0].inside != 0 ||
            uids.ranges[0].length < 0xfffe ||
            memcmp(uids.ranges, gids.ranges, sizeof *uids.ranges) != 0)
                return error_set(e, EOPNOTSUPP, "the ID map of machine '%s' is not one plain range",
                                 m->name);
        *ret = uids.ranges[0].outside;
        return 0;
}

int machine_uid_owns_process(uid_t uid, const MachineProcess *p, Error *e) {
        char path[64];
        uid_t owner;
        int r = proc_uid(p->pid, &owner);

        if (r < 0)
                return error_set(e, r, "cannot tell whose process %d is: %m", p->pid);
        if (owner == uid)
                return machine_process_is_alive(p);

        (void) snprintf(path, sizeof path, "/proc/%d/ns/user", p->pid);
        _cleanup_fd_ int ns = open(path, O_RDONLY | O_CLOEXEC);
        if (ns < 0)
                return error_set(e, errno, "cannot open the user namespace of process %d: %m",
                                 p->pid);

        for (unsigned i = 0; i < USERNS_LEVELS_MAX; i++) {
                int parent = ioctl(ns, NS_GET_PARENT);

                /* The first namespace has no parent that we could see, and nobody made it. */
                if (parent < 0)
                        return 0;
                if (ioctl(ns, NS_GET_OWNER_UID, &owner) >= 0 && owner == uid) {
                        (void) fd_close(parent);
                        return machine_process_is_alive(p);
                }
                (void) fd_close(ns);
                ns = parent;
        }
        return 0;
}
