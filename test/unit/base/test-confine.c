/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process can no longer do once it has given it up, tried out in children. */
#include "base/confine.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SKIPPED 77 /* neither this kernel nor this build has it */

/* Runs @child in a process of its own. Return: its exit status; -1 it was killed. */
static int status_of(int (*child)(void)) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(child());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool failed_with(long r, int error) {
        return r < 0 && errno == error;
}

static int try_calls(void) {
        static const ConfineCall calls[] = {
                { SYS_getppid, 0 },
                { SYS_ioctl, (uint32_t) FIONREAD },
        };
        int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), n, r;
        void *p;

        if (confine_privileges(NULL) < 0)
                return 1;
        r = confine_calls(calls, ELEMENTSOF(calls), NULL);
        if (r <= 0)
                return r < 0 ? 1 : SKIPPED;
        if (syscall(SYS_getppid) < 0)
                return 2;
        if (!failed_with(syscall(SYS_getpid), EPERM) ||
            !failed_with(socket(AF_UNIX, SOCK_STREAM, 0), EPERM) ||
            !failed_with(open("/dev/null", O_RDONLY), EPERM))
                return 3;
        /* Allowed, and fails in the kernel; not allowed; a neighbour in the number. */
        if (failed_with(ioctl(zero, FIONREAD, &n), EPERM) ||
            !failed_with(ioctl(zero, TIOCSTI, "x"), EPERM) ||
            !failed_with(ioctl(zero, FIONREAD + 1, &n), EPERM))
                return 4;
        p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || !failed_with(mprotect(p, 4096, PROT_READ | PROT_EXEC), EPERM) ||
            mprotect(p, 4096, PROT_READ) < 0)
                return 5;
        if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
            MAP_FAILED)
                return 6;
        return 0;
}

static void test_calls(void **state) {
        int status = status_of(try_calls);

        if (status == SKIPPED)
                skip();
        CHECK_EQ(status, 0, "step");
}

static int try_paths(void) {
        int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC), r;
        char c;

        if (fd < 0 || confine_privileges(NULL) < 0)
                return 1;
        r = confine_paths(-EBADF, NULL);
        if (r <= 0)
                return r < 0 ? 1 : SKIPPED;
        /* What is open stays, nothing else can be. */
        if (read(fd, &c, 1) != 1)
                return 2;
        if (!failed_with(open("/etc/passwd", O_RDONLY), EACCES) ||
            !failed_with(open("/tmp", O_RDONLY | O_DIRECTORY), EACCES) ||
            !failed_with(open("/tmp/test-confine", O_WRONLY | O_CREAT, 0600), EACCES) ||
            !failed_with(mkdir("/tmp/test-confine", 0700), EACCES) ||
            !failed_with(execl("/bin/true", "true", NULL), EACCES))
                return 3;
        return 0;
}

static void test_paths(void **state) {
        int status = status_of(try_paths);

        if (status == SKIPPED)
                skip();
        CHECK_EQ(status, 0, "step");
}

static int try_capabilities(void) {
        if (confine_privileges(NULL) < 0 || confine_capabilities(0, NULL) < 0)
                return 1;
        return failed_with(chroot("/"), EPERM) && failed_with(setgid(12345), EPERM) ? 0 : 2;
}

static void test_capabilities(void **state) {
        if (geteuid() != 0)
                skip();
        CHECK_EQ(status_of(try_capabilities), 0, "step");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_capabilities),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
