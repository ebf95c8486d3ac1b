/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The receiver of a machine's journal, see journal-forward.h. It reads what the machine sends, so that it
 * gets no capabilities and can gain none. */
#include "spawn/journal-forward.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/path.h"
#include "base/proc.h"
#include "spawn/mount.h"

#define BACKLOG    8
#define PATIENCE   (UINT64_C(5) * 1000 * 1000) /* for the receiver to write out the rest, µs */
#define LISTEN_FD  3
#define FOLDER     JOURNAL_FORWARD_FOLDER
#define NAME       JOURNAL_FORWARD_NAME
#define ATTRIBUTES (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

bool journal_forward_wants(const Spec *spec) {
        return spec->forward_journal;
}

static const char *find_receiver(void) {
        static const char *const places[] = { "/usr/lib/systemd/systemd-journal-remote",
                                              "/lib/systemd/systemd-journal-remote" };

        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (access(places[i], X_OK) >= 0)
                        return places[i];
        return NULL;
}

int journal_forward_prepare(const Spec *spec, Run *run, Error *e) {
        if (!find_receiver())
                return error_set(
                        e, ENOPKG,
                        "--forward-journal needs systemd-journal-remote, which is not installed");
        if (!str_has_suffix(spec->forward_journal, ".journal")) {
                int r = path_mkdirs(spec->forward_journal, 0755);
                if (r < 0)
                        return error_set(e, r, "cannot make '%s': %m", spec->forward_journal);
        }
        run->journal_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        return run->journal_fd < 0 ? error_set(e, errno, "cannot create a socket: %m") : 0;
}

/* In a file system of its own, bound by a relative path, so that nothing of the machine is walked through. */
int journal_forward_apply(const Run *run, Error *e) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NAME };
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
        uid_t uid = run->uid_base;
        _cleanup_fd_ int fd = mount_new("tmpfs", "mode=0755,size=4k,nr_inodes=4", ATTRIBUTES, e);

        if (fd < 0)
                return fd;
        if (fchdir(fd) < 0 ||
            bind(run->journal_fd, (const struct sockaddr *) &address, sizeof address) < 0 ||
            listen(run->journal_fd, BACKLOG) < 0 || fchmodat(fd, NAME, 0600, 0) < 0 ||
            fchownat(fd, NAME, uid, uid, AT_SYMLINK_NOFOLLOW) < 0 ||
            mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot make the socket for the journal: %m");
        _cleanup_fd_ int target = path_open_beneath(run->root_fd, FOLDER, O_PATH | O_DIRECTORY, 0);
        int r = target < 0 ? target : mount_attach(fd, target);
        return r < 0 ? error_set(e, r, "cannot attach '/" FOLDER "': %m") : 0;
}

static void lose_capabilities(void) {
        for (unsigned long c = 0; prctl(PR_CAPBSET_DROP, c, 0, 0, 0) >= 0; c++)
                ;
        (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

_noreturn_ static void become_receiver(const Spec *spec, int listen_fd) {
        const char *path = find_receiver();
        char output[PATH_MAX + 16], pid[32];
        char *argv[] = { (char *) "systemd-journal-remote", output,
                         (char *) (str_has_suffix(spec->forward_journal, ".journal")
                                           ? "--split-mode=none"
                                           : "--split-mode=host"),
                         NULL };
        char *env[] = { (char *) "LISTEN_FDS=1", pid, NULL };
        sigset_t none;

        (void) snprintf(output, sizeof output, "--output=%s", spec->forward_journal);
        (void) snprintf(pid, sizeof pid, "LISTEN_PID=%d", getpid());
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);

        /* The caller's terminal or pipe is not for it to read from or to keep open. */
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), own = fcntl(listen_fd, F_DUPFD, 10);
        if (!path || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || null_fd < 0 || own < 0 ||
            dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
            dup2(own, LISTEN_FD) < 0 || close_range(LISTEN_FD + 1, ~0U, 0) < 0)
                _exit(EXIT_SETUP);
        lose_capabilities();
        (void) execve(path, argv, env);
        _exit(EXIT_NOT_EXECUTABLE);
}

int journal_forward_start(const Spec *spec, Run *run, Error *e) {
        struct clone_args args = { .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
                                   .pidfd = (uint64_t) (uintptr_t) &run->journal_pidfd,
                                   .exit_signal = SIGCHLD };
        pid_t pid = proc_clone3(&args);

        if (pid < 0) {
                run->journal_pidfd = -EBADF;
                return error_set(e, pid, "cannot start systemd-journal-remote: %m");
        }
        if (pid == 0)
                become_receiver(spec, run->journal_fd);
        run->journal_fd = fd_close(run->journal_fd);
        return 0;
}

void journal_forward_revert(Run *run) {
        run->journal_fd = fd_close(run->journal_fd);
        if (run->journal_pidfd < 0)
                return;
        (void) proc_pidfd_signal(run->journal_pidfd, SIGTERM);
        if (fd_wait(run->journal_pidfd, POLLIN, PATIENCE) <= 0)
                (void) proc_pidfd_signal(run->journal_pidfd, SIGKILL);
        (void) proc_wait(run->journal_pidfd, NULL);
        run->journal_pidfd = fd_close(run->journal_pidfd);
}
