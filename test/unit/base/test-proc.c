/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cgroup.h"
#include "base/handshake.h"

static void pidfds(void **state) {
        struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
        int pidfd = -EBADF;
        siginfo_t info;

        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid == 0) {
                (void) pause();
                _exit(1);
        }
        assert_true(pid > 0);

        pid_t found = 0;
        CHECK_EQ(proc_pidfd_pid(pidfd, &found), 0, "pid");
        CHECK_EQ(found, pid, "pid");
        CHECK_EQ(proc_pidfd_is_alive(pidfd), true, "alive");
        pid_t parent = 0;
        CHECK_EQ(proc_parent(pid, &parent), 0, "parent");
        CHECK_EQ(parent, getpid(), "parent");
        CHECK_EQ(proc_pidfd_signal(pidfd, SIGKILL), 0, "signal");
        CHECK_EQ(proc_wait(pidfd, &info), 0, "wait");
        CHECK_EQ(info.si_status, SIGKILL, "status");
        CHECK_EQ(proc_pidfd_pid(pidfd, &found), -ESRCH, "gone");
        CHECK_EQ(proc_pidfd_is_alive(pidfd), false, "dead");
        (void) close(pidfd);
}

/* In a child whose clone3() fails as if the kernel had none. Return: 0 or what went wrong. */
static int clone_without_clone3(void) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = { .len = ELEMENTSOF(filter), .filter = filter };
        struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
        int pidfd = -EBADF;
        siginfo_t info;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
                return 1;

        args.pidfd = (uint64_t) (uintptr_t) &pidfd;
        pid_t pid = proc_clone3(&args);
        if (pid == 0)
                _exit(7);
        if (pid < 0 || pidfd < 0 || proc_wait(pidfd, &info) < 0)
                return 2;
        if (info.si_pid != pid || info.si_status != 7)
                return 3;

        /* What only clone3() can do is not done in another way. */
        args.flags |= CLONE_INTO_CGROUP;
        return proc_clone3(&args) == -ENOSYS ? 0 : 4;
}

/* One that shares our descriptors takes none of them from us when it closes all but a few. */
static void descriptors_are_parted(void **state) {
        struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
        int fds[40], status = 0;

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                assert_return_code(fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC), errno);
        const int keep[] = { fds[30], -EBADF, fds[3] };
        pid_t pid = proc_clone3(&args);
        if (pid == 0) {
                int r = fd_unshare_except(keep, ELEMENTSOF(keep)), n = 0;

                for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                        n += fcntl(fds[i], F_GETFD) >= 0;
                _exit(r < 0                                                       ? 100
                      : fcntl(fds[3], F_GETFD) < 0 || fcntl(fds[30], F_GETFD) < 0 ? 101
                                                                                  : n);
        }
        assert_true(pid > 0);
        CHECK_EQ(waitpid(pid, &status, 0), pid, "wait");
        CHECK_EQ(WEXITSTATUS(status), 2, "what it has kept");
        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                CHECK_EQ(fcntl(fds[i], F_GETFD) >= 0, true, "ours, %zu", i);
                (void) close(fds[i]);
        }
}

static void hidden_clone3(void **state) {
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                _exit(clone_without_clone3());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0, "child");
}

static void caught(int signal) {
}

static void taken_signals(void **state) {
        sigset_t set;

        CHECK_EQ(proc_takes_signal(getpid(), SIGRTMIN + 3), 0, "default");
        (void) signal(SIGRTMIN + 3, caught);
        CHECK_EQ(proc_takes_signal(getpid(), SIGRTMIN + 3), 1, "caught");
        CHECK_EQ(proc_takes_signal(getpid(), SIGRTMIN + 4), 0, "another");
        (void) signal(SIGRTMIN + 3, SIG_IGN);
        CHECK_EQ(proc_takes_signal(getpid(), SIGRTMIN + 3), 0, "ignored");
        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGTERM);
        assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        CHECK_EQ(proc_takes_signal(getpid(), SIGTERM), 1, "blocked");
        assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
}

static void id_maps(void **state) {
        _cleanup_(idmap_done) IdMap m = {};
        uint32_t v = 0;

        assert_int_equal(idmap_parse("         0     524288      65536\n    65536   2000000   10\n",
                                     &m),
                         0);
        CHECK_EQ(m.n, 2, "ranges");
        CHECK_EQ(idmap_to_outside(&m, 1000, &v), 0, "inside");
        CHECK_EQ(v, 525288, "outside");
        CHECK_EQ(idmap_to_inside(&m, 2000009, &v), 0, "second range");
        CHECK_EQ(v, 65545, "second range");
        CHECK_EQ(idmap_to_inside(&m, 2000010, &v), -ENXIO, "past the end");
        CHECK_EQ(idmap_is_identity(&m), false, "shifted");

        IdMap bad = {};
        CHECK_EQ(idmap_parse("0 0", &bad), -EINVAL, "two fields");
        CHECK_EQ(idmap_parse("0 0 x", &bad), -EINVAL, "no number");
}

