/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A scratch directory per test, made and removed around it, that is the pool as well. */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "check.h"

/* Locks and immutable flags are root's. */
#define NEED_ROOT()                                                                                \
        do {                                                                                       \
                if (geteuid() != 0)                                                                \
                        skip();                                                                    \
        } while (0)

static char scratch[64];

/* A view of our own, where /etc/systemd and /run/systemd are empty. */
static inline int scratch_view(void **state) {
        if (geteuid() != 0)
                return 0;
        assert_int_equal(path_mkdirs("/etc/systemd", 0755), 0);
        assert_int_equal(path_mkdirs("/run/systemd", 0755), 0);
        assert_int_equal(unshare(CLONE_NEWNS), 0);
        assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
        assert_int_equal(mount("tmpfs", "/tmp", "tmpfs", 0, NULL),
                         0); /* where to sync costs nothing */
        assert_int_equal(mount("tmpfs", "/etc/systemd", "tmpfs", 0, NULL), 0);
        assert_int_equal(mount("tmpfs", "/run/systemd", "tmpfs", 0, NULL), 0);
        return 0;
}

static inline int scratch_setup(void **state) {
        strcpy(scratch, "/tmp/skep-test-XXXXXX");
        assert_non_null(mkdtemp(scratch));
        assert_int_equal(setenv("SKEP_POOL", scratch, 1), 0);
        return 0;
}

static inline int scratch_teardown(void **state) {
        return path_remove_tree(AT_FDCWD, scratch);
}

/* "SCRATCH/name" in one of a few static buffers. */
static inline const char *in_scratch(const char *name) {
        static char buffers[8][512];
        static unsigned next;
        char *b = buffers[next++ % ELEMENTSOF(buffers)];

        (void) snprintf(b, sizeof(buffers[0]), "%s/%s", scratch, name);
        return b;
}

static inline void scratch_file(const char *name, const char *text) {
        assert_int_equal(file_write(AT_FDCWD, in_scratch(name), text, O_CREAT | O_TRUNC, 0644), 0);
}

static inline void scratch_dir(const char *name) {
        assert_int_equal(path_mkdirs(in_scratch(name), 0755), 0);
}

static inline bool scratch_has(const char *name) {
        struct stat st;

        return lstat(in_scratch(name), &st) >= 0;
}

/* Number of entries but "." and "..". */
static inline unsigned scratch_count(void) {
        _cleanup_dir_ DIR *d = opendir(scratch);
        unsigned n = 0;

        assert_non_null(d);
        for (struct dirent *de; (de = readdir(d));)
                n += !streq(de->d_name, ".") && !streq(de->d_name, "..");
        return n;
}
