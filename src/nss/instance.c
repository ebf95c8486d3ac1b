/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What machine managers write down, see instance.h: "/run/systemd/machines" and the user's own. A name that
 * is not there costs one system call for each, and nobody is asked. */
#include "nss/instance.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/name.h"
#include "base/parse.h"

#define FILE_MAX (64U << 10)

/* Not for who has rights that the user has not. */
static bool user_directory(Instance *ret) {
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        int n;

        if (getauxval(AT_SECURE))
                return false;
        if (runtime)
                n = runtime[0] == '/' ? snprintf(ret->directory, sizeof(ret->directory),
                                                 "%s/systemd", runtime)
                                      : -1;
        else
                n = snprintf(ret->directory, sizeof(ret->directory), "/run/user/%u/systemd",
                             (unsigned) geteuid());
        ret->is_user = true;
        return n > 0 && (size_t) n < sizeof(ret->directory);
}

bool instance_get(unsigned index, Instance *ret) {
        *ret = (Instance){ .directory = "/run/systemd" };
        if (index == 0 && user_directory(ret))
                return true;
        *ret = (Instance){ .directory = "/run/systemd" };
        return index < 2;
}

char *instance_path(const Instance *i, const char *below, const char *name) {
        return str_format("%s/%s/%s", i->directory, below, name);
}

/* Value of a line KEY=value, as it stands there. Return: NULL = there is no such line. */
static char *find_value(const char *text, const char *key) {
        size_t n = strlen(key);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, key, n) == 0 && line[n] == '=')
                        return strndup(line + n + 1, strcspn(line + n + 1, "\n"));
        }
        return NULL;
}

static void parse_links(const char *value, InstanceMachine *m) {
        _cleanup_strv_ char **words = NULL;
        uint32_t link;

        if (str_split(value, " \"", &words) < 0)
                return;
        STRV_FOREACH(word, words)
                if (parse_u32(*word, &link) >= 0 && link > 0 && m->n_links < INSTANCE_LINKS_MAX)
                        m->links[m->n_links++] = link;
}

int instance_parse(const Instance *i, const char *text, InstanceMachine *ret) {
        _cleanup_free_ char *uid = find_value(text, "UID"), *class = find_value(text, "CLASS");
        _cleanup_free_ char *links = find_value(text, "NETIF");
        InstanceMachine m = {};
        uint32_t owner = 0;

        if (!class || streq(class, "host"))
                return 0;
        if (uid && parse_u32(uid, &owner) < 0)
                return 0;
        if (!i->is_user && owner != 0 && owner != geteuid())
                return 0;
        if (links)
                parse_links(links, &m);
        *ret = m;
        return 1;
}

int instance_machine(const Instance *i, const char *name, InstanceMachine *ret) {
        _cleanup_free_ char *path = NULL, *text = NULL;

        /* This one means the host, whatever a machine is called. */
        if (!hostname_is_valid(name) || strcasecmp(name, "localhost") == 0)
                return 0;
        path = instance_path(i, "machines", name);
        if (!path)
                return -ENOMEM;
        int r = file_read(AT_FDCWD, path, FILE_MAX, &text, NULL);
        /* A directory that is not for us has no machines of ours. */
        if (r == -ENOENT || r == -EACCES || r == -ENOTDIR)
                return 0;
        return r < 0 ? r : instance_parse(i, text, ret);
}
