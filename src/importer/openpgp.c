/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signatures, see openpgp.h. gpg runs twice in one confined child: once to take the keyrings into an empty home,
 * whatever form they have, once to check. What it says is read as the lines that it has for programs. */
#include "importer/openpgp.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"

#define NOBODY      65534
#define KEYRING_MAX ((size_t) 16 * 1024 * 1024)
#define STATUS_MAX  ((size_t) 256 * 1024)
#define HOME        "/tmp"
#define INLINE_MARK "-----BEGIN PGP SIGNED MESSAGE-----"

/* Of each pair the first that is there counts. */
static const char *const keyrings[][2] = {
        { "/etc/systemd/import-pubring.pgp", "/etc/systemd/import-pubring.gpg" },
        { "/usr/lib/systemd/import-pubring.pgp", "/usr/lib/systemd/import-pubring.gpg" },
};

/* Descriptors of the child, all files in memory. */
typedef struct Job {
        int text, signature, status, output; /* signature: -EBADF = in the text */
        int keys[ELEMENTSOF(keyrings)];
        size_t n_keys;
} Job;

bool openpgp_is_inline(const char *text, size_t n) {
        return n > strlen(INLINE_MARK) && memcmp(text, INLINE_MARK, strlen(INLINE_MARK)) == 0;
}

static void job_done(Job *j) {
        int *const fds[] = { &j->text, &j->signature, &j->status, &j->output };

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                *fds[i] = fd_close(*fds[i]);
        for (size_t i = 0; i < j->n_keys; i++)
                j->keys[i] = fd_close(j->keys[i]);
}

/* A file in memory that others may open by its descriptor. */
static int memory(const char *data, size_t n, int *ret) {
        _cleanup_fd_ int fd = memfd_create("openpgp", MFD_CLOEXEC);
        int r = fd < 0 ? -errno : fd_write_all(fd, data, n);

        if (r >= 0)
                *ret = TAKE_FD(fd);
        return r;
}

/* Return: 1; 0 it is not there; -errno. */
static int add_keyring(Job *j, const char *path, Error *e) {
        _cleanup_free_ char *data = NULL;
        size_t n;
        int r = file_read(AT_FDCWD, path, KEYRING_MAX, &data, &n);

        if (r == -ENOENT || r == -ENOTDIR)
                return 0;
        if (r >= 0)
                r = memory(data, n, j->keys + j->n_keys);
        if (r < 0)
                return error_set(e, r, "cannot read the keyring '%s': %m", path);
        j->n_keys++;
        return 1;
}

static int add_keyrings(Job *j, Error *e) {
        const char *own = secure_getenv("SYSTEMD_OPENPGP_KEYRING");
        int r = 0;

        if (own && own[0] == '/')
                r = add_keyring(j, own, e);
        for (size_t i = 0; i < ELEMENTSOF(keyrings) && !own && r >= 0; i++) {
                r = add_keyring(j, keyrings[i][0], e);
                if (r == 0)
                        r = add_keyring(j, keyrings[i][1], e);
        }
        if (r >= 0 && j->n_keys == 0)
                return error_set(e, ENOKEY,
                                 "there is no keyring to check signatures with: '%s' is not there",
                                 own ? own : keyrings[0][0]);
        return r;
}

/* Root leaves its name spaces and its rights, and gets an empty place for gpg's home. Return: 0 or -errno. */
static int confine_as_root(void) {
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                               MOUNT_ATTR_NODEV };
        Error e = {};

        if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) < 0 ||
            mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0 ||
            mount("tmpfs", HOME, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  "mode=0700,uid=65534,gid=65534,size=64m") < 0)
                return -errno;
        if (confine_privileges(&e) < 0 || setgroups(0, NULL) < 0 ||
            setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return -errno;
        return confine_capabilities(0, &e);
}

/* What gpg, its libraries and the linker read. */
static const char *const readable[] = {
        "/bin",
        "/etc/gcrypt",
        "/etc/gnupg",
        "/etc/ld.so.cache",
        "/etc/ld.so.preload",
        "/etc/localtime",
        "/etc/nsswitch.conf",
        "/etc/passwd",
        "/lib",
        "/lib32",
        "/lib64",
        "/proc/sys/crypto",
        "/usr",
};

