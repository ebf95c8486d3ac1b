/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Things that go with an image. Which they are is in one table; nothing here knows what is in them. */
#include "image/companion.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/home.h"
#include "base/path.h"
#include "image/copy.h"
#include "image/temporary.h"

#define DROP_INS ".nspawn.d"

/* Beside the image, called NAME plus one of these. */
static const struct {
        const char *suffix;
        CompanionKind kind;
} sidecars[] = {
        { ".nspawn", COMPANION_SETTINGS },      { DROP_INS, COMPANION_SETTINGS },
        { ".oci-config", COMPANION_CONTENT },   { ".roothash", COMPANION_CONTENT },
        { ".roothash.p7s", COMPANION_CONTENT }, { ".usrhash", COMPANION_CONTENT },
        { ".usrhash.p7s", COMPANION_CONTENT },  { ".verity", COMPANION_CONTENT },
        { ".raw.tpmstate", COMPANION_STATE },   { ".raw.efinvramstate", COMPANION_STATE },
};

/* Settings of the administrator, or of the user; /usr/lib/systemd/nspawn is never touched. */
#define SETTINGS   "systemd/nspawn"
#define SETTINGS_N 2

static char *settings_directory(size_t i) {
        return i == 0 ? home_etc(SETTINGS) : home_run(SETTINGS);
}

/* Where systemd is told of units; what is in /usr is not the administrator's. */
#define UNITS_N 4

static char *unit_directory(size_t i) {
        const char *who = home_is_user() ? "user" : "system", *what = i < 2 ? "" : ".control";

        return i % 2 == 0 ? home_etc("systemd/%s%s", who, what)
                          : home_run("systemd/%s%s", who, what);
}

static const char *const unit_prefixes[] = { "skep@", "skep-ephemeral@", "systemd-nspawn@",
                                             "systemd-vmspawn@" };
static const char *const unit_forms[][2] = {
        /* before and after the name of the unit */
        { "machines.target.wants/", "" },
        { "", "" },
        { "", ".d" },
};

const char *companion_suffix(size_t rank, CompanionKind *ret_kind) {
        if (rank >= ELEMENTSOF(sidecars))
                return NULL;
        if (ret_kind)
                *ret_kind = sidecars[rank].kind;
        return sidecars[rank].suffix;
}

bool companion_is_one(const char *entry) {
        for (size_t i = 0; i < ELEMENTSOF(sidecars); i++)
                if (str_has_suffix(entry, sidecars[i].suffix))
                        return true;
        return false;
}

/* Plans one thing; @to is NULL when it is to go. */
static int plan(Transaction *t, const char *from, const char *to, Error *e) {
        if (!from)
                return error_oom(e);
        int r = to ? transaction_move(t, from, to, e) : transaction_remove(t, from, e);
        return MIN(r, 0);
}

static int plan_named(Transaction *t, const char *directory, const char *name, const char *new_name,
                      const char *suffix, Error *e) {
        _cleanup_free_ char *from = str_format("%s/%s%s", directory, name, suffix);
        _cleanup_free_ char *to = new_name ? str_format("%s/%s%s", directory, new_name, suffix)
                                           : NULL;

        return new_name && !to ? error_oom(e) : plan(t, from, to, e);
}

/* In directories of drop-ins, links lead from one name of a unit to another: both change. */
static int retarget_links(Transaction *t, const char *from, const char *to, const char *name,
                          const char *new_name, Error *e) {
        _cleanup_free_ char *needle = str_format("@%s.service", name);
        _cleanup_dir_ DIR *d = opendir(from);
        struct dirent *de;

        if (!needle)
                return error_oom(e);
        while (d && (de = readdir(d))) {
                char target[PATH_MAX];
                ssize_t n = readlinkat(dirfd(d), de->d_name, target, sizeof(target) - 1);

                target[MAX(n, 0)] = '\0';
                char *at = strstr(target, needle);
                if (!at)
                        continue;
                _cleanup_free_ char *path = path_join(to, de->d_name);
                _cleanup_free_ char *now = str_format("%.*s@%s.service%s", (int) (at - target),
                                                      target, new_name, at + strlen(needle));
                const Step step = { .kind = STEP_LINK, .from = path, .to = now };
                if (!path || !now || transaction_add(t, &step) < 0)
                        return error_oom(e);
        }
        return 0;
}

static int plan_unit(Transaction *t, const char *directory, const char *prefix,
                     const char *const form[2], const char *name, const char *new_name, Error *e) {
        _cleanup_free_ char *from = str_format("%s/%s%s%s.service%s", directory, form[0], prefix,
                                               name, form[1]);
        _cleanup_free_ char *to = NULL;

        if (new_name) {
                to = str_format("%s/%s%s%s.service%s", directory, form[0], prefix, new_name,
                                form[1]);
                if (!to)
                        return error_oom(e);
        }
        int r = plan(t, from, to, e);
        if (r >= 0 && new_name && *form[1])
                r = retarget_links(t, from, to, name, new_name, e);
        return r;
}

static int plan_units(Transaction *t, const char *name, const char *new_name, Error *e) {
        int r = 0;

        for (size_t d = 0; d < UNITS_N; d++) {
                _cleanup_free_ char *directory = unit_directory(d);

                if (!directory)
                        return error_oom(e);
                for (size_t p = 0; p < ELEMENTSOF(unit_prefixes); p++)
                        for (size_t f = 0; f < ELEMENTSOF(unit_forms) && r >= 0; f++)
                                r = plan_unit(t, directory, unit_prefixes[p], unit_forms[f], name,
                                              new_name, e);
        }
        return r;
}

