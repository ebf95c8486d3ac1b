/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes to an image and all that belongs to it: killed at any system call, they have happened or they have not.
 * The host's settings are left alone: these have directories of their own here. */
#include "image/transaction.h"

#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "image/clone.h"
#include "image/pool.h"
#include "scratch.h"

#define UNITS "/etc/systemd/system"

static void put(const char *path, const char *text) {
        _cleanup_free_ char *parent = strndup(path, (size_t) (path_last(path) - path - 1));

        assert_int_equal(path_mkdirs(parent, 0755), 0);
        assert_int_equal(file_write(AT_FDCWD, path, text, O_CREAT | O_TRUNC, 0644), 0);
}

static void put_link(const char *path, const char *target) {
        _cleanup_free_ char *parent = strndup(path, (size_t) (path_last(path) - path - 1));

        assert_int_equal(path_mkdirs(parent, 0755), 0);
        assert_int_equal(symlink(target, path), 0);
}

static bool is_there(const char *path) {
        struct stat st;

        return lstat(path, &st) >= 0;
}

/* Where what belongs to an image lies; %s is its name. */
static const char *const everywhere[] = {
        "POOL/%s/etc/file",
        "POOL/%s.nspawn",
        "POOL/%s.roothash",
        "/etc/systemd/nspawn/%s.nspawn",
        "/etc/systemd/nspawn/%s.nspawn.d/a.conf",
        "/run/systemd/nspawn/%s.nspawn",
        UNITS "/machines.target.wants/systemd-nspawn@%s.service",
        UNITS "/skep@%s.service.d/50-enable.conf",
        UNITS "/systemd-nspawn@%s.service.d/50-enable.conf",
};

static char *place(size_t i, const char *name) {
        const char *rest = str_skip_prefix(everywhere[i], "POOL/"),
                   *s = rest ? rest : everywhere[i];
        const char *at = strstr(s, "%s");

        return str_format("%s%s%.*s%s%s", rest ? scratch : "", rest ? "/" : "", (int) (at - s), s,
                          name, at + 2);
}

static void make_image(void) {
        for (size_t i = 0; i < ELEMENTSOF(everywhere); i++) {
                _cleanup_free_ char *path = place(i, "web");

                if (strstr(path, "wants"))
                        put_link(path, "/lib/systemd/system/systemd-nspawn@.service");
                else if (strstr(path, "systemd-nspawn@"))
                        put_link(path, "../skep@web.service.d/50-enable.conf");
                else
                        put(path, "text");
        }
}

static void clear(void) {
        assert_int_equal(path_remove_tree(AT_FDCWD, scratch), 0);
        assert_int_equal(mkdir(scratch, 0700), 0);
        assert_int_equal(path_remove_tree(AT_FDCWD, "/etc/systemd/nspawn"), 0);
        assert_int_equal(path_remove_tree(AT_FDCWD, "/run/systemd/nspawn"), 0);
        assert_int_equal(path_remove_tree(AT_FDCWD, UNITS), 0);
}

/* How much there is of an image. */
static size_t count(const char *name) {
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(everywhere); i++) {
                _cleanup_free_ char *path = place(i, name);
                n += is_there(path);
        }
        return n;
}

static Image *get(const char *name) {
        Image *i = NULL;
        Error e = {};

        CHECK_EQ(pool_get(name, &i, &e), 0, "%s: %s", name, e.text);
        return i;
}

static int do_rename(const Image *i) {
        return image_rename(i, "forest", NULL, NULL);
}

static int do_remove(const Image *i) {
        return image_remove(i, 0, NULL, NULL);
}

static int do_clone(const Image *i) {
        return image_clone(i, "forest", IMAGE_CLONE_FRESH, NULL);
}

