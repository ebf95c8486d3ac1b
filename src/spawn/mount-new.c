/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts that are made detached, new ones and copies of what the host has, and moving them to where they are to
 * be. */
#include "spawn/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "spawn/overlay.h"
#include "spawn/scratch.h"

/* The kernel explains itself in lines like "e tmpfs: Bad value for 'size'". */
static int explain(int fs_fd, int r, const char *type, Error *e) {
        char text[256];
        ssize_t n = read(fs_fd, text, sizeof text - 1);

        if (n <= 2)
                return error_set(e, r, "cannot make a new %s: %m", type);
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return error_set(e, r, "cannot make a new %s: %s", type, text + 2);
}

/* Cuts the first option off, in place; a comma within quotes is part of it. Return: it; NULL = no more. */
static char *next_option(char **p) {
        char *option = *p, *end = option;
        bool quoted = false;

        if (!option || !*option)
                return NULL;
        for (; *end && (quoted || *end != ','); end++)
                quoted ^= *end == '"';
        *p = *end ? end + 1 : end;
        *end = '\0';
        return option;
}

/* Gives one "key=value" or "key" to a file system that is being set up. */
static int set_option(int fs_fd, char *option) {
        char *value = strchr(option, '=');
        int r;

        if (value) {
                size_t n = strlen(value + 1);

                *value++ = '\0';
                if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
                        value[n - 1] = '\0';
                        value++;
                }
                r = fsconfig(fs_fd, FSCONFIG_SET_STRING, option, value, 0);
        } else
                r = fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0);
        return r < 0 ? -errno : 0;
}

int mount_new(const char *type, const char *options, uint64_t attributes, Error *e) {
        int fs_fd = fsopen(type, FSOPEN_CLOEXEC);
        _cleanup_free_ char *copy = options ? strdup(options) : NULL;
        char *rest = copy;

        if (fs_fd < 0)
                return error_set(e, errno, "cannot make a new %s: %m", type);
        if (options && !copy)
                return error_oom(e);

        for (char *o = next_option(&rest); o; o = next_option(&rest)) {
                int r = *o ? set_option(fs_fd, o) : 0;
                if (r < 0)
                        return explain(fs_fd, r, type, e);
        }
        if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return explain(fs_fd, -errno, type, e);

        int fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned) attributes);
        return fd < 0 ? explain(fs_fd, -errno, type, e) : fd;
}

int mount_attach(int mount_fd, int target_fd) {
        return move_mount(mount_fd, "", target_fd, "",
                          MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
                       ? -errno
                       : 0;
}

int mount_attach_at(int mount_fd, int dir_fd, const char *name) {
        return move_mount(mount_fd, "", dir_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Return: 0 and a detached copy, or -EBADF when there is nothing to be taken from the host; -errno. */
static int open_source(const MountPlan *plan, size_t index, const Run *run, int *ret, Error *e) {
        const MountItem *m = plan->items + index;
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                         (m->flags & MOUNT_RECURSIVE ? AT_RECURSIVE : 0);
        const Scratch *folder = scratch_find(run, SIZE_MAX);
        char number[32];

        *ret = -EBADF;
        if (m->flags & MOUNT_OWN_GROUP) {
                *ret = open_tree(run->cgroup_fd, "",
                                 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
                return *ret < 0 ? error_set(e, errno,
                                            "cannot copy the mount of the control group: %m")
                                : 0;
        }
        if (m->type == MOUNT_LAYER || m->type == MOUNT_OVERLAY)
                return overlay_open_source(plan, index, run, ret, e);
        if (m->type != MOUNT_HOST)
                return 0;
        (void) snprintf(number, sizeof number, "%zu", index);
        int fd = *m->source ? open_tree(AT_FDCWD, m->source, flags)
                            : open_tree(folder ? folder->fd : -EBADF, number, flags);
        if (fd < 0 && !(errno == ENOENT && m->flags & MOUNT_IF_PRESENT))
                return error_set(e, errno, "cannot open '%s' to bind it: %m", m->source);
        *ret = fd < 0 ? -EBADF : fd;
        return 0;
}

int mount_open_sources(const MountPlan *plan, Run *run, Error *e) {
        if (!run->source_fds) {
                run->source_fds = malloc((plan->n + 1) * sizeof *run->source_fds);
                if (!run->source_fds)
                        return error_oom(e);
                run->n_sources = plan->n;
                for (size_t i = 0; i < plan->n; i++)
                        run->source_fds[i] = -EBADF;
        }

        for (size_t i = 0; i < plan->n; i++) {
                int fd, r = open_source(plan, i, run, &fd, e);
                if (r < 0)
                        return r;
                run->source_fds[i] = fd;
        }
        return 0;
}
