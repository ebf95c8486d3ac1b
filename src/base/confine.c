/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving up rights, see confine.h. What whom is left with, its program decides. */
#include "base/confine.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* Newer than the headers of Debian 12. */
#define ACCESS_FS_TRUNCATE (1ull << 14)
#define ACCESS_FS_IOCTL    (1ull << 15)

#define ACCESS_NET_BIND (1ull << 0)
#define SCOPE_ALL       3ull

/* As Linux 6.12 has it. */
typedef struct Ruleset {
        uint64_t handled_access_fs, handled_access_net, scoped;
} Ruleset;

#define CAP_BIT(c) (1ull << (c))

int confine_privileges(Error *e) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return error_set(e, errno, "cannot forbid new privileges: %m");
        return 0;
}

int confine_capabilities(uint64_t keep, Error *e) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = {};

        for (int cap = 0; cap < 64; cap++)
                if (!(keep & CAP_BIT(cap)) && prctl(PR_CAPBSET_DROP, cap) < 0) {
                        /* Behind the last one that this kernel knows; or not ours to drop, and then
                         * "no new privileges" keeps it away. */
                        if (errno == EINVAL || geteuid() != 0)
                                break;
                        return error_set(e, errno, "cannot drop capability %d: %m", cap);
                }

        if (syscall(SYS_capget, &header, data) < 0)
                return error_set(e, errno, "cannot read capabilities: %m");
        for (int i = 0; i < 2; i++) {
                uint32_t part = (uint32_t) (keep >> (32 * i));
                data[i].permitted &= part;
                data[i].effective = data[i].permitted;
                data[i].inheritable = 0;
        }
        (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if (syscall(SYS_capset, &header, data) < 0)
                return error_set(e, errno, "cannot drop capabilities: %m");
        return 0;
}