static int plan_all(Transaction *t, const char *directory, const char *name, const char *new_name,
                    bool keep_settings, Error *e) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(sidecars) && r >= 0; i++)
                if (!keep_settings || sidecars[i].kind != COMPANION_SETTINGS)
                        r = plan_named(t, directory, name, new_name, sidecars[i].suffix, e);
        if (keep_settings)
                return r;
        for (size_t i = 0; i < SETTINGS_N && r >= 0; i++) {
                _cleanup_free_ char *d = settings_directory(i);

                if (!d)
                        return error_oom(e);
                r = plan_named(t, d, name, new_name, ".nspawn", e);
                if (r >= 0)
                        r = plan_named(t, d, name, new_name, DROP_INS, e);
        }
        return r < 0 ? r : plan_units(t, name, new_name, e);
}

int companions_remove(const char *directory, const char *name, bool keep_settings, Transaction *t,
                      Error *e) {
        return plan_all(t, directory, name, NULL, keep_settings, e);
}

int companions_rename(const char *directory, const char *name, const char *new_name, Transaction *t,
                      Error *e) {
        return plan_all(t, directory, name, new_name, false, e);
}

static int copy_directory(int from, const char *to, Error *e) {
        _cleanup_fd_ int fd = -EBADF;

        if (mkdir(to, 0755) < 0)
                return error_set(e, errno, "cannot make '%s': %m", to);
        fd = open(to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? error_set(e, errno, "cannot open '%s': %m", to) : copy_tree(from, fd, e);
}

static int copy_regular(int from, const char *to, Error *e) {
        _cleanup_fd_ int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        int r = fd < 0 ? -errno : copy_file(from, fd);

        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        return r < 0 ? error_set(e, r, "cannot write '%s': %m", to) : 0;
}

/* Return: 1 copied; 0 nothing there that can be; -errno. */
static int copy_one(const char *from, const char *to, Error *e) {
        _cleanup_fd_ int fd = open(from, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot open '%s': %m", from);
        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at '%s': %m", from);
        if (S_ISDIR(st.st_mode))
                r = copy_directory(fd, to, e);
        else if (S_ISREG(st.st_mode))
                r = copy_regular(fd, to, e);
        else
                return 0;
        return r < 0 ? error_wrap(e, r, "copying '%s'", from) : 1;
}

static int copy_named(Transaction *t, const char *directory, const char *name, const char *to,
                      const char *new_name, const char *suffix, Error *e) {
        _cleanup_free_ char *from = str_format("%s/%s%s", directory, name, suffix);
        _cleanup_free_ char *new = str_format("%s/%s%s", to, new_name, suffix);
        _cleanup_free_ char *temporary = NULL, *aside = NULL;

        if (!from || !new || temporary_name(new_name, &temporary) < 0 ||
            !(aside = path_join(to, temporary)))
                return error_oom(e);
        int r = copy_one(from, aside, e);
        if (r > 0)
                r = plan(t, aside, new, e);
        if (r < 0)
                (void) path_remove_tree(AT_FDCWD, aside);
        return r;
}

int companions_copy(const char *directory, const char *name, const char *to, const char *new_name,
                    unsigned kinds, Transaction *t, Error *e) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(sidecars) && r >= 0; i++)
                if (kinds & 1U << sidecars[i].kind)
                        r = copy_named(t, directory, name, to, new_name, sidecars[i].suffix, e);
        for (size_t i = 0; i < SETTINGS_N && r >= 0 && kinds & 1U << COMPANION_SETTINGS; i++) {
                _cleanup_free_ char *d = settings_directory(i);

                if (!d)
                        return error_oom(e);
                r = copy_named(t, d, name, d, new_name, ".nspawn", e);
                if (r >= 0)
                        r = copy_named(t, d, name, d, new_name, DROP_INS, e);
        }
        return r;
}

int companions_rename_content(const char *now, const char *directory, const char *name,
                              const char *new_name, Transaction *t, Error *e) {
        for (size_t i = 0; i < ELEMENTSOF(sidecars); i++) {
                _cleanup_free_ char *there = str_format("%s/%s%s", now, name, sidecars[i].suffix);
                _cleanup_free_ char *from = str_format("%s/%s%s", directory, name,
                                                       sidecars[i].suffix);
                _cleanup_free_ char *to = str_format("%s/%s%s", directory, new_name,
                                                     sidecars[i].suffix);
                Step step = { .kind = STEP_MOVE, .from = from, .to = to };
                struct stat st;

                if (!there || !from || !to)
                        return error_oom(e);
                if (lstat(there, &st) < 0)
                        continue;
                step.inode = st.st_ino;
                if (transaction_add(t, &step) < 0)
                        return error_oom(e);
        }
        return 0;
}

void companions_sweep(void) {
        for (size_t i = 0; i < SETTINGS_N; i++) {
                _cleanup_free_ char *d = settings_directory(i);

                if (d)
                        (void) temporary_sweep(d, NULL);
        }
}

bool companions_touch_units(const Transaction *t) {
        for (size_t k = 0; k < UNITS_N; k++) {
                _cleanup_free_ char *d = unit_directory(k);

                for (size_t i = 0; d && i < t->n; i++)
                        if (path_is_below(t->steps[i].from, d))
                                return true;
        }
        return false;
}
