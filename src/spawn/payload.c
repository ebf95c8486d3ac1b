/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a process that set up a machine to its payload. Runs as PID 1 inside (or as the child of the
 * stub), with the image as "/"; nothing here looks at the host. */
#include "spawn/payload.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/init/init.h"
#include "spawn/label.h"
#include "spawn/oci-hooks.h"
#include "spawn/oci-payload.h"

/* Whoever asks first must not find a terminal of no size: the keeper comes later. */
static void copy_size(int terminal_fd) {
        struct winsize size;

        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) >= 0 ||
            ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) >= 0)
                (void) ioctl(terminal_fd, TIOCSWINSZ, &size);
}

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

int payload_terminal(const Spec *spec, Run *run, Error *e) {
        _cleanup_fd_ int master = path_open_beneath(run->root_fd, "dev/pts/ptmx",
                                                    O_RDWR | O_NOCTTY | O_NONBLOCK, 0);
        int unlock = 0;

        if (master < 0)
                return error_set(e, master, "cannot open a pseudo terminal: %m");
        if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
                return error_set(e, errno, "cannot unlock the pseudo terminal: %m");
        run->terminal_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (run->terminal_fd < 0)
                return error_set(e, errno, "cannot open the other side of the terminal: %m");
        if (spec->console == CONSOLE_INTERACTIVE)
                copy_size(run->terminal_fd);
        if (spec->oci)
                oci_payload_set_size(spec->oci->process, run->terminal_fd);
        run->console_fd = TAKE_FD(master);
        return 0;
}

int payload_session(const Spec *spec, Run *run, Error *e) {
        if (setsid() < 0)
                return error_set(e, errno, "cannot make a session: %m");

        if (spec_has_terminal(spec)) {
                if (ioctl(run->terminal_fd, TIOCSCTTY, 0) < 0)
                        return error_set(e, errno, "cannot take the terminal: %m");
                for (int fd = 0; fd < 3; fd++)
                        if (dup2(run->terminal_fd, fd) < 0)
                                return error_set(e, errno, "cannot put the terminal on stdio: %m");
        }

        /* The caller's keys are not for the payload. Where keyrings do not exist or are kept from us
         * there are none to keep from it. */
        if (!spec->keep_keyring &&
            syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) < 0 && errno != ENOSYS &&
            errno != EPERM && errno != EACCES)
                return error_set(e, errno, "cannot make a session keyring: %m");
        return 0;
}

/* Only the capabilities to be lost cost a call. */
int payload_drop_bounding(uint64_t keep, uint64_t have, Error *e) {
        uint64_t drop = (have ? have : UINT64_MAX) & ~keep;

        for (unsigned long c = 0; c < 64; c++) {
                if (!(drop & (UINT64_C(1) << c)))
                        continue;
                if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) >= 0)
                        continue;
                if (errno == EINVAL)
                        return 0; /* past the last one that this kernel has */
                return error_set(e, errno, "cannot drop capability %lu: %m", c);
        }
        return 0;
}

/* Permitted and effective become @keep as far as we have it. Inheritable becomes empty but for what is to
 * be ambient, so that no file with inheritable capabilities raises what a user inside has not got.
 * @have: what is permitted so far; 0 = to be asked */
static int set_capabilities(uint64_t have, uint64_t keep, uint64_t ambient, Error *e) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        if (have == 0) {
                if (syscall(SYS_capget, &header, data) < 0)
                        return error_set(e, errno, "cannot read our capabilities: %m");
                have = data[0].permitted | (uint64_t) data[1].permitted << 32;
        }
        for (unsigned i = 0; i < 2; i++) {
                data[i].permitted = (uint32_t) ((have & keep) >> (32 * i));
                data[i].effective = data[i].permitted;
                data[i].inheritable = data[i].permitted & (uint32_t) (ambient >> (32 * i));
        }
        if (syscall(SYS_capset, &header, data) < 0)
                return error_set(e, errno, "cannot set our capabilities: %m");
        for (unsigned long c = 0; c < 64; c++)
                if (ambient & (UINT64_C(1) << c) &&
                    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
                        return error_set(e, errno, "cannot make the capability %lu ambient: %m", c);
        return 0;
}

