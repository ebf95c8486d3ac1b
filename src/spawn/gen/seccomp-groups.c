/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists of system calls behind the default filter, by what they are for. What is in none of them
 * but has a number is denied (EPERM): swap, quota, kexec, perf, fanotify, handles to files by inode
 * number, protection keys, CPU emulation, and what kernels keep only for programs of the last century.
 *
 * A call is here if a machine with its own namespaces can have good use for it and the kernel checks
 * it against those namespaces. The capability kinds are for those the kernel checks against the first
 * user namespace or whose ability the administrator may have taken away; with EPERM from the filter
 * the answer is then the same early and late. This room knows names only; numbers are looked up by
 * seccomp-gen.c. */
#include "spawn/gen/seccomp-groups.h"

#include <string.h>

const SeccompGroup seccomp_groups[] = {
        { "open, close, tell and copy of descriptors", SECCOMP_KIND_ALLOWED,
          "open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 ioctl flock" },
        { "read and write", SECCOMP_KIND_ALLOWED,
          "read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek "
          "sendfile sendfile64 splice tee vmsplice copy_file_range readahead" },
        { "asynchronous I/O", SECCOMP_KIND_ALLOWED,
          "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64 "
          "io_uring_setup io_uring_enter io_uring_register" },
        { "waiting for descriptors", SECCOMP_KIND_ALLOWED,
          "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create "
          "epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 "
          "eventfd eventfd2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch" },
        { "what files are", SECCOMP_KIND_ALLOWED,
          "stat stat64 lstat lstat64 fstat fstat64 newfstatat fstatat64 statx oldstat oldlstat oldfstat "
          "statfs statfs64 fstatfs fstatfs64 access faccessat faccessat2 readlink readlinkat "
          "name_to_handle_at file_getattr getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr "
          "flistxattr listxattrat readdir getdents getdents64 getcwd cachestat" },
        { "changing files", SECCOMP_KIND_ALLOWED,
          "chmod fchmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchown fchown32 fchownat "
          "truncate truncate64 ftruncate ftruncate64 fallocate utime utimes futimesat utimensat "
          "utimensat_time64 setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr "
          "fremovexattr removexattrat file_setattr umask" },
        { "changing directories", SECCOMP_KIND_ALLOWED,
          "mkdir mkdirat rmdir link linkat symlink symlinkat unlink unlinkat rename renameat renameat2 "
          "mknod mknodat chdir fchdir" },
        { "writing back and advice to the page cache", SECCOMP_KIND_ALLOWED,
          "sync syncfs fsync fdatasync sync_file_range sync_file_range2 arm_sync_file_range msync "
          "fadvise64 fadvise64_64 arm_fadvise64_64" },
        { "mounts and roots", SECCOMP_KIND_ALLOWED,
          "mount umount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig "
          "fsmount fspick mount_setattr statmount listmount" },
        { "memory", SECCOMP_KIND_ALLOWED,
          "brk mmap mmap2 munmap mremap mprotect madvise process_madvise process_mrelease mincore "
          "remap_file_pages membarrier memfd_create memfd_secret mseal map_shadow_stack userfaultfd "
          "mbind get_mempolicy set_mempolicy set_mempolicy_home_node migrate_pages move_pages" },
        { "processes and threads", SECCOMP_KIND_ALLOWED,
          "fork vfork clone clone3 execve execveat exit exit_group wait4 waitid waitpid getpid getppid "
          "gettid getpgid getpgrp setpgid getsid setsid prctl arch_prctl personality set_tid_address "
          "set_robust_list get_robust_list rseq rseq_slice_yield kcmp pidfd_open pidfd_send_signal "
          "restart_syscall unshare setns listns times getrusage" },
        { "the processor's own business", SECCOMP_KIND_ALLOWED,
          "get_thread_area set_thread_area get_tls set_tls breakpoint cacheflush cachectl sysmips "
          "riscv_flush_icache riscv_hwprobe swapcontext s390_guarded_storage s390_sthyi uretprobe "
          "uprobe" },
        { "futexes", SECCOMP_KIND_ALLOWED,
          "futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue" },
        { "signals", SECCOMP_KIND_ALLOWED,
          "kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo rt_sigaction rt_sigpending "
          "rt_sigprocmask rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_sigreturn sigaction "
          "sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigsuspend sigreturn pause" },
        { "scheduling, limits and priorities", SECCOMP_KIND_ALLOWED,
          "sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam "
          "sched_getscheduler sched_setscheduler sched_getattr sched_setattr sched_get_priority_max "
          "sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 nice getpriority "
          "setpriority ioprio_get ioprio_set getrlimit ugetrlimit setrlimit prlimit64 getcpu" },
        { "who one is", SECCOMP_KIND_ALLOWED,
          "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 "
          "getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid "
          "setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setgroups "
          "setgroups32 setfsuid setfsuid32 setfsgid setfsgid32 capget capset" },
        { "confining oneself further", SECCOMP_KIND_ALLOWED,
          "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self lsm_get_self_attr "
          "lsm_set_self_attr lsm_list_modules" },
        { "keys", SECCOMP_KIND_KEYS, "add_key request_key keyctl" },
        { "names and state of the system", SECCOMP_KIND_ALLOWED,
          "uname olduname oldolduname sysinfo sethostname setdomainname getrandom" },
        { "reading clocks, sleeping, timers", SECCOMP_KIND_ALLOWED,
          "time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 "
          "clock_nanosleep clock_nanosleep_time64 nanosleep alarm getitimer setitimer timer_create "
          "timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 "
          "timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64" },
        { "pipes, queues, shared memory, semaphores", SECCOMP_KIND_ALLOWED,
          "pipe pipe2 ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
          "semtimedop_time64 shmat shmctl shmdt shmget mq_open mq_unlink mq_getsetattr mq_notify "
          "mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64" },
        { "sockets", SECCOMP_KIND_ALLOWED,
          "socketcall socketpair bind connect listen accept accept4 getsockname getpeername "
          "getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg "
          "recvmmsg_time64 shutdown" },
        { "making a socket", SECCOMP_KIND_SOCKET, "socket" },

        { "setting clocks", SECCOMP_KIND_CLOCK,
          "adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime" },
        { "modules", SECCOMP_KIND_MODULE, "init_module finit_module delete_module" },
        { "ports and PCI", SECCOMP_KIND_RAW_IO,
          "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write s390_pci_mmio_read "
          "s390_pci_mmio_write" },
        { "locked memory", SECCOMP_KIND_MEMLOCK, "mlock mlock2 mlockall munlock munlockall" },
        { "accounting", SECCOMP_KIND_ACCT, "acct" },
        { "other processes' insides", SECCOMP_KIND_PTRACE,
          "ptrace process_vm_readv process_vm_writev pidfd_getfd" },
        { "reboot", SECCOMP_KIND_REBOOT, "reboot" },
        { "the kernel's log", SECCOMP_KIND_SYSLOG, "syslog" },
        { "hang up", SECCOMP_KIND_VHANGUP, "vhangup" },
        { "BPF programs and maps", SECCOMP_KIND_BPF, "bpf" },
};
const size_t seccomp_n_groups = sizeof(seccomp_groups) / sizeof(seccomp_groups[0]);

