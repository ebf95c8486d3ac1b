/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What '%' stands for in settings files: the letters of systemd, each asked for when a file has it. All
 * but the machine's own name tell of the host, so a file beside an image has no use of them. */
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id128.h"
#include "spawn/spec-files.h"
#include "spawn/users.h"

static int copy(const char *s, char **ret, Error *e) {
        char *new = strdup(s);

        if (!new)
                return error_oom(e);
        *ret = new;
        return 0;
}

static int machine_name(const void *userdata, char **ret, Error *e) {
        return copy(userdata, ret, e);
}

static int read_id(const char *path, char **ret, Error *e) {
        _cleanup_free_ char *line = NULL;
        char text[ID128_TEXT_MAX];
        Id128 id;
        int r = file_read_line(AT_FDCWD, path, &line);

        if (r < 0)
                return error_set(e, r, "cannot read '%s': %m", path);
        if (id128_parse(line, &id) < 0)
                return error_set(e, EINVAL, "there is no ID in '%s'", path);
        return copy(id128_format(&id, text), ret, e);
}

static int machine_id(const void *userdata, char **ret, Error *e) {
        (void) userdata;
        return read_id("/etc/machine-id", ret, e);
}

static int boot_id(const void *userdata, char **ret, Error *e) {
        (void) userdata;
        return read_id("/proc/sys/kernel/random/boot_id", ret, e);
}

static int host_name(const void *userdata, char **ret, Error *e) {
        struct utsname u;

        (void) userdata;
        return uname(&u) < 0 ? error_set(e, errno, "cannot ask for our name: %m")
                             : copy(u.nodename, ret, e);
}

static int kernel_release(const void *userdata, char **ret, Error *e) {
        struct utsname u;

        (void) userdata;
        return uname(&u) < 0 ? error_set(e, errno, "cannot ask for the kernel's release: %m")
                             : copy(u.release, ret, e);
}

static int user_id(const void *userdata, char **ret, Error *e) {
        char text[16];

        (void) userdata;
        (void) snprintf(text, sizeof text, "%u", getuid());
        return copy(text, ret, e);
}

/* Ourselves, as the host's own passwd file has us. */
static int find_user(User *ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        char number[16];
        int r = file_read(AT_FDCWD, "/etc/passwd", USERS_FILE_MAX, &text, NULL);

        if (r < 0)
                return error_set(e, r, "cannot read '/etc/passwd': %m");
        (void) snprintf(number, sizeof number, "%u", getuid());
        r = users_parse_passwd(text, number, ret);
        return r < 0 ? error_set(e, r, "there is no user %s in '/etc/passwd'", number) : 0;
}

static int user_name(const void *userdata, char **ret, Error *e) {
        _cleanup_(user_done) User user = {};
        int r = getuid() == 0 ? 0 : find_user(&user, e);

        (void) userdata;
        return r < 0 ? r : copy(user.name ? user.name : "root", ret, e);
}

static int user_home(const void *userdata, char **ret, Error *e) {
        _cleanup_(user_done) User user = {};
        int r = getuid() == 0 ? 0 : find_user(&user, e);

        (void) userdata;
        return r < 0 ? r : copy(user.home ? user.home : "/root", ret, e);
}

SpecifierTable spec_specifiers(const char *machine) {
        static const Specifier rows[] = {
                { 'i', false, machine_name },  { 'm', true, machine_id },
                { 'b', true, boot_id },        { 'H', true, host_name },
                { 'v', true, kernel_release }, { 'u', true, user_name },
                { 'U', true, user_id },        { 'h', true, user_home },
        };

        return (SpecifierTable){ rows, ELEMENTSOF(rows), machine };
}