/* What checking a signature has no use for: other processes, of its own or not, sockets, name spaces, mounts, keys,
 * and the ways around all that. */
static const int forbidden[] = {
#ifdef SYS_socketcall
        SYS_socketcall,
#endif
#ifdef SYS_fork
        SYS_fork,
        SYS_vfork,
#endif
        SYS_clone,
        SYS_socket,
        SYS_socketpair,
        SYS_connect,
        SYS_ptrace,
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_pidfd_open,
        SYS_kill,
        SYS_tkill,
        SYS_rt_sigqueueinfo,
        SYS_setsid,
        SYS_unshare,
        SYS_setns,
        SYS_mount,
        SYS_umount2,
        SYS_open_tree,
        SYS_move_mount,
        SYS_fsopen,
        SYS_mount_setattr,
        SYS_chroot,
        SYS_pivot_root,
        SYS_bpf,
        SYS_perf_event_open,
        SYS_io_uring_setup,
        SYS_userfaultfd,
        SYS_keyctl,
        SYS_add_key,
        SYS_request_key,
        SYS_name_to_handle_at,
        SYS_open_by_handle_at,
        SYS_prctl,
};

/* What a program that was taken over by what it reads would do next. Not by who waits for it. */
static int confine_gpg(void) {
        const struct rlimit size = { KEYRING_MAX * 2, KEYRING_MAX * 2 }, none = {};

        if (setrlimit(RLIMIT_FSIZE, &size) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
                return -errno;
        return confine_calls_without(forbidden, ELEMENTSOF(forbidden), NULL);
}

/* Return: exit status; 255 = it could not be run. */
static int run_gpg(const char *const *argv) {
        static char *const env[] = { (char *) "PATH=/usr/local/bin:/usr/bin:/bin",
                                     (char *) "LC_ALL=C.UTF-8", (char *) "HOME=" HOME, NULL };
        struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
        siginfo_t info;
        int pidfd = -EBADF;

        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (confine_gpg() >= 0)
                        (void) execve("/usr/bin/gpg", (char *const *) argv, env);
                _exit(255);
        }
        if (pid < 0 || proc_wait(pidfd, &info) < 0 || info.si_code != CLD_EXITED)
                return 255;
        return info.si_status;
}

#define GPG                                                                                        \
        "gpg", "--homedir", home, "--no-options", "--batch", "--no-tty", "--quiet", "--no-autostart"

/* In the child. Return: exit status of gpg; 255. */
static int work(const Job *j, char *home) {
        char paths[4 + ELEMENTSOF(keyrings)][FD_PATH_MAX], status[16];
        const char *import[16 + ELEMENTSOF(keyrings)] = { GPG, "--import" };
        size_t n = 9;

        for (size_t i = 0; i < j->n_keys; i++)
                import[n++] = fd_path(j->keys[i], paths[4 + i]);
        /* Some keys of a ring may be unusable; which are there, the check tells. */
        if (run_gpg(import) == 255)
                return 255;

        (void) snprintf(status, sizeof status, "%d", j->status);
        const char *text = fd_path(j->text, paths[0]);
        const char *const detached[] = { GPG,           "--trust-model=always",
                                         "--status-fd", status,
                                         "--verify",    fd_path(j->signature, paths[1]),
                                         text,          NULL };
        const char *const whole[] = {
                GPG,        "--trust-model=always",       "--status-fd", status, "--yes",
                "--output", fd_path(j->output, paths[2]), "--decrypt",   text,   NULL
        };
        return run_gpg(j->signature < 0 ? whole : detached);
}

_noreturn_ static void child(const Job *j, char *home) {
        const int fds[] = { j->text, j->signature, j->status, j->output };
        struct rlimit seconds = { 60, 60 };
        bool root = geteuid() == 0;
        Error e = {};

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) setrlimit(RLIMIT_CPU, &seconds);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int fd = 0; fd <= 2; fd++)
                (void) dup2(null, fd);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                if (fds[i] >= 0)
                        (void) fd_set_cloexec(fds[i], false);
        for (size_t i = 0; i < j->n_keys; i++)
                (void) fd_set_cloexec(j->keys[i], false);
        sigset_t none;
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (root ? confine_as_root() < 0 : confine_privileges(&e) < 0)
                _exit(254);
        _cleanup_fd_ int home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (home_fd < 0 || confine_running(readable, ELEMENTSOF(readable), home_fd, &e) < 0)
                _exit(254);
        _exit(work(j, home));
}

