/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a confined unpacker can no longer do, tried out. Needs root; without it the reduced confinement
 * is tried, where the kernel has Landlock. */
#include "check.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/fd.h"
#include "base/path.h"
#include "importer/confine.h"

typedef struct Place {
        char *base;
        int base_fd, target_fd, source_fd;
        int input_fd, disk_fd; /* files: what is read, and what is written */
} Place;

static int make_place(void **state) {
        Place *p = calloc(1, sizeof *p);
        char name[] = "/tmp/test-confine-XXXXXX";

        if (!p || !mkdtemp(name))
                return -1;
        p->base = strdup(name);
        p->base_fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (mkdirat(p->base_fd, "target", 0700) < 0 || mkdirat(p->base_fd, "outside", 0700) < 0 ||
            file_write(p->base_fd, "outside/file", "x", O_CREAT, 0600) < 0)
                return -1;
        p->target_fd = openat(p->base_fd, "target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (mkdirat(p->base_fd, "source", 0700) < 0 ||
            file_write(p->base_fd, "source/file", "x", O_CREAT, 0600) < 0 ||
            file_write(p->base_fd, "other", "x", O_CREAT, 0600) < 0)
                return -1;
        p->source_fd = openat(p->base_fd, "source", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        p->input_fd = openat(p->source_fd, "file", O_RDONLY | O_CLOEXEC);
        p->disk_fd = openat(p->target_fd, "disk", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (mknodat(p->target_fd, "zero", S_IFCHR | 0666, 0x105) < 0 && geteuid() == 0)
                return -1;
        *state = p;
        return 0;
}

static int remove_place(void **state) {
        Place *p = *state;

        (void) close(p->input_fd);
        (void) close(p->disk_fd);
        (void) close(p->source_fd);
        (void) close(p->target_fd);
        (void) close(p->base_fd);
        (void) path_remove_tree(AT_FDCWD, p->base);
        free(p->base);
        free(p);
        return 0;
}

/* All of these return 0 or more if they could do it. What is outside they name by path. */

static const char *outside(const Place *p, const char *name) {
        static char path[200];

        (void) snprintf(path, sizeof path, "%s/outside/%s", p->base, name);
        return path;
}

static int try_create(const Place *p, int fd) {
        return open(outside(p, "new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int try_write(const Place *p, int fd) {
        return open(outside(p, "file"), O_WRONLY | O_CLOEXEC);
}

static int try_read(const Place *p, int fd) {
        return open(outside(p, "file"), O_RDONLY | O_CLOEXEC);
}

static int try_list(const Place *p, int fd) {
        return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int try_mode(const Place *p, int fd) {
        return chmod(outside(p, "file"), 0777);
}

static int try_owner(const Place *p, int fd) {
        return chown(outside(p, "file"), 1, 1);
}

static int try_remove(const Place *p, int fd) {
        return unlink(outside(p, "file"));
}

static int try_up(const Place *p, int fd) {
        return openat(fd, "../outside/file", O_RDONLY | O_CLOEXEC);
}

static int try_mode_up(const Place *p, int fd) {
        return fchmodat(fd, "../outside/file", 0777, 0);
}

static int try_link_in(const Place *p, int fd) {
        return linkat(AT_FDCWD, outside(p, "file"), fd, "stolen", 0);
}

static int try_mount(const Place *p, int fd) {
        return mount("x", p->base, "tmpfs", 0, NULL);
}

static int try_device(const Place *p, int fd) {
        return mknod(outside(p, "null"), S_IFCHR | 0666, 0x103);
}

static int try_execute(const Place *p, int fd) {
        return access("/bin/true", F_OK) < 0 ? -1 : execl("/bin/true", "true", NULL);
}

/* And these have to go on working. */

static int try_unpack(const Place *p, int fd) {
        _cleanup_fd_ int file = openat(fd, "new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (file < 0 || write(file, "x", 1) != 1 || fchmod(file, 0644) < 0 ||
            mkdirat(fd, "d", 0700) < 0 || linkat(fd, "new", fd, "d/link", 0) < 0 ||
            symlinkat("x", fd, "s") < 0 || unlinkat(fd, "s", 0) < 0)
                return -1;
        return geteuid() == 0 ? fchown(file, 1000, 1000) : 0;
}

static int try_node(const Place *p, int fd) {
        return geteuid() == 0 ? mknodat(fd, "null", S_IFCHR | 0666, 0x103) : 0;
}

static int try_list_target(const Place *p, int fd) {
        return openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static const struct {
        const char *name;
        int (*try)(const Place *p, int fd);
        bool allowed;
        bool by_landlock; /* alone: without it, reading is not kept from */
} attempts[] = {
        { "unpack", try_unpack, true, false },
        { "list the target", try_list_target, true, false },
        { "make a node", try_node, true, false },
        { "create", try_create, false, false },
        { "write", try_write, false, false },
        { "change a mode", try_mode, false, false },
        { "change an owner", try_owner, false, false },
        { "remove", try_remove, false, false },
        { "make a device", try_device, false, false },
        { "mount", try_mount, false, false },
        { "link in", try_link_in, false, false },
        { "read", try_read, false, true },
        { "list", try_list, false, true },
        { "go up", try_up, false, false },
        { "change a mode above", try_mode_up, false, false },
        { "execute", try_execute, false, true },
};

/* What the filter keeps away, whatever capabilities and mounts there are. */

static int try_socket(const Place *p, int fd) {
        return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int try_local_socket(const Place *p, int fd) {
        int pair[2];

        return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int try_name_space(const Place *p, int fd) {
        return unshare(CLONE_NEWUSER);
}

static int try_fork(const Place *p, int fd) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid;
}

static int try_signal(const Place *p, int fd) {
        return kill(getppid(), 0);
}

static int try_trace(const Place *p, int fd) {
        return (int) ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static int try_read_memory(const Place *p, int fd) {
        char byte;
        struct iovec own = { &byte, 1 }, others = { (void *) p, 1 };

        return (int) process_vm_readv(getppid(), &own, 1, &others, 1, 0);
}

static int try_code(const Place *p, int fd) {
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0) == MAP_FAILED
                       ? -1
                       : 0;
}

static int try_handle(const Place *p, int fd) {
        struct {
                struct file_handle head;
                char bytes[128];
        } handle = { .head = { .handle_bytes = 128 } };
        int mount;

        return name_to_handle_at(fd, "", &handle.head, &mount, AT_EMPTY_PATH);
}

static int try_terminal(const Place *p, int fd) {
        char c = 'x';

        return ioctl(STDIN_FILENO, TIOCSTI, &c) < 0 && errno == EPERM ? -1 : 0;
}

static int try_limits(const Place *p, int fd) {
        return setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 100, 100 });
}

static int try_change_root(const Place *p, int fd) {
        return chroot("/");
}

static void *nothing(void *context) {
        return context;
}

static int try_thread(const Place *p, int fd) {
        pthread_t thread;

        return pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0
                       ? 0
                       : -1;
}

static int try_secret(const Place *p, int fd) {
        return open("/etc/shadow", O_RDONLY | O_CLOEXEC);
}

static int try_kernel_log(const Place *p, int fd) {
        return open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static int try_memory_device(const Place *p, int fd) {
        return openat(fd, "zero", O_RDWR | O_CLOEXEC);
}

static int try_kill_all(const Place *p, int fd) {
        return kill(-1, 0);
}

static int try_signal_by_fd(const Place *p, int fd) {
        return (int) syscall(SYS_pidfd_open, getppid(), 0);
}

/* Who has no death signal runs on when the worker is dead. */
static int try_survive(const Place *p, int fd) {
        return prctl(PR_SET_PDEATHSIG, 0);
}

static int try_new_session(const Place *p, int fd) {
        return setsid();
}

static int try_become(const Place *p, int fd) {
        return setresuid(1, 1, 1);
}

static int try_capabilities(const Place *p, int fd) {
        return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
}

static int try_new_mounts(const Place *p, int fd) {
        return unshare(CLONE_NEWNS);
}

static int try_ring(const Place *p, int fd) {
        char parameters[256] = "";

        return (int) syscall(SYS_io_uring_setup, 1, parameters);
}

static int try_program(const Place *p, int fd) {
        return (int) syscall(SYS_bpf, 5, NULL, 0) < 0 && errno != EPERM ? 0 : -1;
}

static int try_keys(const Place *p, int fd) {
        return (int) syscall(SYS_keyctl, 0, -3, 1);
}

/* And what the others may do: the copier also reads, the packer reads alone, the converter has two files. */

static int try_read_disk(const Place *p, int fd) {
        char byte;

        return pread(p->input_fd, &byte, 1, 0) == 1 ? 0 : -1;
}

static int try_write_disk(const Place *p, int fd) {
        return ftruncate(p->disk_fd, 1 << 20) < 0 || pwrite(p->disk_fd, "x", 1, 1000) != 1 ||
                               fallocate(p->disk_fd, FALLOC_FL_KEEP_SIZE, 0, 4096) < 0
                       ? -1
                       : 0;
}

static int try_write_input(const Place *p, int fd) {
        return (int) pwrite(p->input_fd, "x", 1, 0);
}

/* A descriptor that can be read may be opened anew to be written to. */
static int try_reopen_input(const Place *p, int fd) {
        char path[FD_PATH_MAX];

        return open(fd_path(p->input_fd, path), O_WRONLY | O_CLOEXEC);
}

static int try_owner_of_disk(const Place *p, int fd) {
        return fchown(p->disk_fd, 1, 1);
}

/* Executed by everybody as root, for instance. */
static int try_mode_of_disk(const Place *p, int fd) {
        return fchmod(p->disk_fd, 04755);
}

static int try_mode_of_input(const Place *p, int fd) {
        return fchmod(p->input_fd, 04755);
}

static int try_mark_disk(const Place *p, int fd) {
        int flags = 0x10; /* immutable */

        return ioctl(p->disk_fd, FS_IOC_SETFLAGS, &flags);
}

static int try_read_source(const Place *p, int fd) {
        return openat(p->source_fd, "file", O_RDONLY | O_CLOEXEC);
}

static int try_write_source(const Place *p, int fd) {
        return openat(p->source_fd, "file", O_WRONLY | O_CLOEXEC);
}

static int try_create_in_source(const Place *p, int fd) {
        return openat(p->source_fd, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int try_change_source(const Place *p, int fd) {
        return fchmodat(p->source_fd, "file", 0777, 0);
}

static int try_above_source(const Place *p, int fd) {
        return openat(p->source_fd, "../other", O_RDONLY | O_CLOEXEC);
}

/* Exit statuses of the child. */
enum { COULD, COULD_NOT, NOT_CONFINED };

typedef enum Role {
        UNPACKER = 1 << 0,
        COPIER = 1 << 1,
        PACKER = 1 << 2,
        CONVERTER = 1 << 3,
        ALL = 15,
} Role;

static const struct {
        const char *name;
        int (*try)(const Place *p, int fd);
        Role who;
        bool allowed;
} filtered[] = {
        { "unpack", try_unpack, UNPACKER | COPIER, true },
        { "unpack", try_unpack, PACKER | CONVERTER, false },
        { "read the disk", try_read_disk, CONVERTER, true },
        { "write the disk", try_write_disk, CONVERTER, true },
        { "write to what it reads", try_write_input, ALL, false },
        { "open what it reads anew", try_reopen_input, ALL, false },
        { "give the disk away", try_owner_of_disk, CONVERTER, false },
        { "change the mode of the disk", try_mode_of_disk, CONVERTER, false },
        { "change the mode of what it reads", try_mode_of_input, CONVERTER, false },
        { "mark the disk", try_mark_disk, CONVERTER, false },
        { "thread", try_thread, ALL, true },
        { "read the source", try_read_source, COPIER | PACKER, true },
        { "read the source", try_read_source, CONVERTER, false },
        { "write to the source", try_write_source, COPIER | PACKER | CONVERTER, false },
        { "create in the source", try_create_in_source, COPIER | PACKER | CONVERTER, false },
        { "change the source", try_change_source, COPIER | PACKER | CONVERTER, false },
        { "above the source", try_above_source, COPIER | PACKER | CONVERTER, false },
        { "create", try_create, ALL, false },
        { "read", try_read, ALL, false },
        { "execute", try_execute, ALL, false },
        { "mount", try_mount, ALL, false },
        { "socket", try_socket, ALL, false },
        { "local socket", try_local_socket, ALL, false },
        { "name space", try_name_space, ALL, false },
        { "fork", try_fork, ALL, false },
        { "signal", try_signal, ALL, false },
        { "trace", try_trace, ALL, false },
        { "read memory", try_read_memory, ALL, false },
        { "code", try_code, ALL, false },
        { "handle", try_handle, ALL, false },
        { "terminal", try_terminal, ALL, false },
        { "limits", try_limits, ALL, false },
        { "change the root", try_change_root, ALL, false },
        { "read a secret", try_secret, ALL, false },
        { "read the log of the kernel", try_kernel_log, ALL, false },
        { "use a device it has made", try_memory_device, UNPACKER | COPIER, false },
        { "signal everybody", try_kill_all, ALL, false },
        { "get hold of a process", try_signal_by_fd, ALL, false },
        { "survive its parent", try_survive, ALL, false },
        { "leave the session", try_new_session, ALL, false },
        { "become somebody else", try_become, ALL, false },
        { "raise a capability", try_capabilities, ALL, false },
        { "have mounts of its own", try_new_mounts, ALL, false },
        { "have calls made for it", try_ring, ALL, false },
        { "load a program into the kernel", try_program, ALL, false },
        { "use keys", try_keys, ALL, false },
};

_noreturn_ static void run_filtered(Place p, size_t i, Role role) {
        int source_fd = p.source_fd, fd = -EBADF, r;

        (void) umask(0);
        r = role == UNPACKER ? confine_unpacker(p.target_fd, &fd, NULL)
            : role == COPIER ? confine_copier(source_fd, p.target_fd, &p.source_fd, &fd, NULL)
            : role == PACKER ? confine_packer(source_fd, &p.source_fd, NULL)
                             : confine_converter(NULL);
        if (role == PACKER || role == CONVERTER)
                fd = p.target_fd;
        if (r >= 0)
                r = role == CONVERTER ? confine_filter_files(NULL) : confine_filter(NULL);
        _exit(r < 0 ? NOT_CONFINED : filtered[i].try(&p, fd) >= 0 ? COULD : COULD_NOT);
}

/* Whether there is a filter in this build. */
static bool has_filter(void) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
                _exit(confine_privileges(NULL) >= 0 && confine_filter(NULL) > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WEXITSTATUS(status);
}

static bool has_landlock(void) {
        return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 2;
}

/* Each role tries each thing, confined as it is when it handles foreign bytes. */
static void misbehaving(void **state) {
        const Place *p = *state;

        if (geteuid() != 0 || !has_landlock() || !has_filter())
                skip();
        for (size_t i = 0; i < ELEMENTSOF(filtered); i++)
                for (Role role = UNPACKER; role <= CONVERTER; role <<= 1) {
                        int status;

                        if (!(filtered[i].who & role))
                                continue;
                        (void) unlinkat(p->target_fd, "d/link", 0);
                        (void) unlinkat(p->target_fd, "d", AT_REMOVEDIR);
                        (void) unlinkat(p->target_fd, "new", 0);
                        pid_t pid = fork();
                        if (pid == 0)
                                run_filtered(*p, i, role);
                        assert_true(pid > 0);
                        assert_int_equal(waitpid(pid, &status, 0), pid);
                        assert_true(WIFEXITED(status));
                        CHECK_EQ(WEXITSTATUS(status), filtered[i].allowed ? COULD : COULD_NOT,
                                 "%s (role %d)", filtered[i].name, role);
                }
}

_noreturn_ static void run_attempt(const Place *p, size_t i) {
        _cleanup_fd_ int fd = -EBADF;
        Error e = {};

        (void) umask(0);
        if (confine_unpacker(p->target_fd, &fd, &e) < 0) {
                print_error("%s\n", e.text);
                _exit(NOT_CONFINED);
        }
        _exit(attempts[i].try(p, fd) >= 0 ? COULD : COULD_NOT);
}

static void confined(void **state) {
        const Place *p = *state;

        if (geteuid() != 0 && !has_landlock())
                skip();
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
                int status;
                pid_t pid;

                if (attempts[i].by_landlock && !has_landlock())
                        continue;
                /* Landlock does not look at modes; as root, the mounts do. */
                if (geteuid() != 0 &&
                    (attempts[i].try == try_mode || attempts[i].try == try_mode_up))
                        continue;
                pid = fork();
                if (pid == 0)
                        run_attempt(p, i);
                assert_true(pid > 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFEXITED(status));
                CHECK_EQ(WEXITSTATUS(status), attempts[i].allowed ? COULD : COULD_NOT, "%s",
                         attempts[i].name);
        }
}

/* In name spaces of its own, with nothing but a loopback that is down. */
static void no_network(void **state) {
        const Place *p = *state;
        int status;
        pid_t pid;

        if (geteuid() != 0)
                skip();
        pid = fork();
        if (pid == 0) {
                _cleanup_fd_ int fd = -EBADF;
                struct if_nameindex *list;
                unsigned n = 0;

                if (confine_unpacker(p->target_fd, &fd, NULL) < 0)
                        _exit(NOT_CONFINED);
                list = if_nameindex();
                while (list && list[n].if_index)
                        n++;
                _exit(n <= 1 ? COULD_NOT : COULD);
        }
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), COULD_NOT, "interfaces");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(confined, make_place, remove_place),
                cmocka_unit_test_setup_teardown(misbehaving, make_place, remove_place),
                cmocka_unit_test_setup_teardown(no_network, make_place, remove_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
