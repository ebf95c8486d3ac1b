/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The unpacker's confinement, see confine.h. A second line: the first is that tree.c never asks for a
 * place outside. */
#include "importer/confine.h"

#include <fcntl.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/fd.h"

#define CAP_BIT(c) (1ull << (c))

/* Owners, modes, nodes, file capabilities. */
#define CAPS_WRITE                                                                                 \
        (CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) |                    \
         CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_SETFCAP))

/* Of a thread, where there is no limit that says. */
#define STACK_SIZE     ((rlim_t) 2 * 1024 * 1024)
#define STACK_SIZE_MAX ((rlim_t) 64 * 1024 * 1024)
/* Besides those that there are for processors: stages, and workers of parallel.c. */
#define THREADS_OWN 16

static int clone_mount(int fd, unsigned flags, Error *e) {
        int clone = (int) syscall(SYS_open_tree, fd, "",
                                  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | flags);

        return clone < 0 ? error_set(e, errno, "cannot make a mount of the directory: %m") : clone;
}

/* What is made there can neither be executed nor, if it is a device, be opened. */
static int set_harmless(int fd, Error *e) {
        struct mount_attr attr = {
                .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
        };

        if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
                return error_set(e, errno, "cannot make a mount harmless: %m");
        return 0;
}

static int set_read_only(int fd, Error *e) {
        struct mount_attr attr = {
                .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                            MOUNT_ATTR_NOEXEC,
        };

        if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) <
            0)
                return error_set(e, errno, "cannot make the host's mounts read-only: %m");
        return 0;
}

static int keep_open(int fd, int *ret, Error *e) {
        *ret = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return fd >= 0 && *ret < 0 ? error_set(e, errno, "cannot keep a directory open: %m") : 0;
}

/* The same for the directory that is read. Who calls the daemon opened it outside of the daemon's own mounts,
 * and the kernel clones none of other name spaces: then it stays as it is, and *ret_is_foreign. */
static int clone_source(int fd, int *ret, bool *ret_is_foreign, Error *e) {
        int source = clone_mount(fd, AT_RECURSIVE, e);

        *ret_is_foreign = source == -EINVAL;
        if (source == -EINVAL)
                return keep_open(fd, ret, e);
        if (source < 0)
                return source;
        *ret = source;
        return set_read_only(source, e);
}

/* Mounts of the directories that are in no name space, while all others become read-only. */
static int isolate(int source_fd, int target_fd, int *ret_source_fd, int *ret_target_fd,
                   bool *ret_is_foreign, Error *e) {
        _cleanup_fd_ int source = -EBADF, target = -EBADF, root = -EBADF;
        int r = 0;

        if (target_fd >= 0) {
                target = clone_mount(target_fd, 0, e);
                r = target < 0 ? target : set_harmless(target, e);
                if (r < 0)
                        return r;
        }
        if (source_fd >= 0)
                r = clone_source(source_fd, &source, ret_is_foreign, e);
        if (r < 0)
                return r;
        if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
                return error_set(e, errno, "cannot leave the host's name spaces: %m");
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return error_set(e, errno, "cannot make mounts private: %m");
        root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = root < 0 ? error_set(e, errno, "cannot open the root: %m") : set_read_only(root, e);
        if (r < 0)
                return r;

        *ret_source_fd = TAKE_FD(source);
        *ret_target_fd = TAKE_FD(target);
        return 0;
}

static int confine(int source_fd, int target_fd, uint64_t capabilities, int *ret_source_fd,
                   int *ret_target_fd, Error *e) {
        bool root = geteuid() == 0, is_foreign = false;
        _cleanup_fd_ int source = -EBADF, target = -EBADF;
        int r = confine_privileges(e);

        if (r < 0)
                return r;
        if (root)
                r = isolate(source_fd, target_fd, &source, &target, &is_foreign, e);
        else {
                r = keep_open(source_fd, &source, e);
                if (r >= 0)
                        r = keep_open(target_fd, &target, e);
        }
        if (r < 0)
                return r;

        r = confine_paths_reading(target, source, e);
        if (r < 0)
                return r;
        if (r == 0 && is_foreign)
                return error_set(e, EOPNOTSUPP,
                                 "the directory is of other mounts, so that Landlock is needed to "
                                 "keep it from being changed, and this kernel has none");
        if (r == 0 && !root)
                return error_set(e, EOPNOTSUPP,
                                 "without root, Landlock is needed to keep archives "
                                 "in their place, and this kernel has none");
        r = confine_capabilities(capabilities, e);
        if (r < 0)
                return r;

        *ret_source_fd = TAKE_FD(source);
        *ret_target_fd = TAKE_FD(target);
        return 0;
}

int confine_unpacker(int target_fd, int *ret_fd, Error *e) {
        int none;

        return confine(-EBADF, target_fd, CAPS_WRITE, &none, ret_fd, e);
}

int confine_copier(int source_fd, int target_fd, int *ret_source_fd, int *ret_target_fd, Error *e) {
        return confine(source_fd, target_fd, CAPS_WRITE, ret_source_fd, ret_target_fd, e);
}

