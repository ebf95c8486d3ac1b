/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of one machine's unit, see machine-unit.h. They are a drop-in of skep@NAME.service, which is
 * linked for the other names that the machine may be started by, and, with a template of its own, a link
 * from that name to the template: so whoever starts the machine, with whatever tool, gets the same, and
 * "systemctl cat" shows it. ExecStart= stays the template's: it names a variable, which the drop-in sets. */
#include "ctl/machine-unit.h"

#include <unistd.h>

#include "base/path.h"
#include "ctl/spawner.h"

#define DROP_IN "50-enable.conf"

const char *const machine_templates[] = {
        MACHINE_TEMPLATE,
        MACHINE_TEMPLATE_EPHEMERAL,
        "systemd-nspawn@.service",
        NULL,
};

bool machine_unit_is_set(const MachineUnit *u) {
        return u->template || u->slice || u->arguments;
}

/* What systemd takes in names of units, but '@' and what would be escaped. */
static bool unit_name_is_plain(const char *s, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                      (s[i] >= '0' && s[i] <= '9') || strchr(":_.-", s[i])))
                        return false;
        return n > 0 && n < 200;
}

static bool unit_name_is_slice(const char *s) {
        static const char suffix[] = ".slice";
        size_t n = strlen(s) - (str_has_suffix(s, suffix) ? strlen(suffix) : 0);

        /* Each '-' is one level down. */
        return s[n] && unit_name_is_plain(s, n) &&
               (streq(s, "-.slice") || (s[0] != '-' && s[n - 1] != '-' && !strstr(s, "--")));
}

static bool unit_name_is_template(const char *s) {
        static const char suffix[] = "@.service";

        return str_has_suffix(s, suffix) && unit_name_is_plain(s, strlen(s) - strlen(suffix));
}

int machine_unit_check(const MachineUnit *u, Error *e) {
        if (u->template && !unit_name_is_template(u->template))
                return error_set(e, EINVAL,
                                 "'%.80s' cannot be the name of a template (NAME@.service)",
                                 u->template);
        if (u->slice && !unit_name_is_slice(u->slice))
                return error_set(e, EINVAL, "'%.80s' cannot be the name of a slice (NAME.slice)",
                                 u->slice);
        STRV_FOREACH(a, u->arguments) {
                if (!**a)
                        return error_set(e, EINVAL, "an argument of the spawner is empty");
                for (const char *p = *a; *p; p++)
                        if ((unsigned char) *p < ' ' || *p == 0x7f)
                                return error_set(e, EINVAL,
                                                 "an argument of the spawner holds a control "
                                                 "character: '%.60s'",
                                                 *a);
                if (!str_is_utf8(*a, strlen(*a)))
                        return error_set(e, EINVAL, "an argument of the spawner is no UTF-8");
        }
        return 0;
}

int machine_unit_try(const char *machine, const MachineUnit *u, Error *e) {
        _cleanup_strv_ char **argv = NULL;
        int r = strv_append_format(&argv, "--machine=%s", machine);

        /* As the template has them, so that what excludes one of them is found. */
        if (r >= 0)
                r = strv_append(&argv, "--boot");
        if (r >= 0)
                r = strv_append(&argv, "--settings=override");
        STRV_FOREACH(a, u->arguments)
                if (r >= 0)
                        r = strv_append(&argv, *a);
        if (r < 0)
                return error_oom(e);
        r = spawner_try(argv, e);
        return r == -EINVAL ? error_wrap(e, r, "the spawner does not take the arguments") : r;
}

/* A word as two readers in turn want it: who reads the assignment, and who splits the variable into
 * arguments. Both know double quotes and backslashes; the first expands what begins with '%'. */
static int put_word(Buf *out, const char *s) {
        int r = buf_puts(out, "\\\"");

        for (; *s && r >= 0; s++)
                if (*s == '"')
                        r = buf_puts(out, "\\\\\\\"");
                else if (*s == '\\')
                        r = buf_puts(out, "\\\\\\\\");
                else if (*s == '%')
                        r = buf_puts(out, "%%");
                else
                        r = buf_append(out, s, 1);
        return r < 0 ? r : buf_puts(out, "\\\"");
}

int machine_unit_format(const char *machine, const MachineUnit *u, Buf *out) {
        int r = buf_printf(
                out,
                "# Written by \"skep enable %s\", and removed by \"skep disable %s\". What "
                "shall stay\n# belongs into a file of its own beside this one.\n\n"
                "[Unit]\nPartOf=machines.target\nBefore=machines.target\n\n[Service]\n",
                machine, machine);

        if (u->slice && r >= 0)
                r = buf_printf(out, "Slice=%s\n", u->slice);
        if (u->arguments && r >= 0)
                r = buf_puts(out, "Environment=\"SKEP_ARGUMENTS=");
        STRV_FOREACH(a, u->arguments) {
                if (r >= 0 && a != u->arguments)
                        r = buf_puts(out, " ");
                if (r >= 0)
                        r = put_word(out, *a);
        }
        if (u->arguments && r >= 0)
                r = buf_puts(out, "\"\n");
        return r;
}