/* Since Linux 5.1 a new call has one number on all the architectures this file is used for. */
const SeccompCall seccomp_new_calls[] = {
        { "cachestat", 451, NULL },         { "fchmodat2", 452, NULL },
        { "map_shadow_stack", 453, NULL },  { "futex_wake", 454, NULL },
        { "futex_wait", 455, NULL },        { "futex_requeue", 456, NULL },
        { "statmount", 457, NULL },         { "listmount", 458, NULL },
        { "lsm_get_self_attr", 459, NULL }, { "lsm_set_self_attr", 460, NULL },
        { "lsm_list_modules", 461, NULL },  { "mseal", 462, NULL },
        { "setxattrat", 463, NULL },        { "getxattrat", 464, NULL },
        { "listxattrat", 465, NULL },       { "removexattrat", 466, NULL },
        { "open_tree_attr", 467, NULL },    { "file_getattr", 468, NULL },
        { "file_setattr", 469, NULL },      { "listns", 470, NULL },
        { "rseq_slice_yield", 471, NULL },  { "uretprobe", 335, "x86_64" },
        { "uprobe", 336, "x86_64" },        { "riscv_hwprobe", 258, "riscv64" },
};
const size_t seccomp_n_new_calls = sizeof(seccomp_new_calls) / sizeof(seccomp_new_calls[0]);

static bool names_contain(const char *names, const char *name) {
        size_t n = strlen(name);

        for (const char *p = names; *p; p += strspn(p, " ")) {
                size_t k = strcspn(p, " ");

                if (k == n && strncmp(p, name, n) == 0)
                        return true;
                p += k;
        }

        return false;
}

SeccompKind seccomp_group_kind(const char *name) {
        for (size_t i = 0; i < seccomp_n_groups; i++)
                if (names_contain(seccomp_groups[i].names, name))
                        return seccomp_groups[i].kind;

        return SECCOMP_KIND_DENIED;
}