/* Return: exit status of the child, or -errno. */
static int run(const Job *j, char *home, Error *e) {
        struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
        siginfo_t info;
        int pidfd = -EBADF;

        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid == 0)
                child(j, home);
        int r = pid < 0 ? (int) pid : proc_wait(pidfd, &info);
        if (pid > 0)
                (void) close(pidfd);
        if (r < 0)
                return error_set(e, r, "cannot run gpg: %m");
        return info.si_code == CLD_EXITED ? info.si_status : 1;
}

static int is_word(const char *line, const char *word) {
        size_t n = strlen(word);

        return strncmp(line, word, n) == 0 && (line[n] == ' ' || line[n] == '\0');
}

int openpgp_status_check(const char *status, Error *e) {
        static const char *const bad[] = { "BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG" };
        static const char *const why[] = {
                "the signature is not of this text",
                "the signature has expired",
                "the key of the signature has expired",
                "the key of the signature was revoked",
        };
        _cleanup_strv_ char **lines = NULL;
        bool is_good = false, is_valid = false, is_unknown = false;

        if (str_split(status, "\n", &lines) < 0)
                return error_oom(e);
        STRV_FOREACH(l, lines) {
                const char *line = str_skip_prefix(*l, "[GNUPG:] ");
                if (!line)
                        continue;
                for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                        if (is_word(line, bad[i]))
                                return error_set(e, EKEYREJECTED, "%s", why[i]);
                is_good = is_good || is_word(line, "GOODSIG");
                is_valid = is_valid || is_word(line, "VALIDSIG");
                is_unknown = is_unknown || is_word(line, "NO_PUBKEY");
        }
        if (is_good && is_valid)
                return 0;
        return error_set(e, EKEYREJECTED, "%s",
                         is_unknown ? "the signature is by nobody whose key is in the keyring"
                                    : "there is no good signature");
}

static int read_back(int fd, size_t max, char **ret, size_t *ret_n, Error *e) {
        int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : fd_read_all(fd, max, ret, ret_n);

        return r < 0 ? error_set(e, r, "cannot read what gpg says: %m") : 0;
}

static int check(const Job *j, char *home, Error *e) {
        _cleanup_free_ char *status = NULL;
        int r;

        if (access("/usr/bin/gpg", X_OK) < 0)
                return error_set(e, ENOPKG,
                                 "'/usr/bin/gpg' is not there, which checking signatures needs");
        int code = run(j, home, e);
        if (code < 0)
                return code;
        if (code >= 254)
                return error_set(e, EIO, "gpg could not be run");
        r = read_back(j->status, STATUS_MAX, &status, NULL, e);
        return r < 0 ? r : openpgp_status_check(status, e);
}

int openpgp_verify(const char *text, size_t n_text, const char *signature, size_t n_signature,
                   char **ret, size_t *ret_n, Error *e) {
        _cleanup_(job_done)
                Job j = { .text = -EBADF, .signature = -EBADF, .status = -EBADF, .output = -EBADF };
        char own_home[] = "/tmp/skep-openpgp-XXXXXX", root_home[] = HOME;
        bool root = geteuid() == 0;
        int r = add_keyrings(&j, e);

        if (r < 0)
                return r;
        r = memory(text, n_text, &j.text);
        if (r >= 0 && signature)
                r = memory(signature, n_signature, &j.signature);
        if (r >= 0)
                r = memory("", 0, &j.status);
        if (r >= 0)
                r = memory("", 0, &j.output);
        if (r >= 0 && !root && !mkdtemp(own_home))
                r = -errno;
        if (r < 0)
                return error_set(e, r, "cannot prepare gpg: %m");

        r = check(&j, root ? root_home : own_home, e);
        if (!root)
                (void) path_remove_tree(AT_FDCWD, own_home);
        if (r >= 0)
                r = read_back(signature ? j.text : j.output, n_text, ret, ret_n, e);
        return r;
}