/* Runs @change in a child that is killed at its @n-th stop. Return: whether it ended before. */
static bool run_killed(int (*change)(const Image *), unsigned n) {
        _cleanup_image_ Image *i = get("web");
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                (void) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
                (void) raise(SIGSTOP);
                _exit(change(i) < 0 ? 1 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        for (unsigned k = 0; k < n; k++) {
                assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (WIFEXITED(status)) {
                        assert_int_equal(WEXITSTATUS(status), 0);
                        return true;
                }
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return false;
}

/* Nothing of ours is left in a directory but what is someone's. */
static void check_clean(const char *path) {
        _cleanup_dir_ DIR *d = opendir(path);
        struct dirent *de;

        while (d && (de = readdir(d)))
                if (!str_has_suffix(de->d_name, ".lck"))
                        CHECK_EQ(!!strstr(de->d_name, "skep-change") || !!strstr(de->d_name, ".#"),
                                 false, "%s/%s", path, de->d_name);
}

static void check_everywhere(int (*change)(const Image *), size_t old_when_done,
                             size_t new_when_done) {
        unsigned n_old = 0, n_new = 0;
        bool done = false;

        /* Every other stop: a system call stops when it begins, and when it is done. */
        for (unsigned n = 1; !done; n += 2) {
                Error e = {};

                clear();
                make_image();
                done = run_killed(change, n);
                CHECK_EQ(pool_sweep(&e), 0, "stop %u: %s", n, e.text);

                size_t old = count("web"), new = count("forest");
                bool is_old = old == ELEMENTSOF(everywhere) && new == 0;
                CHECK_EQ(is_old || (old == old_when_done && new == new_when_done), true,
                         "stop %u: %zu of the old, %zu of the new", n, old, new);
                n_old += is_old;
                n_new += !is_old;
                check_clean(scratch);
                check_clean("/etc/systemd/nspawn");
        }
        /* It was killed before as well as after the moment that counts. */
        assert_true(n_old > 5 && n_new > 5);
        clear();
}

static void test_killed_renaming(void **state) {
        NEED_ROOT();
        check_everywhere(do_rename, 0, ELEMENTSOF(everywhere));
}

static void test_killed_removing(void **state) {
        NEED_ROOT();
        check_everywhere(do_remove, 0, 0);
}

static void test_killed_cloning(void **state) {
        NEED_ROOT();
        check_everywhere(do_clone, ELEMENTSOF(everywhere), 6);
}

static void test_rename(void **state) {
        _cleanup_image_ Image *i = NULL;
        char target[128] = "";
        bool units = false;
        Error e = {};

        NEED_ROOT();
        make_image();
        i = get("web");
        CHECK_EQ(image_rename(i, "forest", &units, &e), 0, "%s", e.text);
        assert_true(units);
        assert_int_equal(count("web"), 0);
        assert_int_equal(count("forest"), ELEMENTSOF(everywhere));
        /* Links between names of the unit follow. */
        assert_true(readlink(UNITS "/systemd-nspawn@forest.service.d/50-enable.conf", target,
                             sizeof(target) - 1) > 0);
        assert_string_equal(target, "../skep@forest.service.d/50-enable.conf");
        clear();
}

/* What has the new name of a setting already is nobody's to overwrite, and then nothing changes at all. */
static void test_in_the_way(void **state) {
        _cleanup_image_ Image *i = NULL;
        Error e = {};

        NEED_ROOT();
        make_image();
        put("/etc/systemd/nspawn/forest.nspawn", "of somebody");
        i = get("web");
        assert_int_equal(image_rename(i, "forest", NULL, &e), -EEXIST);
        assert_non_null(strstr(e.text, "/etc/systemd/nspawn/forest.nspawn"));
        assert_int_equal(image_clone(i, "forest", 0, &e), -EEXIST);
        assert_int_equal(count("web"), ELEMENTSOF(everywhere));
        assert_int_equal(count("forest"), 1);
        check_clean(scratch);
        check_clean("/etc/systemd/nspawn");
        clear();
}

static void test_keep_settings(void **state) {
        _cleanup_(transaction_done) Transaction plan = {};
        _cleanup_image_ Image *i = NULL;
        Error e = {};

        NEED_ROOT();
        make_image();
        i = get("web");
        CHECK_EQ(image_plan_remove(i, IMAGE_KEEP_SETTINGS, &plan, &e), 0, "%s", e.text);
        assert_int_equal(plan.n, 2); /* the tree and its root hash */
        assert_int_equal(count("web"), ELEMENTSOF(everywhere));
        CHECK_EQ(image_remove(i, IMAGE_KEEP_SETTINGS, NULL, &e), 0, "%s", e.text);
        assert_int_equal(count("web"), ELEMENTSOF(everywhere) - 2);
        clear();
}

/* Between the end of somebody and the next start, something else came to have a name: it stays. */
static void test_recover_knows_inodes(void **state) {
        _cleanup_(transaction_done) Transaction t = {};
        _cleanup_(buf_done) Buf text = {};
        Error e = {};

        NEED_ROOT();
        scratch_file("old", "x");
        scratch_file("kept", "x");
        assert_int_equal(transaction_remove(&t, in_scratch("old"), &e), 1);
        assert_int_equal(transaction_remove(&t, in_scratch("kept"), &e), 1);
        assert_int_equal(transaction_format(&t, &text), 0);
        assert_int_equal(rename(in_scratch("kept"), in_scratch("away")), 0);
        scratch_file("kept", "another");

        _cleanup_fd_ int fd = open(in_scratch(TRANSACTION_PREFIX "1"),
                                   O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(fd_write_all(fd, text.p, text.n), 0);
        assert_int_equal(transaction_recover(scratch, &e), 1);
        assert_false(scratch_has("old") || scratch_has(TRANSACTION_PREFIX "1"));
        assert_true(scratch_has("kept") && scratch_has("away"));

        /* A note that somebody else could have written is not followed. */
        scratch_file("old", "x");
        scratch_file(TRANSACTION_PREFIX "2", "skep-change 1");
        assert_int_equal(chmod(in_scratch(TRANSACTION_PREFIX "2"), 0666), 0);
        assert_int_equal(transaction_recover(scratch, &e), -EPERM);
        assert_true(scratch_has("old"));
}

static ino_t inode_of(const char *name) {
        struct stat st;

        return lstat(in_scratch(name), &st) < 0 ? 0 : st.st_ino;
}

/* One takes the place of the other, once, whether it was done already or not; and gives it back if a later step fails. */
static void test_swap(void **state) {
        _cleanup_(transaction_done) Transaction t = {};
        _cleanup_free_ char *from = NULL, *to = NULL;
        Error e = {};

        NEED_ROOT();
        scratch_file("fresh", "x");
        scratch_file("stale", "x");
        ino_t fresh = inode_of("fresh"), stale = inode_of("stale");
        from = strdup(in_scratch("fresh"));
        to = strdup(in_scratch("stale"));
        assert_int_equal(transaction_swap(&t, from, in_scratch("nowhere"), &e), 0);
        assert_int_equal(transaction_swap(&t, from, to, &e), 1);
        for (int i = 0; i < 2; i++) {
                CHECK_EQ(transaction_commit(&t, scratch, &e), 0, "%s", e.text);
                assert_true(inode_of("stale") == fresh && inode_of("fresh") == stale);
        }

        _cleanup_(transaction_done) Transaction back = {};
        assert_int_equal(transaction_swap(&back, from, to, &e), 1);
        scratch_file("moved", "x");
        _cleanup_free_ char *moved = strdup(in_scratch("moved"));
        assert_int_equal(transaction_move(&back, moved, in_scratch("taken"), &e), 1);
        scratch_file("taken", "x");
        assert_int_equal(transaction_commit(&back, scratch, &e), -EEXIST);
        assert_true(inode_of("stale") == fresh && inode_of("fresh") == stale);
}

static void test_parse(void **state) {
#define NOTE(s) s, sizeof(s)
        static const struct {
                const char *text;
                size_t n;
                int result;
        } rows[] = {
                { NOTE("skep-change 1"), 0 },
                { NOTE("skep-change 1\0m\0"
                       "7\0/a\0/b"),
                  0 },
                { NOTE("skep-change 1\0mi\0"
                       "7\0/a\0/b"),
                  0 },
                { NOTE("skep-change 1\0s\0"
                       "7\0/a\0/b"),
                  0 },
                { NOTE("skep-change 1\0s\0"
                       "7\0/a\0"),
                  -EINVAL },
                { NOTE("skep-change 1\0r\0"
                       "7\0/a\0"),
                  0 },
                { NOTE("skep-change 1\0l\0"
                       "0\0/a\0../x"),
                  0 },
                { NOTE("skep-change 2"), -EINVAL },
                { "", 0, -EINVAL },
                { NOTE("skep-change 1\0m\0"
                       "7\0/a\0"),
                  -EINVAL },
                { NOTE("skep-change 1\0m\0"
                       "7\0/a"),
                  -EINVAL },
                { NOTE("skep-change 1\0m\0"
                       "7\0a\0/b"),
                  -EINVAL },
                { NOTE("skep-change 1\0m\0"
                       "7\0/a/../b\0/b"),
                  -EINVAL },
                { NOTE("skep-change 1\0r\0"
                       "7\0/a\0/b"),
                  -EINVAL },
                { NOTE("skep-change 1\0x\0"
                       "7\0/a\0/b"),
                  -EINVAL },
                { NOTE("skep-change 1\0m\0"
                       "x\0/a\0/b"),
                  -EINVAL },
                { "skep-change 1\0m\0"
                  "7\0/a\0/b",
                  21, -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(transaction_done) Transaction t = {};
                _cleanup_(buf_done) Buf again = {};

                CHECK_EQ(transaction_parse(rows[i].text, rows[i].n, &t, NULL), rows[i].result,
                         "row %zu", i);
                if (rows[i].result < 0)
                        continue;
                assert_int_equal(transaction_format(&t, &again), 0);
                CHECK_EQ(again.n == rows[i].n && memcmp(again.p, rows[i].text, again.n) == 0, true,
                         "row %zu", i);
        }
}

/* Versions carry the name of their image. */
static void test_versions(void **state) {
        _cleanup_image_ Image *i = NULL;
        ImageLock *lock = NULL;
        Error e = {};

        NEED_ROOT();
        scratch_dir("web.raw.v");
        scratch_file("web.raw.v/web_1.raw", "x");
        scratch_file("web.raw.v/web_2.raw", "x");
        i = get("web");
        assert_int_equal(image_lock(in_scratch("web.raw.v/web_1.raw"), false, &lock, NULL), 0);
        assert_int_equal(image_rename(i, "forest", NULL, &e), -EBUSY); /* an older one is in use */
        lock = image_lock_free(lock);
        CHECK_EQ(image_rename(i, "forest", NULL, &e), 0, "%s", e.text);
        assert_true(scratch_has("forest.raw.v/forest_1.raw") &&
                    scratch_has("forest.raw.v/forest_2.raw"));
        i = image_free(i);
        i = get("forest");
        assert_string_equal(i->path, in_scratch("forest.raw.v/forest_2.raw"));
        CHECK_EQ(image_remove(i, 0, NULL, &e), 0, "%s", e.text);
        assert_false(scratch_has("forest.raw.v"));
}

static void test_layer(void **state) {
        _cleanup_image_ Image *base = NULL, *layer = NULL;
        Error e = {};

        NEED_ROOT();
        scratch_dir("base/etc");
        assert_int_equal(chmod(in_scratch("base"), 0750), 0);
        base = get("base");
        assert_int_equal(image_clone(base, "top", IMAGE_CLONE_LAYER, &e), -EROFS);
        base->read_only = true; /* whatever this file system can */
        CHECK_EQ(image_clone(base, "top", IMAGE_CLONE_LAYER, &e), 0, "%s", e.text);
        layer = get("top");
        assert_int_equal(layer->type, IMAGE_MSTACK);
        assert_true(scratch_has("top.mstack/layer@0/etc") && scratch_has("top.mstack/rw/work"));

        assert_int_equal(image_remove(base, 0, NULL, &e), -EBUSY);
        assert_string_equal(e.text, "image 'base' is a layer of 'top'");
        assert_int_equal(image_rename(base, "other", NULL, &e), -EBUSY);
        assert_int_equal(image_set_read_only(base, false, &e), -EBUSY);
        /* As one version of several, too, and be it not the best. */
        scratch_dir("top.mstack/layer@0.v/layer@0_2");
        assert_int_equal(rename(in_scratch("top.mstack/layer@0"),
                                in_scratch("top.mstack/layer@0.v/layer@0_1")),
                         0);
        assert_int_equal(image_remove(base, 0, NULL, &e), -EBUSY);
        CHECK_EQ(image_remove(layer, 0, NULL, &e), 0, "%s", e.text);
        assert_true(scratch_has("base/etc"));
        CHECK_EQ(image_remove(base, 0, NULL, &e), 0, "%s", e.text);
}

int main(void) {
#define ROW(t) cmocka_unit_test_setup_teardown(t, scratch_setup, scratch_teardown)
        const struct CMUnitTest tests[] = {
                ROW(test_swap),
                cmocka_unit_test(test_parse),
                ROW(test_rename),
                ROW(test_in_the_way),
                ROW(test_keep_settings),
                ROW(test_versions),
                ROW(test_layer),
                ROW(test_recover_knows_inodes),
                ROW(test_killed_renaming),
                ROW(test_killed_removing),
                ROW(test_killed_cloning),
        };
        return cmocka_run_group_tests(tests, scratch_view, NULL);
}