int payload_die_with_parent(Run *run, Error *e) {
        struct pollfd p = { .fd = run->handshake_fd };

        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot tie us to our parent: %m");
        /* If it died before that, its end of the socket is closed. */
        if (poll(&p, 1, 0) < 0)
                return error_set(e, errno, "cannot look whether our parent lives: %m");
        if (p.revents & POLLHUP)
                return error_set(e, EPIPE, "the supervisor died");
        return 0;
}

int payload_outlive_parent(Error *e) {
        return prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0
                       ? error_set(e, errno, "cannot untie us from our parent: %m")
                       : 0;
}

/* The kernel forgets that we die with our parent for who changes their user or group, or gains
 * capabilities. */
static int stay_tied(const Spec *spec, const User *u, Run *run, Error *e) {
        bool still = !spec_has_private_users(spec) && spec->start != START_AS_PID2 &&
                     getauxval(AT_EUID) == u->uid && getauxval(AT_EGID) == u->gid;

        return still || spec->stays ? 0 : payload_die_with_parent(run, e);
}

/* Settings can make the filter deny what we still have to call, so it comes last where it can: that takes
 * CAP_SYS_ADMIN, which then must be one to keep. */
static int become_root(const Spec *spec, const Plan *plan, const User *u, Run *run, Error *e) {
        const SeccompProgram *filter = &plan->seccomp;
        bool late = plan->capabilities & UINT64_C(1) << CAP_SYS_ADMIN;
        int r = late ? 0 : seccomp_plan_load(filter->filter, filter->n, e);

        if (r >= 0)
                r = set_capabilities(run->permitted, plan->capabilities, spec->capabilities_ambient,
                                     e);
        if (r >= 0)
                r = stay_tied(spec, u, run, e);
        return r >= 0 && late ? seccomp_plan_load(filter->filter, filter->n, e) : r;
}

/* Who is not root keeps the ambient capabilities alone: permitted ones survive the change of user if they
 * are told to, and the execution drops them again where they are not ambient. */
static int become_user(const Spec *spec, const Plan *plan, const User *u, Run *run, Error *e) {
        uint64_t ambient = spec->capabilities_ambient;
        int r = seccomp_plan_load(plan->seccomp.filter, plan->seccomp.n, e);

        if (r >= 0)
                r = set_capabilities(0, plan->capabilities | UINT64_C(1) << CAP_SETUID, 0, e);
        if (r < 0)
                return r;
        if (ambient && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot keep capabilities: %m");
        if (setresuid(u->uid, u->uid, u->uid) < 0)
                return error_set(e, errno, "cannot become user %u: %m", u->uid);
        r = ambient ? set_capabilities(0, ambient, ambient, e) : 0;
        return r < 0 ? r : stay_tied(spec, u, run, e);
}

/* All four of our group IDs are that one since we were executed. */
static bool is_in_group(const Spec *spec, gid_t gid) {
        return !spec_has_private_users(spec) && getauxval(AT_GID) == gid &&
               getauxval(AT_EGID) == gid;
}

int payload_confine(const Spec *spec, const Plan *plan, const User *u, Run *run, Error *e) {
        int r;

        if (plan->rights.exact)
                return oci_payload_confine(spec, plan, u, run, e);
        if (spec->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot set no_new_privs: %m");
        r = payload_drop_bounding(plan->capabilities, run->bounding, e);
        if (r < 0)
                return r;
        if (setgroups(u->n_groups, u->groups) < 0 ||
            (!is_in_group(spec, u->gid) && setresgid(u->gid, u->gid, u->gid) < 0))
                return error_set(e, errno, "cannot become group %u: %m", u->gid);
        return u->uid == 0 ? become_root(spec, plan, u, run, e)
                           : become_user(spec, plan, u, run, e);
}

static int complete_environment(const Spec *spec, const Plan *plan, const User *u, char ***ret) {
        _cleanup_strv_ char **env = NULL;
        const struct {
                const char *name, *value;
        } from_user[] = {
                { "HOME", u->home },
                { "USER", u->name },
                { "LOGNAME", u->name },
        };
        int r = strv_copy(plan->environment, &env);

        for (size_t i = 0; i < (spec_is_machine(spec) ? ELEMENTSOF(from_user) : 1) && r >= 0; i++)
                if (!strv_env_get(env, from_user[i].name))
                        r = strv_append_format(&env, "%s=%s", from_user[i].name,
                                               from_user[i].value);
        if (r >= 0)
                *ret = TAKE_PTR(env);
        return r;
}

/* Looks for one program. Return: 0; -ENOENT for whatever means "not here"; -errno. */
static int look_for(const char *path) {
        if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) >= 0)
                return 0;
        return errno == ENOTDIR ? -ENOENT : -errno;
}

