/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runtime files of machines, see runtime.h. The lock is the kernel's: it goes with its owner however that
 * ends. */
#include "spawn/runtime.h"

#include <fcntl.h>
#include <dirent.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/path.h"
#include "base/proc.h"
#include "image/lock.h"
#include "image/subvolume.h"
#include "image/temporary.h"
#include "spawn/attach.h"
#include "spawn/cgroup-place.h"
#include "spawn/exchange.h"
#include "spawn/id-lock.h"
#include "spawn/network-lend.h"
#include "spawn/network-zone.h"
#include "spawn/network-address.h"
#include "spawn/ports.h"

#define RUNTIME_DIR "/run/skep/spawn"
#define SWEEP_MAX   16
#define LOCK_TRIES  20 /* one a millisecond */
#define NOTES_MAX   (1 << 20)

/* Return: 0 and the locked file; -EWOULDBLOCK somebody else has it; -ENOENT it is being removed; -errno. */
static int lock_file(int dir_fd, const char *name, int flags, int *ret, bool *ret_empty) {
        _cleanup_fd_ int fd = openat(dir_fd, name,
                                     O_RDWR | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK | O_CLOEXEC |
                                             flags,
                                     0600);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_nlink == 0)
                return -ENOENT;
        *ret_empty = st.st_size == 0;
        *ret = TAKE_FD(fd);
        return 0;
}

static void remove_tree(const char *path) {
        const char *name = path_last(path);
        _cleanup_free_ char *parent = strndup(path, (size_t) (name - path));
        _cleanup_fd_ int fd = -EBADF;

        if (!parent || !temporary_name_is_own(name))
                return;
        fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0)
                (void) tree_remove(fd, name);
}

static const struct Leftover {
        const char *kind;
        void (*remove)(const char *value);
} kinds[] = {
        { "cgroup ", cgroup_place_remove },
        { "tree ", remove_tree },
        { "exchange ", exchange_remove },
        { "zone ", zone_remove_noted },
        { "network ", network_address_remove },
        { RUNTIME_NOTE_ATTACH " ", attach_remove },
        { "ports ", ports_remove },
        { "lent ", lending_remove_noted },
};

/* Removes what the file of a dead supervisor tells of; the file is empty then. */
static void remove_leftovers(int fd) {
        _cleanup_free_ char *text = NULL;
        char *save = NULL;

        if (fd_read_all(fd, NOTES_MAX, &text, NULL) < 0 || !*text)
                return;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                        const char *value = str_skip_prefix(line, kinds[i].kind);
                        if (value && path_is_absolute_clean(value) && value[1])
                                kinds[i].remove(value);
                }
        (void) ftruncate(fd, 0);
}

static int lock_own(const char *path, Run *run, bool *ret_empty) {
        int r = lock_file(AT_FDCWD, path, O_CREAT | O_APPEND, &run->lock_fd, ret_empty);

        /* The folder is missing, or the file is just being removed. */
        if (r != -ENOENT)
                return r;
        r = path_mkdirs(RUNTIME_DIR, 0755);
        return r < 0 ? r : lock_file(AT_FDCWD, path, O_CREAT | O_APPEND, &run->lock_fd, ret_empty);
}

int runtime_apply(const Spec *spec, Run *run, Error *e) {
        _cleanup_free_ char *path = path_join(RUNTIME_DIR, spec->machine);
        unsigned tries = 0;
        bool empty = true;
        int r;

        if (!path)
                return error_oom(e);
        /* Somebody who sweeps may hold it, or take it away, just now. */
        for (;;) {
                r = lock_own(path, run, &empty);
                if (r != -ENOENT && r != -EWOULDBLOCK)
                        break;
                if (tries++ >= LOCK_TRIES)
                        break;
                if (r == -EWOULDBLOCK)
                        (void) usleep(1000);
        }
        if (r == -EWOULDBLOCK)
                return error_set(e, EBUSY, "a machine '%s' is running already", spec->machine);
        if (r < 0)
                return error_set(e, r, "cannot lock '%s': %m", path);

        if (!empty)
                remove_leftovers(run->lock_fd);
        run->runtime = strdup(RUNTIME_DIR);
        return run->runtime ? 0 : error_oom(e);
}

