/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals to the part of a unit that a machine has, see subgroup.h. PID 1 can do this from version 258 on;
 * done here it works with every one, and looks at whose the processes are. */
#include "machined/subgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/parse.h"
#include "base/path.h"

/* Deeper than anybody divides a group in earnest. */
#define LEVELS_MAX 32

typedef struct Sweep {
        const Machine *machine;
        int signal;
        size_t n;  /* signalled */
        int error; /* the first one */
} Sweep;

static void signal_one(Sweep *s, pid_t pid, const char *group) {
        _cleanup_free_ char *now = NULL;
        MachineProcess p;

        if (pid <= 1 || machine_process_pin(pid, 0, &p) < 0)
                return;
        /* Pinned now, and still there: so it is no other process that has got the number meanwhile. */
        bool there = cgroup_of_pid(pid, &now) >= 0 && streq(now, group);
        uid_t uid = s->machine->uid;
        if (there && (uid == 0 || machine_uid_owns_process(uid, &p, NULL) > 0)) {
                int r = proc_pidfd_signal(p.fd, s->signal);
                if (r >= 0)
                        s->n++;
                else if (r != -ESRCH && s->error == 0)
                        s->error = r;
        }
        machine_process_done(&p);
}

static int sweep_group(Sweep *s, int fd, const char *group, unsigned level) {
        _cleanup_free_ char *text = NULL;
        _cleanup_dir_ DIR *d = NULL;
        int r = file_read(fd, "cgroup.procs", 16 * 1024 * 1024, &text, NULL);

        for (char *line = text, *end; r >= 0 && *line; line = end) {
                pid_t pid;
                end = line + strcspn(line, "\n");
                if (*end)
                        *end++ = '\0';
                if (parse_pid(line, &pid) >= 0)
                        signal_one(s, pid, group);
        }
        /* A group that processes cannot be in can have others below it all the same. */
        if (r < 0 && r != -EOPNOTSUPP)
                return r;

        d = dir_open_again(fd);
        if (!d)
                return -EIO;
        for (struct dirent *de; level < LEVELS_MAX && (de = readdir(d));) {
                if (de->d_type != DT_DIR || *de->d_name == '.')
                        continue;
                _cleanup_free_ char *below = str_format("%s/%s", group, de->d_name);
                _cleanup_fd_ int sub = openat(fd, de->d_name,
                                              O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (!below)
                        return -ENOMEM;
                if (sub >= 0)
                        (void) sweep_group(s, sub, below, level + 1);
        }
        return 0;
}

/* The group of the machine, from where its leader is: the leader may be further down. */
static int find_group(const Machine *m, char **ret) {
        _cleanup_free_ char *path = NULL, *unit = NULL, *rest = NULL;
        int r = cgroup_of_pid(m->leader.pid, &path);

        if (r >= 0)
                r = cgroup_unit_of_path(path, &unit, &rest);
        if (r < 0)
                return r;
        const char *below = str_skip_prefix(rest + strspn(rest, "/"), m->subgroup);
        if (!streq(unit, m->unit) || !below || (*below && *below != '/') ||
            !machine_process_is_alive(&m->leader))
                return -ESRCH;
        path[strlen(path) - strlen(below)] = '\0';
        *ret = TAKE_PTR(path);
        return 0;
}

int subgroup_kill(const Machine *m, int signal, Error *e) {
        _cleanup_free_ char *group = NULL, *mount = NULL, *path = NULL;
        Sweep s = { .machine = m, .signal = signal };
        int r = find_group(m, &group);

        if (r >= 0)
                r = cgroup_mount(&mount);
        if (r >= 0 && !(path = str_format("%s%s", mount, group)))
                r = -ENOMEM;
        _cleanup_fd_ int fd = r < 0 ? -EBADF
                                    : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (r >= 0)
                r = fd < 0 ? -errno : sweep_group(&s, fd, group, 0);
        if (r >= 0 && s.n == 0)
                r = s.error < 0 ? s.error : -ESRCH;
        return r < 0 ? error_set(e, r, "cannot signal machine '%s' in its part of %s: %m", m->name,
                                 m->unit)
                     : 0;
}