/* A later directory may have one that runs where an earlier one has one that does not. */
int payload_search_path(const char *name, const char *path, char **ret) {
        int result = -ENOENT;

        if (strchr(name, '/')) {
                *ret = strdup(name);
                return *ret ? look_for(name) : -ENOMEM;
        }
        for (const char *p = path; *p; p += strcspn(p, ":"), p += *p == ':') {
                _cleanup_free_ char *full = str_format("%.*s/%s", (int) strcspn(p, ":"), p, name);
                if (!full)
                        return -ENOMEM;
                int r = look_for(full);
                if (r == -ENOENT)
                        continue;
                result = r;
                if (r >= 0) {
                        *ret = TAKE_PTR(full);
                        return 0;
                }
        }
        return result;
}

static int first_of(const char *const *paths, size_t n, char **ret) {
        int r = -ENOENT;

        for (size_t i = 0; i < n; i++) {
                r = paths[i] ? look_for(paths[i]) : -ENOENT;
                if (r == -ENOENT)
                        continue;
                *ret = strdup(paths[i]);
                return *ret ? r : -ENOMEM;
        }
        return r;
}

/* Which program is to be executed, and by what arguments.
 * @ret_what: what to call it in a message, valid as long as @spec and @u */
static int find_program(const Spec *spec, const User *u, char *const *env, char **ret_program,
                        char ***ret_argv, const char **ret_what) {
        static const char *const inits[] = { "/usr/lib/systemd/systemd", "/lib/systemd/systemd",
                                             "/sbin/init" };
        const char *shells[] = { u->shell, "/bin/bash", "/bin/sh" };
        int r;

        if (spec->start == START_BOOT) {
                *ret_what = "/sbin/init";
                r = first_of(inits, ELEMENTSOF(inits), ret_program);
                if (r >= 0)
                        r = strv_append(ret_argv, *ret_program);
                STRV_FOREACH(a, spec->argv)
                        if (r >= 0)
                                r = strv_append(ret_argv, *a);
                return r;
        }
        if (!spec->argv) {
                *ret_what = "/bin/sh";
                r = first_of(shells, ELEMENTSOF(shells), ret_program);
                return r < 0 ? r : strv_append_format(ret_argv, "-%s", path_last(*ret_program));
        }
        *ret_what = spec->argv[0];
        r = payload_search_path(spec->argv[0], strempty(strv_env_get(env, "PATH")), ret_program);
        return r < 0 ? r : strv_copy(spec->argv, ret_argv);
}

/* Not by chdir(): a symlink of the image to /proc/self/fd/N would lead to a directory of the host that we
 * still have open. */
int payload_enter(int root_fd, const char *path) {
        _cleanup_fd_ int fd = path_open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0);

        if (fd < 0)
                return fd;
        return fchdir(fd) < 0 ? -errno : 0;
}

static int enter_directory(const Spec *spec, const User *u, int root_fd, Error *e) {
        bool shell = !spec->argv && spec->start != START_BOOT;
        const char *where = spec->working_directory ? spec->working_directory : u->home;
        int r;

        /* We are in "/" since it became that. */
        if (!spec->working_directory && !shell)
                return 0;
        r = payload_enter(root_fd, where);
        return r < 0 && spec->working_directory
                       ? error_set(e, r, "cannot enter '%s' of the image: %m", where)
                       : 0;
}

