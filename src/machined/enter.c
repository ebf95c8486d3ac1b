/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ways into a machine, see enter.h. All that /proc says of a PID is believed only after the pidfd has
 * said that the process still lives. */
#include "machined/enter.h"

#include <fcntl.h>

#include "base/path.h"

Target target_of(const Machine *machine) {
        Target t = { .pid = machine->leader.pid, .pidfd = machine->leader.fd };

        (void) snprintf(t.name, sizeof t.name, "%s", machine->name);
        return t;
}

int target_open_root(const Target *t, Error *e) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/root", t->pid);
        _cleanup_fd_ int fd = open(t->pid == 1 ? "/" : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno == ENOENT ? ESRCH : errno,
                                 "cannot open the root directory of machine '%s': %m", t->name);
        if (t->pid != 1 && !proc_pidfd_is_alive(t->pidfd))
                return error_set(e, ESRCH, "machine '%s' has ended", t->name);
        return TAKE_FD(fd);
}