int runtime_note(Run *run, const char *kind, const char *value, Error *e) {
        _cleanup_free_ char *line = str_format("%s %s\n", kind, value);

        if (!line)
                return error_oom(e);
        if (strchr(value, '\n'))
                return error_set(e, EINVAL, "'%s' has a line break in it", value);
        int r = fd_write_all(run->lock_fd, line, strlen(line));
        return r < 0 ? error_set(e, r, "cannot write to the machine's file in '%s': %m",
                                 RUNTIME_DIR)
                     : 0;
}

int runtime_note_cgroup(Run *run, Error *e) {
        /* What a machine without a file leaves is somebody else's. */
        if (run->lock_fd < 0 || !run->cgroup_is_ours || run->cgroup_is_noted)
                return 0;
        run->cgroup_is_noted = true;
        return runtime_note(run, "cgroup", run->cgroup, e);
}

bool runtime_is_running(const char *machine) {
        _cleanup_free_ char *path = path_join(RUNTIME_DIR, machine);
        _cleanup_fd_ int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC)
                                   : -EBADF;

        /* If it is just being swept, its owner is dead; who does that has it for no more than a moment. */
        return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

void runtime_revert(const Spec *spec, Run *run) {
        _cleanup_free_ char *path = NULL;

        if (run->lock_fd < 0)
                return;
        path = path_join(RUNTIME_DIR, spec->machine);
        if (path)
                (void) unlink(path);
        run->lock_fd = fd_close(run->lock_fd);
}

/* Files that mean something as long as somebody locks them. Who makes one tries again when it is locked for
 * a moment, or is gone once it could be locked. */
static void sweep_locks(const char *path) {
        _cleanup_dir_ DIR *d = opendir(path);

        for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d)) {
                struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
                _cleanup_fd_ int fd = openat(dirfd(d), entry->d_name,
                                             O_RDWR | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK |
                                                     O_CLOEXEC);
                struct stat st;

                /* One that its owner removed meanwhile has left the name to somebody else. */
                if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) >= 0 && fstat(fd, &st) >= 0 &&
                    st.st_nlink > 0)
                        (void) unlinkat(dirfd(d), entry->d_name, 0);
        }
}

void runtime_sweep(const char *own) {
        _cleanup_dir_ DIR *d = opendir(RUNTIME_DIR);
        unsigned seen = 0, swept = 0;

        if (!d)
                return;
        for (struct dirent *entry = readdir(d); entry && seen < SWEEP_MAX; entry = readdir(d)) {
                _cleanup_fd_ int file = -EBADF;
                bool empty;

                if (entry->d_name[0] == '.' || streq(entry->d_name, own))
                        continue;
                seen++;
                if (lock_file(dirfd(d), entry->d_name, 0, &file, &empty) < 0)
                        continue;
                remove_leftovers(file);
                (void) unlinkat(dirfd(d), entry->d_name, 0);
                swept++;
        }
        if (swept == 0)
                return;
        sweep_locks(ID_LOCK_DIR);
        sweep_locks(IMAGE_LOCK_DIR);
}

/* A line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 fe:01:12345 0 EOF". Who waits for a lock is in one
 * with "->". Return: whether it is one of flock(2) that is held. */
static bool parse_lock(const char *line, pid_t *ret_pid, uint64_t *ret_inode) {
        unsigned major, minor;
        unsigned long long inode;
        int pid;

        if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &major, &minor, &inode) != 4)
                return false;
        *ret_pid = (pid_t) pid;
        *ret_inode = inode;
        return pid > 0;
}

/* The numbers of a file system in there need not be those that stat(2) tells. Return: whether a process has
 * the very file open. */
