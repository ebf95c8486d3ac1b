/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a fetcher that has been taken over can no longer do, tried out from within. */
#include "check.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "importer/fetch-confine.h"

#if defined __SANITIZE_ADDRESS__
#define HAS_FILTER 0
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_FILTER 0
#endif
#endif
#ifndef HAS_FILTER
#define HAS_FILTER 1
#endif

static int listener, port; /* of the parent, on 127.0.0.1 */
static char secret[] = "/tmp/test-fetch-XXXXXX", socket_path[64];
static pid_t parent;

static int try_read_secret(void) {
        return open(secret, O_RDONLY | O_CLOEXEC);
}

static int try_read_anything(void) {
        return open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
}

static int try_list(void) {
        return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int try_write(void) {
        return open(secret, O_WRONLY | O_CLOEXEC);
}

static int try_create(void) {
        return open("/tmp/test-fetch-new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int try_remove(void) {
        return unlink(secret);
}

static int try_execute(void) {
        return execl("/bin/true", "true", NULL);
}

static int try_fork(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid;
}

static int connect_local(int type) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
        return fd < 0 ? -1 : connect(fd, (struct sockaddr *) &address, sizeof address);
}

static int try_local_socket(void) {
        return connect_local(SOCK_STREAM);
}

static int try_netlink(void) {
        return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int try_packets(void) {
        return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static int try_raw(void) {
        return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1);
}

static int try_listen(void) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr = { htonl(INADDR_LOOPBACK) } };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) < 0 ? -1
                                                                                    : listen(fd, 1);
}

static int try_kill(void) {
        return kill(parent, 0);
}

static int try_trace(void) {
        return (int) ptrace(PTRACE_SEIZE, parent, NULL, NULL);
}

static int try_name_space(void) {
        return unshare(CLONE_NEWUSER);
}

static int try_mount(void) {
        return mount("x", "/tmp", "tmpfs", 0, NULL);
}

static int try_become_root(void) {
        return setuid(0);
}

static int try_code(void) {
        void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                       -1, 0);

        return p == MAP_FAILED ? -1 : 0;
}

static int try_shadow(void) {
        return open("/etc/shadow", O_RDONLY | O_CLOEXEC);
}

static int try_kernel_log(void) {
        return open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static int try_survive(void) {
        return prctl(PR_SET_PDEATHSIG, 0);
}

static int try_session(void) {
        return setsid();
}

static int try_process(void) {
        return (int) syscall(SYS_pidfd_open, parent, 0);
}

static int try_memory(void) {
        char byte;
        struct iovec own = { &byte, 1 }, others = { secret, 1 };

        return (int) process_vm_readv(parent, &own, 1, &others, 1, 0);
}

static int try_ring(void) {
        char parameters[256] = "";

        return (int) syscall(SYS_io_uring_setup, 1, parameters);
}

static int try_mode(void) {
        return chmod(secret, 04777);
}

/* And these have to go on working. */

static int try_server(void) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_port = (in_port_t) port,
                                       .sin_addr = { htonl(INADDR_LOOPBACK) } };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        return fd < 0 ? -1 : connect(fd, (struct sockaddr *) &address, sizeof address);
}

static int try_hosts(void) {
        return open("/etc/hosts", O_RDONLY | O_CLOEXEC);
}

static int try_look_up(void) {
        struct addrinfo *list = NULL;
        int r = getaddrinfo("localhost", "80", NULL, &list);

        if (r == 0)
                freeaddrinfo(list);
        return r == 0 ? 0 : -1;
}

static void *nothing(void *p) {
        return p;
}

static int try_thread(void) {
        pthread_t t;

        return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0 ? 0 : -1;
}

static const struct {
        const char *name;
        int (*try)(void);
        bool allowed;
        bool by_filter, by_landlock; /* alone */
} attempts[] = {
        { "talk to a server", try_server, true, false, false },
        { "read /etc/hosts", try_hosts, true, false, false },
        { "look a name up", try_look_up, true, false, false },
        { "have threads", try_thread, true, false, false },
        { "read a secret", try_read_secret, false, false, false },
        { "read a program", try_read_anything, false, false, true },
        { "list the root", try_list, false, false, true },
        { "write", try_write, false, false, false },
        { "create", try_create, false, false, true },
        { "remove", try_remove, false, false, false },
        { "execute", try_execute, false, false, true },
        { "fork", try_fork, false, true, false },
        { "ask a local service", try_local_socket, false, true, false },
        { "use netlink", try_netlink, false, true, false },
        { "see packets", try_packets, false, false, false },
        { "make packets", try_raw, false, false, false },
        { "listen", try_listen, false, false, true },
        { "signal another process", try_kill, false, false, false },
        { "trace another process", try_trace, false, false, false },
        { "make a name space", try_name_space, false, true, false },
        { "mount", try_mount, false, false, false },
        { "become root", try_become_root, false, false, false },
        { "make code", try_code, false, true, false },
        { "read passwords", try_shadow, false, false, false },
        { "read the log of the kernel", try_kernel_log, false, false, false },
        { "survive its parent", try_survive, false, true, false },
        { "leave the session", try_session, false, true, false },
        { "get hold of a process", try_process, false, true, false },
        { "read the memory of another process", try_memory, false, false, false },
        { "have calls made for it", try_ring, false, true, false },
        { "change a mode", try_mode, false, false, false },
};

enum { COULD, COULD_NOT, NOT_CONFINED };

_noreturn_ static void run_attempt(size_t i) {
        Error e = {};

        if (confine_fetcher(&e) < 0) {
                print_error("%s\n", e.text);
                _exit(NOT_CONFINED);
        }
        _exit(attempts[i].try() >= 0 ? COULD : COULD_NOT);
}

static int set_up(void **state) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr = { htonl(INADDR_LOOPBACK) } };
        struct sockaddr_un local = { .sun_family = AF_UNIX };
        socklen_t n = sizeof address;
        int fd = mkstemp(secret), s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(socket_path, sizeof socket_path, "%s.s", secret);
        (void) snprintf(local.sun_path, sizeof local.sun_path, "%s", socket_path);
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        parent = getpid();
        if (fd < 0 || s < 0 || bind(s, (struct sockaddr *) &local, sizeof local) < 0 ||
            listen(s, 8) < 0 || chmod(socket_path, 0666) < 0 ||
            bind(listener, (struct sockaddr *) &address, sizeof address) < 0 ||
            listen(listener, 8) < 0 || getsockname(listener, (struct sockaddr *) &address, &n) < 0)
                return -1;
        port = address.sin_port;
        return 0;
}

static int tear_down(void **state) {
        (void) unlink(secret);
        (void) unlink(socket_path);
        return 0;
}

/* Each of them can be done by who is not confined, or the test would prove nothing. */
static void confined(void **state) {
        bool has_landlock = syscall(SYS_landlock_create_ruleset, NULL, 0,
                                    LANDLOCK_CREATE_RULESET_VERSION) >= 4;

        if (geteuid() != 0)
                skip();
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
                int status;

                if ((attempts[i].by_filter && !HAS_FILTER) ||
                    (attempts[i].by_landlock && !has_landlock))
                        continue;
                pid_t pid = fork();
                if (pid == 0)
                        run_attempt(i);
                assert_true(pid > 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFEXITED(status));
                CHECK_EQ(WEXITSTATUS(status), attempts[i].allowed ? COULD : COULD_NOT, "%s",
                         attempts[i].name);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(confined) };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