int confine_packer(int source_fd, int *ret_source_fd, Error *e) {
        /* A service may be without the right to read alone; nothing can be written either way. */
        bool reads = prctl(PR_CAPBSET_READ, CAP_DAC_READ_SEARCH) == 1;
        int none;

        return confine(source_fd, -EBADF, CAP_BIT(reads ? CAP_DAC_READ_SEARCH : CAP_DAC_OVERRIDE),
                       ret_source_fd, &none, e);
}

int confine_converter(Error *e) {
        int none;

        return confine(-EBADF, -EBADF, 0, &none, &none, e);
}

int confine_memory(uint64_t bytes, Error *e) {
        struct rlimit stack = {}, data = {};
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        if (IS_SANITIZED)
                return 0;
        if (getrlimit(RLIMIT_STACK, &stack) < 0 || getrlimit(RLIMIT_DATA, &data) < 0)
                return error_set(e, errno, "cannot read a limit: %m");
        /* Whoever unpacks blocks has a thread for each processor. */
        rlim_t one = stack.rlim_cur == RLIM_INFINITY ? STACK_SIZE
                                                     : MIN(stack.rlim_cur, STACK_SIZE_MAX);
        rlim_t most = bytes + one * ((rlim_t) MAX(processors, 1L) + THREADS_OWN);
        if (data.rlim_cur <= most)
                return 0;
        data = (struct rlimit){ most, most };
        return setrlimit(RLIMIT_DATA, &data) < 0 ? error_set(e, errno, "cannot limit memory: %m")
                                                 : 0;
}

int confine_sync(int dir_fd, const char *place, Error *e) {
        _cleanup_fd_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || syncfs(fd) < 0)
                return error_set(e, errno, "cannot write it all to the disk of %s: %m", place);
        return 0;
}

/* The numbers of calls with 32 bits are others, and nobody tries these. */
#if __SIZEOF_LONG__ < 8
int confine_filter(Error *e) {
        return 0;
}

int confine_filter_files(Error *e) {
        return 0;
}
#else
/* The others are before those of trees. */
#define N_TREE_CALLS 26

static int filter(bool has_trees, Error *e) {
#define CALL(name)                                                                                 \
        { .number = SYS_##name }
        static const ConfineCall calls[] = {
                /* files that are open */
                CALL(read),
                CALL(pread64),
                CALL(readv),
                CALL(write),
                CALL(pwrite64),
                CALL(writev),
                CALL(lseek),
                CALL(close),
                CALL(fstat),
                CALL(newfstatat),
                CALL(statx),
                CALL(fstatfs),
                CALL(ftruncate),
                CALL(fallocate),
                CALL(fadvise64),
                CALL(copy_file_range),
                CALL(fsync),
                CALL(fdatasync),
                CALL(sync_file_range),
                { .number = SYS_ioctl, .argument = (uint32_t) FICLONE },
                { .number = SYS_ioctl, .argument = (uint32_t) FICLONERANGE },
                { .number = SYS_fcntl, .argument = F_GETFL },
                { .number = SYS_fcntl, .argument = F_SETFD },
                { .number = SYS_fcntl, .argument = F_GETFD },
                { .number = SYS_fcntl, .argument = F_DUPFD_CLOEXEC },
        /* waiting, memory, threads */
#ifdef SYS_poll
                CALL(poll),
#endif
                CALL(ppoll),
                CALL(futex),
                CALL(mmap),
                CALL(munmap),
                CALL(mremap),
                CALL(madvise),
                CALL(mprotect),
                CALL(brk),
                CALL(clone),
                CALL(set_robust_list),
                CALL(rseq),
                CALL(rt_sigprocmask),
                CALL(rt_sigaction),
                CALL(rt_sigreturn),
                CALL(sched_yield),
                CALL(sched_getaffinity),
                CALL(sched_setaffinity),
                CALL(gettid),
                CALL(getpid),
                CALL(geteuid),
                CALL(getegid),
                CALL(getuid),
                CALL(getgid),
                CALL(clock_gettime),
                CALL(clock_nanosleep),
                CALL(gettimeofday),
                CALL(getrandom),
                CALL(sysinfo),
                CALL(restart_syscall),
                CALL(exit),
                CALL(exit_group),
                /* trees, N_TREE_CALLS */
                CALL(openat),
                CALL(openat2),
                CALL(getdents64),
                CALL(readlinkat),
                CALL(faccessat),
                CALL(faccessat2),
                CALL(mkdirat),
                CALL(mknodat),
                CALL(linkat),
                CALL(symlinkat),
                CALL(unlinkat),
                CALL(renameat2),
                CALL(fchmod),
                CALL(fchmodat),
                CALL(fchown),
                CALL(fchownat),
                CALL(utimensat),
                CALL(fsetxattr),
                CALL(fgetxattr),
                CALL(flistxattr),
                CALL(fremovexattr),
                CALL(lsetxattr),
                CALL(lgetxattr),
                CALL(llistxattr),
                CALL(syncfs),
                CALL(umask),
        };
#undef CALL
        return confine_calls(calls, ELEMENTSOF(calls) - (has_trees ? 0 : N_TREE_CALLS), e);
}

int confine_filter(Error *e) {
        return filter(true, e);
}

int confine_filter_files(Error *e) {
        return filter(false, e);
}
#endif