char *machine_unit_instance(const char *template, const char *machine) {
        const char *at = strchr(template, '@');

        return at ? str_format("%.*s@%s%s", (int) (at - template), template, machine, at + 1)
                  : NULL;
}

/* A symbolic link in the place of whatever has the name, in one step. */
static int replace_link(int dir_fd, const char *name, const char *target) {
        _cleanup_free_ char *aside = str_format(".#%s.%d", name, (int) getpid());

        if (!aside)
                return -ENOMEM;
        if (symlinkat(target, dir_fd, aside) < 0)
                return -errno;
        if (renameat(dir_fd, aside, dir_fd, name) >= 0)
                return 0;

        int r = -errno;
        (void) unlinkat(dir_fd, aside, 0);
        return r;
}

/* The directory of drop-ins of a unit, made if it has to be. Return: a descriptor or -errno. */
static int open_drop_ins(const char *directory, const char *unit) {
        _cleanup_free_ char *path = str_format("%s/%s.d", directory, unit);

        if (!path)
                return -ENOMEM;
        int r = path_mkdirs(path, 0755);
        if (r < 0)
                return r;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int write_drop_in(const char *directory, const char *machine, const char *template,
                         const char *text, Error *e) {
        _cleanup_free_ char *unit = machine_unit_instance(template, machine);
        _cleanup_fd_ int fd = -EBADF;
        int r;

        if (!unit)
                return error_oom(e);
        fd = open_drop_ins(directory, unit);
        r = fd;
        if (r >= 0 && text)
                r = file_write_atomic(fd, DROP_IN, text, strlen(text), 0644);
        else if (r >= 0) {
                _cleanup_free_ char *first = machine_unit_instance(MACHINE_TEMPLATE, machine);
                _cleanup_free_ char *target = first ? str_format("../%s.d/" DROP_IN, first) : NULL;

                r = target ? replace_link(fd, DROP_IN, target) : -ENOMEM;
        }
        return r < 0 ? error_set(e, r, "cannot write %s/%s.d/" DROP_IN ": %m", directory, unit) : 0;
}

/* Whether a name of a unit is a link to another: what is masked, and what is a file, is the
 * administrator's. Return: 1; 0 no file; -EEXIST; -errno. */
static int has_alias(int dir_fd, const char *unit) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(dir_fd, unit, target, sizeof(target));

        if (n < 0)
                return errno == ENOENT ? 0 : errno == EINVAL ? -EEXIST : -errno;
        return n == (ssize_t) strlen("/dev/null") && memcmp(target, "/dev/null", (size_t) n) == 0
                       ? -EEXIST
                       : 1;
}

int machine_unit_write(const char *directory, const char *machine, const MachineUnit *u,
                       const char *fragment, Error *e) {
        _cleanup_free_ char *link = machine_unit_instance(MACHINE_TEMPLATE, machine);
        _cleanup_(buf_done) Buf text = {};
        _cleanup_fd_ int fd = -EBADF;
        int r = 0;

        if (!link || machine_unit_format(machine, u, &text) < 0)
                return error_oom(e);
        for (const char *const *t = machine_templates; *t && r >= 0; t++)
                r = write_drop_in(directory, machine, *t, t == machine_templates ? text.p : NULL,
                                  e);
        if (r < 0)
                return r;

        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : has_alias(fd, link);
        if (r == -EEXIST)
                return fragment ? error_set(e, EEXIST, "%s/%s is there already, and no link",
                                            directory, link)
                                : 0;
        if (r >= 0 && fragment)
                r = replace_link(fd, link, fragment);
        else if (r > 0)
                r = unlinkat(fd, link, 0) < 0 ? -errno : 0;
        return r < 0 ? error_set(e, r, "cannot write %s/%s: %m", directory, link) : 0;
}

/* Return: 1 removed, 0 not there, -errno. */
static int remove_drop_in(int dir_fd, const char *unit) {
        _cleanup_free_ char *directory = str_format("%s.d", unit);
        _cleanup_free_ char *file = directory ? path_join(directory, DROP_IN) : NULL;

        if (!file)
                return -ENOMEM;
        if (unlinkat(dir_fd, file, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        /* Others may have files in it. */
        (void) unlinkat(dir_fd, directory, AT_REMOVEDIR);
        return 1;
}

static int remove_alias(int dir_fd, const char *unit) {
        int r = has_alias(dir_fd, unit);

        if (r <= 0)
                return r == -EEXIST ? 0 : r;
        return unlinkat(dir_fd, unit, 0) < 0 ? -errno : 1;
}

int machine_unit_remove(const char *directory, const char *machine, Error *e) {
        _cleanup_fd_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int n = 0;

        if (fd < 0)
                return errno == ENOENT ? 0 : error_set(e, errno, "cannot open %s: %m", directory);
        for (const char *const *t = machine_templates; *t; t++) {
                _cleanup_free_ char *unit = machine_unit_instance(*t, machine);
                int r;

                if (!unit)
                        return error_oom(e);
                r = remove_drop_in(fd, unit);
                if (r >= 0 && t == machine_templates) {
                        n += r;
                        r = remove_alias(fd, unit);
                }
                if (r < 0)
                        return error_set(e, r, "cannot remove what is in %s of %s: %m", directory,
                                         unit);
                n += r;
        }
        return n > 0;
}