int payload_open_init(Error *e) {
        const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
        _cleanup_fd_ int fd = memfd_create("skep-init", flags | MFD_EXEC);

        if (fd < 0 && errno == EINVAL) /* before Linux 6.3 all of them can be executed */
                fd = memfd_create("skep-init", flags);
        if (fd < 0)
                return error_set(e, errno, "cannot make a file in memory: %m");
        int r = fd_write_all(fd, init_image, init_image_size);
        if (r < 0)
                return error_set(e, r, "cannot write to memory: %m");
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return error_set(e, errno, "cannot seal skep-init: %m");
        return TAKE_FD(fd);
}

static int execute_init(int init_fd, char **argv, char **env, Error *e) {
        (void) execveat(init_fd, "", argv, env, AT_EMPTY_PATH);
        return error_set(e, errno, "cannot execute skep-init: %m");
}

int payload_execute(const Spec *spec, const Plan *plan, const User *u, const Run *run, int init_fd,
                    int *ret_status, Error *e) {
        _cleanup_strv_ char **env = NULL, **argv = NULL, **all = NULL;
        _cleanup_free_ char *program = NULL, *label = NULL;
        const char *what = NULL, *label_file = NULL;
        _cleanup_fd_ int filter_fd = -EBADF;
        int sock = run->gate_fd < 0 ? run->handshake_fd : run->outcome_fd;
        int r = run->is_in_directory ? 0 : enter_directory(spec, u, run->root_fd, e);

        if (r < 0)
                return r;
        if (complete_environment(spec, plan, u, &env) < 0)
                return error_oom(e);
        r = find_program(spec, u, env, &program, &argv, &what);
        if (r < 0) {
                *ret_status = r == -ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
                return error_set(e, r, "cannot execute '%s' of the image: %m", what);
        }

        r = strv_append_format(&all, "skep-init");
        if (r >= 0 && run->gate_fd >= 0)
                r = strv_append_format(&all, "wait");
        if (r >= 0 && run->gate_fd >= 0)
                r = strv_append_format(&all, "%d", run->gate_fd);
        if (r >= 0 && spec->hooks)
                r = oci_hooks_for_init(spec->hooks, run, sock, &all);
        if (r >= 0 && spec->oci)
                r = oci_payload_keep_filter(spec, plan, &filter_fd, &all, e);
        if (r >= 0)
                r = label_make(spec, &label_file, &label);
        if (r >= 0)
                r = strv_append(&all, label_file ? "label" : "exec");
        if (r >= 0)
                r = strv_append_format(&all, "%d", sock);
        if (r >= 0 && label_file)
                r = strv_append(&all, label_file);
        if (r >= 0 && label_file)
                r = strv_append(&all, label);
        if (r >= 0)
                r = strv_append(&all, program);
        STRV_FOREACH(a, argv)
                if (r >= 0)
                        r = strv_append(&all, *a);
        if (r < 0)
                return error_oom(e);

        (void) umask(oci_payload_umask(spec));
        if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
                return error_set(e, errno, "cannot keep our descriptors to ourselves: %m");
        r = listen_fds_pass(&plan->listen, spec->preserve_fds, e);
        if (r < 0)
                return r;
        if (fcntl(sock, F_SETFD, 0) < 0 ||
            (run->gate_fd >= 0 && fcntl(run->gate_fd, F_SETFD, 0) < 0) ||
            (run->created_fd >= 0 && fcntl(run->created_fd, F_SETFD, 0) < 0) ||
            (filter_fd >= 0 && fcntl(filter_fd, F_SETFD, 0) < 0))
                return error_set(e, errno, "cannot pass on the socket: %m");
        /* Last, for we could not do our own work under any limits that there are. */
        r = limit_apply(spec->limits, e);
        return r < 0 ? r : execute_init(init_fd, all, env, e);
}

int payload_execute_stub(int init_fd, pid_t child, char **env, Error *e) {
        char pid[16];
        char *argv[] = { (char *) "skep-init", (char *) "stub", pid, NULL }, *none[] = { NULL };

        (void) snprintf(pid, sizeof pid, "%d", child);
        return execute_init(init_fd, argv, env ? env : none, e);
}
