/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resets systems in disk images and stacks, see fresh-image.h. What is reset is fresh.c's. */
#include "image/fresh-image.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/home.h"
#include "base/mount-child.h"
#include "base/path.h"
#include "image/disk-root.h"
#include "image/fresh.h"
#include "image/stack-root.h"

#define CAP_BIT(c) (UINT64_C(1) << (c))

typedef struct Job {
        const char *path;
        ImageType type;
        const char *hostname;
        pid_t parent; /* whose death is ours */
} Job;

/* A disk is mounted on the directory that it lies in, a stack on itself: in this process alone. */
static int open_root(const Job *job, Error *e) {
        if (job->type == IMAGE_MSTACK)
                return stack_root_attach_writable(job->path, e);
        _cleanup_free_ char *directory = strndup(job->path,
                                                 (size_t) (path_last(job->path) - job->path));
        return directory ? disk_root_attach_writable(job->path, directory, e) : error_oom(e);
}

/* The tree may be anybody's: what is left is to change files in it. */
static int confine(int root_fd, Error *e) {
        const uint64_t keep = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) | CAP_BIT(CAP_FOWNER) |
                              CAP_BIT(CAP_FSETID);
        int r = confine_privileges(e);

        if (r >= 0)
                r = confine_paths(root_fd, e);
        return r < 0 ? r : confine_capabilities(keep, e);
}

static int work(void *userdata, Error *e) {
        const Job *job = userdata;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != job->parent)
                return error_set(e, ESRCH, "nobody waits for it");
        int r = mount_make_private();
        if (r < 0)
                return error_set(e, r, "cannot make mounts private: %m");
        _cleanup_fd_ int root = open_root(job, e);
        if (root < 0)
                return root;
        r = confine(root, e);
        if (r >= 0)
                r = fresh_tree(root, job->hostname, e);
        if (r < 0)
                return r;
        /* An O_PATH descriptor cannot be synced. */
        _cleanup_fd_ int top = path_open_in_root(root, "/", O_RDONLY | O_DIRECTORY, 0);
        return top < 0 || syncfs(top) < 0 ? error_set(e, errno, "cannot write it to disk: %m") : 0;
}

int fresh_image(const char *path, ImageType type, const char *hostname, Error *e) {
        if (home_is_user())
                return error_set(
                        e, EOPNOTSUPP,
                        "'%s' has to be mounted to reset the system in it, which takes root", path);
        Job job = { .path = path, .type = type, .hostname = hostname, .parent = getpid() };
        int r = mount_child(work, &job, NULL, e);
        return r < 0 ? error_wrap(e, r, "resetting the system in '%s'", path) : 0;
}