static bool has_open(pid_t pid, const struct stat *file) {
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/fd", pid);
        _cleanup_dir_ DIR *d = opendir(path);
        for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d)) {
                struct stat st;
                if (fstatat(dirfd(d), entry->d_name, &st, 0) >= 0 && st.st_ino == file->st_ino &&
                    st.st_dev == file->st_dev)
                        return true;
        }
        return false;
}

static const char *next_lock(const char *line) {
        line += strcspn(line, "\n");
        return *line ? line + 1 : line;
}

/* Leaves the locks of one process. */
static int filter_locks(char **locks, pid_t wanted) {
        _cleanup_(buf_done) Buf b = {};
        uint64_t inode;
        pid_t pid;

        for (const char *line = *locks; *line; line = next_lock(line))
                if (parse_lock(line, &pid, &inode) && pid == wanted &&
                    buf_append(&b, line, (size_t) (next_lock(line) - line)) < 0)
                        return -ENOMEM;
        free(*locks);
        *locks = buf_take(&b);
        return *locks ? 0 : -ENOMEM;
}

static bool holds(const char *locks, const struct stat *file, pid_t *ret) {
        uint64_t inode;
        pid_t pid;

        for (const char *line = locks; *line; line = next_lock(line))
                if (parse_lock(line, &pid, &inode) && inode == file->st_ino &&
                    has_open(pid, file)) {
                        *ret = pid;
                        return true;
                }
        return false;
}

int runtime_find(const char *name, pid_t *ret_pid, char **ret_name) {
        _cleanup_free_ char *locks = NULL;
        _cleanup_dir_ DIR *d = opendir(RUNTIME_DIR);
        struct stat st;

        if (!d)
                return -errno;
        if (name && fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        int r = file_read(AT_FDCWD, "/proc/locks", 64 << 20, &locks, NULL);
        if (r < 0)
                return r;
        if (name)
                return holds(locks, &st, ret_pid) ? 0 : -ENOENT;

        r = filter_locks(&locks, *ret_pid);
        if (r < 0)
                return r;
        for (struct dirent *entry = readdir(d); entry; entry = readdir(d)) {
                if (entry->d_name[0] == '.' ||
                    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                    !holds(locks, &st, ret_pid))
                        continue;
                *ret_name = strdup(entry->d_name);
                return *ret_name ? 0 : -ENOMEM;
        }
        return -ENOENT;
}

int runtime_leader(pid_t supervisor, pid_t *ret) {
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **pids = NULL;
        uint64_t ours, theirs;
        char path[64];

        (void) snprintf(path, sizeof path, "/proc/%d/task/%d/children", supervisor, supervisor);
        int r = file_read(AT_FDCWD, path, 64 * 1024, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? -ESRCH : r;
        if (str_split(text, " ", &pids) < 0)
                return -ENOMEM;
        r = proc_ns_id(supervisor, "pid", &ours);
        if (r < 0)
                return r;
        /* All its other children are beside it. */
        STRV_FOREACH(word, pids) {
                pid_t pid, parent;
                if (parse_pid(*word, &pid) >= 0 && proc_ns_id(pid, "pid", &theirs) >= 0 &&
                    theirs != ours && proc_parent(pid, &parent) >= 0 && parent == supervisor) {
                        *ret = pid;
                        return 0;
                }
        }
        return -ESRCH;
}

int runtime_read_note(const char *machine, const char *kind, char **ret) {
        _cleanup_free_ char *path = path_join(RUNTIME_DIR, machine), *text = NULL;
        char *found = NULL, *save = NULL;

        if (!path)
                return -ENOMEM;
        int r = file_read(AT_FDCWD, path, NOTES_MAX, &text, NULL);
        if (r < 0)
                return r;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                const char *value = str_skip_prefix(line, kind);
                if (value && *value == ' ')
                        found = line + (value - line) + 1;
        }
        if (!found)
                return -ENODATA;
        *ret = strdup(found);
        return *ret ? 0 : -ENOMEM;
}