static void units_of_cgroups(void **state) {
        static const struct {
                const char *path, *unit, *rest;
        } cases[] = {
                { "/machine.slice/skep@a.service/payload", "skep@a.service", "/payload" },
                { "/machine.slice/machine-a\\x2db.scope", "machine-a\\x2db.scope", "" },
                { "/system.slice/_cgroup.service", "cgroup.service", "" },
                { "/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope",
                  "user@1000.service", "/app.slice/x.scope" },
                { "/init.scope", "init.scope", "" },
                { "/", NULL, NULL },
                { "/a/b", NULL, NULL },
                { "/.service", NULL, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *unit = NULL, *rest = NULL;
                int r = cgroup_unit_of_path(cases[i].path, &unit, &rest);
                CHECK_EQ(r, cases[i].unit ? 0 : -ENXIO, "row %zu '%s'", i, cases[i].path);
                CHECK_STR(unit, cases[i].unit, "row %zu", i);
                CHECK_STR(rest, cases[i].rest, "row %zu", i);
        }

        _cleanup_free_ char *own = NULL;
        CHECK_EQ(cgroup_parse_self("12:cpu:/x\n0::/a/b\n", &own), 0, "among version 1 lines");
        CHECK_STR(own, "/a/b", "path");
        char *none = NULL;
        CHECK_EQ(cgroup_parse_self("1:cpu:/x\n", &none), -ENODATA, "no version 2 line");
}

static void handshake_carries_everything(void **state) {
        int pair[2], fd = -EBADF;
        Error sent = {}, got = {};
        uint64_t value = 0;

        assert_int_equal(handshake_pair(pair), 0);
        assert_int_equal(handshake_send_phase(pair[0], 3), 0);
        assert_int_equal(handshake_send_id(pair[0], 1, 524288), 0);
        assert_int_equal(handshake_send_fd(pair[0], 2, pair[0]), 0);
        (void) error_set(&sent, EPERM, "cannot mount");
        assert_int_equal(handshake_send_error(pair[0], &sent), 0);

        CHECK_EQ(handshake_expect(pair[1], HANDSHAKE_PHASE, 3, NULL, NULL, &got), 0, "phase");
        CHECK_EQ(handshake_expect(pair[1], HANDSHAKE_ID, 1, NULL, &value, &got), 0, "id");
        CHECK_EQ(value, 524288, "id");
        CHECK_EQ(handshake_expect(pair[1], HANDSHAKE_FD, 2, &fd, NULL, &got), 0, "fd");
        CHECK_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "fd is close-on-exec");
        CHECK_EQ(handshake_expect(pair[1], HANDSHAKE_PHASE, 4, NULL, NULL, &got), -EPERM, "error");
        CHECK_STR(got.text, "cannot mount", "error text");

        (void) close(fd);
        (void) close(pair[0]);
        CHECK_EQ(handshake_expect(pair[1], HANDSHAKE_PHASE, 4, NULL, NULL, &got), -EPIPE,
                 "the peer died");
        (void) close(pair[1]);
}

static void handshake_refuses_nonsense(void **state) {
        static const char junk[] = "junk that is no packet";
        HandshakeMessage m;
        int pair[2];

        assert_int_equal(handshake_pair(pair), 0);
        assert_int_equal(write(pair[0], junk, sizeof junk), sizeof junk);
        CHECK_EQ(handshake_receive(pair[1], &m), -EPROTO, "junk");
        assert_int_equal(handshake_send_phase(pair[0], 1), 0);
        CHECK_EQ(handshake_expect(pair[1], HANDSHAKE_PHASE, 2, NULL, NULL, NULL), -EPROTO,
                 "wrong phase");
        (void) close(pair[0]);
        (void) close(pair[1]);
}

/* It did not listen to us, which the kernel tells first. */
static void handshake_hears_last_words(void **state) {
        HandshakeMessage m;
        Error said = { .code = -EIO, .text = "because" };
        int pair[2];

        (void) state;
        assert_int_equal(handshake_pair(pair), 0);
        assert_int_equal(handshake_send_phase(pair[0], 1), 0);
        assert_int_equal(handshake_send_error(pair[1], &said), 0);
        (void) close(pair[1]);
        assert_int_equal(handshake_receive(pair[0], &m), 1);
        assert_int_equal(m.type, HANDSHAKE_ERROR);
        assert_string_equal(m.error.text, "because");
        assert_int_equal(handshake_receive(pair[0], &m), 0);
        (void) close(pair[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(pidfds),
                cmocka_unit_test(descriptors_are_parted),
                cmocka_unit_test(hidden_clone3),
                cmocka_unit_test(taken_signals),
                cmocka_unit_test(id_maps),
                cmocka_unit_test(units_of_cgroups),
                cmocka_unit_test(handshake_carries_everything),
                cmocka_unit_test(handshake_hears_last_words),
                cmocka_unit_test(handshake_refuses_nonsense),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
