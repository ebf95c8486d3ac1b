/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Labels of security modules, see label.h. Writing them is skep-init's, as they are for the one execution
 * that follows. */
#include "spawn/label.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "spawn/spec.h"

#define SELINUX_EXEC  "/proc/thread-self/attr/exec"
#define APPARMOR_EXEC "/proc/thread-self/attr/apparmor/exec"

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* It goes among options of mounts, too, where nothing may end it early. */
int label_setting_context(const Setting *row, const char *value, void *at, Error *e) {
        size_t n = strlen(value);

        if (n == 0 || n > 512 || strspn(value, WORD "_:.,-") < n || !strchr(value, ':'))
                return error_set(e, EINVAL, "'%.80s' is not a context USER:ROLE:TYPE[:LEVEL]",
                                 value);
        return setting_string(row, value, at, e);
}

int label_setting_profile(const Setting *row, const char *value, void *at, Error *e) {
        size_t n = strlen(value);

        if (n == 0 || n > 512 || strspn(value, WORD "_:.,-/@+*{}[]?^ ") < n)
                return error_set(e, EINVAL, "'%.80s' is not the name of a profile", value);
        return setting_string(row, value, at, e);
}

bool label_wants(const struct Spec *spec) {
        return spec->selinux_context || spec->selinux_apifs_context || spec->apparmor_profile;
}

static bool has_apparmor(void) {
        char answer[2] = {};
        _cleanup_fd_ int fd = open("/sys/module/apparmor/parameters/enabled",
                                   O_RDONLY | O_CLOEXEC | O_NOCTTY);

        return fd >= 0 && fd_read(fd, answer, 1) == 1 && answer[0] == 'Y';
}

static bool has_selinux(void) {
        struct statfs fs;

        return statfs("/sys/fs/selinux", &fs) >= 0 && (unsigned) fs.f_type == SELINUX_MAGIC;
}

int label_check(const struct Spec *spec, Error *e) {
        if (spec->apparmor_profile && !has_apparmor())
                return error_set(e, EOPNOTSUPP,
                                 "--apparmor-profile: this kernel does not run AppArmor");
        if ((spec->selinux_context || spec->selinux_apifs_context) && !has_selinux())
                return error_set(e, EOPNOTSUPP, "--selinux-%s: this kernel does not run SELinux",
                                 spec->selinux_context ? "context" : "apifs-context");
        return 0;
}

int label_make(const struct Spec *spec, const char **ret_file, char **ret_text) {
        *ret_file = NULL;
        if (spec->selinux_context) {
                *ret_text = strdup(spec->selinux_context);
                *ret_file = SELINUX_EXEC;
                return *ret_text ? 0 : -ENOMEM;
        }
        if (spec->apparmor_profile) {
                *ret_text = str_format("exec %s", spec->apparmor_profile);
                *ret_file = APPARMOR_EXEC;
                return *ret_text ? 0 : -ENOMEM;
        }
        return 0;
}