static int landlock_version(void) {
        return (int) syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* A path that can be read, and if it is wished, executed. */
static int add_readable(int ruleset_fd, const char *path, bool runs, Error *e) {
        _cleanup_fd_ int fd = open(path, O_PATH | O_CLOEXEC);
        struct landlock_path_beneath_attr beneath = { .parent_fd = fd };
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return 0;
        beneath.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
                                 (runs ? LANDLOCK_ACCESS_FS_EXECUTE : 0) |
                                 (S_ISDIR(st.st_mode) ? LANDLOCK_ACCESS_FS_READ_DIR : 0);
        if (syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
                return error_set(e, errno, "cannot add a Landlock rule: %m");
        return 0;
}

static int allow_beneath(int ruleset_fd, int dir_fd, uint64_t access, Error *e) {
        struct landlock_path_beneath_attr beneath = {
                .allowed_access = access,
                .parent_fd = dir_fd,
        };

        if (dir_fd >= 0 &&
            syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
                return error_set(e, errno, "cannot add a Landlock rule: %m");
        return 0;
}

static int restrict_files(const char *const *paths, size_t n, bool runs, int dir_fd, Error *e) {
        Ruleset rules = {
                .handled_access_fs = LANDLOCK_ACCESS_FS_REFER | (LANDLOCK_ACCESS_FS_REFER - 1),
        };
        size_t size = sizeof rules.handled_access_fs;
        int version = landlock_version(), r = 0;

        if (version < 2)
                return 0;
        if (version >= 3)
                rules.handled_access_fs |= ACCESS_FS_TRUNCATE;
        if (version >= 4) {
                rules.handled_access_net = ACCESS_NET_BIND;
                size = offsetof(Ruleset, scoped);
        }
        if (version >= 5)
                rules.handled_access_fs |= ACCESS_FS_IOCTL;
        if (version >= 6) {
                rules.scoped = SCOPE_ALL;
                size = sizeof rules;
        }
        _cleanup_fd_ int fd = (int) syscall(SYS_landlock_create_ruleset, &rules, size, 0);
        if (fd < 0)
                return error_set(e, errno, "cannot make a Landlock rule set: %m");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = add_readable(fd, paths[i], runs, e);
        if (r >= 0)
                r = allow_beneath(fd, dir_fd,
                                  rules.handled_access_fs & ~(uint64_t) LANDLOCK_ACCESS_FS_EXECUTE,
                                  e);
        if (r >= 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
                return error_set(e, errno, "cannot apply Landlock: %m");
        return r < 0 ? r : 1;
}

int confine_reading(const char *const *paths, size_t n, Error *e) {
        return restrict_files(paths, n, false, -EBADF, e);
}

int confine_running(const char *const *paths, size_t n, int dir_fd, Error *e) {
        return restrict_files(paths, n, true, dir_fd, e);
}

int confine_paths(int dir_fd, Error *e) {
        return confine_paths_reading(dir_fd, -EBADF, e);
}

int confine_paths_reading(int dir_fd, int read_fd, Error *e) {
        uint64_t access = LANDLOCK_ACCESS_FS_REFER | (LANDLOCK_ACCESS_FS_REFER - 1);
        int version = landlock_version();

        /* The first version allows no hard links between directories. */
        if (version < 2)
                return 0;
        if (version >= 3)
                access |= ACCESS_FS_TRUNCATE;
        if (version >= 5 && dir_fd < 0)
                access |= ACCESS_FS_IOCTL;

        struct landlock_ruleset_attr ruleset = { .handled_access_fs = access };
        _cleanup_fd_ int fd = (int) syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset,
                                            0);
        int r = fd < 0 ? error_set(e, errno, "cannot make a Landlock rule set: %m") : 0;

        if (r >= 0)
                r = allow_beneath(fd, dir_fd, access & ~(uint64_t) LANDLOCK_ACCESS_FS_EXECUTE, e);
        if (r >= 0)
                r = allow_beneath(fd, read_fd,
                                  LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR, e);
        if (r < 0)
                return r;
        if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
                return error_set(e, errno, "cannot apply Landlock: %m");
        return 1;
}

#if defined __x86_64__ && !defined __ILP32__
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __i386__
#define OWN_ARCHITECTURE AUDIT_ARCH_I386
#elif defined __aarch64__ && !defined __AARCH64EB__
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined __arm__ && !defined __ARMEB__
#define OWN_ARCHITECTURE AUDIT_ARCH_ARM
#elif defined __riscv && __riscv_xlen == 64
#define OWN_ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined __powerpc64__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined __s390x__
#define OWN_ARCHITECTURE AUDIT_ARCH_S390X
#elif defined __loongarch64
#define OWN_ARCHITECTURE AUDIT_ARCH_LOONGARCH64
#endif

#if !IS_SANITIZED && defined OWN_ARCHITECTURE

#define FIELD(f)      ((uint32_t) offsetof(struct seccomp_data, f))
#define LOAD(offset)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define DENIED        (SECCOMP_RET_ERRNO | EPERM)
/* The lower half of an argument; all that is compared here has 32 bits. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ARGUMENT(i) (FIELD(args[i]) + 4)
#else
#define ARGUMENT(i) FIELD(args[i])
#endif

#define CALL_SIZE_MAX 5

/* Where clone() has its flags. */
#ifdef __s390x__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

/* The instructions for one call, which go on behind themselves if it is another. Return: how many. */
static size_t assemble_call(const ConfineCall *c, struct sock_filter *out) {
        const bool maps = c->number == SYS_mprotect ||
#ifdef SYS_mmap
                          c->number == SYS_mmap;
#else
                          c->number == SYS_mmap2;
#endif
        const struct sock_filter plain[] = {
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) c->number, 0, 1),
                RETURN(SECCOMP_RET_ALLOW),
        };
        const struct sock_filter without_exec[] = {
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) c->number, 0, 4),
                LOAD(ARGUMENT(2)),
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
                RETURN(SECCOMP_RET_ALLOW),
                RETURN(DENIED),
        };
        const struct sock_filter threads[] = {
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) c->number, 0, 4),
                LOAD(ARGUMENT(CLONE_FLAGS)),
                BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
                RETURN(SECCOMP_RET_ALLOW),
                RETURN(DENIED),
        };
        const uint32_t argument = c->first != 0 ? c->first : c->argument;
        const struct sock_filter with_argument[] = {
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) c->number, 0, 4),
                LOAD(c->first != 0 ? ARGUMENT(0) : ARGUMENT(1)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, 1),
                RETURN(SECCOMP_RET_ALLOW),
                LOAD(FIELD(nr)),
        };

        if (maps) {
                (void) memcpy(out, without_exec, sizeof without_exec);
                return ELEMENTSOF(without_exec);
        }
        if (c->number == SYS_clone) {
                (void) memcpy(out, threads, sizeof threads);
                return ELEMENTSOF(threads);
        }
        if (argument != 0) {
                (void) memcpy(out, with_argument, sizeof with_argument);
                return ELEMENTSOF(with_argument);
        }
        (void) memcpy(out, plain, sizeof plain);
        return ELEMENTSOF(plain);
}

/* Memory, and an end: no process of ours does without. */
static const ConfineCall always[] = {
        { .number = SYS_brk },          { .number = SYS_munmap },     { .number = SYS_mremap },
        { .number = SYS_madvise },      { .number = SYS_mprotect },   { .number = SYS_getrandom },
        { .number = SYS_rt_sigreturn }, { .number = SYS_exit_group },
#ifdef SYS_mmap
        { .number = SYS_mmap },
#endif
#ifdef SYS_mmap2
        { .number = SYS_mmap2 },
#endif
};

static int load_filter(struct sock_filter *filter, size_t n, Error *e) {
        struct sock_fprog program = { .len = (unsigned short) n, .filter = filter };

        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
                return error_set(e, errno, "cannot load a system call filter: %m");
        return 1;
}

int confine_calls(const ConfineCall *calls, size_t n, Error *e) {
        const struct sock_filter head[] = {
                LOAD(FIELD(arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0),
                RETURN(DENIED),
                LOAD(FIELD(nr)),
                /* Its flags cannot be looked at; without it, libraries take clone(). */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                RETURN(SECCOMP_RET_ERRNO | ENOSYS),
        };
        const size_t room = ELEMENTSOF(head) + (ELEMENTSOF(always) + n) * CALL_SIZE_MAX + 1;
        _cleanup_free_ struct sock_filter *filter = calloc(room, sizeof *filter);
        size_t used = ELEMENTSOF(head);

        if (!filter)
                return error_oom(e);
        (void) memcpy(filter, head, sizeof head);
        for (size_t i = 0; i < ELEMENTSOF(always) + n; i++)
                used += assemble_call(i < n ? calls + i : always + (i - n), filter + used);
        filter[used++] = (struct sock_filter) RETURN(DENIED);

        return load_filter(filter, used, e);
}

int confine_calls_without(const int *calls, size_t n, Error *e) {
        const struct sock_filter head[] = {
                LOAD(FIELD(arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0),
                RETURN(DENIED),
                LOAD(FIELD(nr)),
                /* Other numbers for the same calls. */
                BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
                RETURN(DENIED),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
                RETURN(SECCOMP_RET_ERRNO | ENOSYS),
        };
        _cleanup_free_ struct sock_filter *filter = calloc(ELEMENTSOF(head) + 2 * n + 1,
                                                           sizeof *filter);
        size_t used = ELEMENTSOF(head);

        if (!filter)
                return error_oom(e);
        (void) memcpy(filter, head, sizeof head);
        for (size_t i = 0; i < n; i++) {
                filter[used++] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                               (uint32_t) calls[i], 0, 1);
                filter[used++] = (struct sock_filter) RETURN(DENIED);
        }
        filter[used++] = (struct sock_filter) RETURN(SECCOMP_RET_ALLOW);
        return load_filter(filter, used, e);
}

#else

int confine_calls_without(const int *calls, size_t n, Error *e) {
        (void) calls;
        (void) n;
        (void) e;
        return 0;
}

int confine_calls(const ConfineCall *calls, size_t n, Error *e) {
        (void) calls;
        (void) n;
        (void) e;
        return 0;
}

#endif
