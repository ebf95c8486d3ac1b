/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Switching on and off of forwarding, see forwarding.h. The file of what was changed lies beside the
 * records of machines, a line a change: path below /proc/sys/net, what it was, what we made of it. */
#include "net/forwarding.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"

#define NET      "/proc/sys/net/"
#define CHANGES  "../forwarding"
#define TEXT_MAX (1024 * 1024)
#define ALL6     "ipv6/conf/all/forwarding"
#define FORCE    "force_forwarding"

static int add(ForwardingPlan *p, const char *family, const char *link, const char *key, int from,
               int to) {
        ForwardingChange *v = reallocarray(p->v, p->n + 1, sizeof *v);

        if (!v)
                return -ENOMEM;
        p->v = v;
        v[p->n] = (ForwardingChange){ .from = from, .to = to };
        (void) snprintf(v[p->n].path, sizeof v->path, "%s/conf/%s/%s", family, link, key);
        p->n++;
        return 0;
}

int forwarding_plan(const ForwardingFacts *facts, bool v4, bool v6, ForwardingPlan *ret) {
        ForwardingPlan p = {};
        bool all6 = false;
        int r = 0;

        for (size_t i = 0; i < facts->n && r >= 0; i++) {
                const ForwardingLink *l = facts->v + i;
                if (v4 && !facts->all4 && !l->forwards4)
                        r = add(&p, "ipv4", l->name, "forwarding", 0, 1);
                if (r < 0 || !v6 || facts->all6)
                        continue;
                if (l->forwards6 == 0)
                        r = add(&p, "ipv6", l->name, FORCE, 0, 1);
                else if (l->forwards6 < 0) {
                        all6 = true;
                        if (l->accept_ra == 1)
                                r = add(&p, "ipv6", l->name, "accept_ra", 1, 2);
                }
        }
        if (r >= 0 && all6)
                r = add(&p, "ipv6", "all", "forwarding", 0, 1);
        if (r < 0) {
                forwarding_plan_done(&p);
                return r;
        }
        *ret = p;
        return 0;
}

void forwarding_plan_done(ForwardingPlan *p) {
        free(p->v);
        *p = (ForwardingPlan){};
}

/* Return: the number in a file below /proc/sys/net; -errno. */
static int read_number(const char *path) {
        _cleanup_free_ char *full = str_format(NET "%s", path), *line = NULL;
        int32_t n;
        int r = full ? file_read_line(AT_FDCWD, full, &line) : -ENOMEM;

        if (r >= 0)
                r = parse_i32(line, &n);
        return r < 0 ? r : MAX(n, 0);
}

static int write_number(const char *path, int n) {
        _cleanup_free_ char *full = str_format(NET "%s", path);
        char text[16];

        (void) snprintf(text, sizeof text, "%d", n);
        return full ? file_write(AT_FDCWD, full, text, 0, 0) : -ENOMEM;
}

static int read_link_number(const char *family, const char *link, const char *key) {
        char path[64 + IFNAMSIZ];

        (void) snprintf(path, sizeof path, "%s/conf/%.*s/%s", family, IFNAMSIZ, link, key);
        return read_number(path);
}

static int read_links(ForwardingFacts *facts) {
        _cleanup_dir_ DIR *d = opendir(NET "ipv4/conf");

        for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d)) {
                const char *name = entry->d_name;
                if (name[0] == '.' || streq(name, "all") || streq(name, "default") ||
                    streq(name, "lo") || strlen(name) >= IFNAMSIZ)
                        continue;
                ForwardingLink *v = reallocarray(facts->v, facts->n + 1, sizeof *v);
                if (!v)
                        return -ENOMEM;
                facts->v = v;
                ForwardingLink *l = v + facts->n++;
                *l = (ForwardingLink){
                        .forwards4 = read_link_number("ipv4", name, "forwarding") != 0,
                        .accept_ra = read_link_number("ipv6", name, "accept_ra"),
                };
                memcpy(l->name, name, strlen(name) + 1);
                int force = read_link_number("ipv6", name, FORCE);
                /* 1 also where it knows nothing of IPv6 at all: there is nothing to switch on. */
                l->forwards6 = force >= 0 ? force : l->accept_ra >= 0 ? -1 : 1;
        }
        return 0;
}

static int append_changes(int lock_fd, const ForwardingPlan *p) {
        _cleanup_(buf_done) Buf out = {};

        for (size_t i = 0; i < p->n; i++)
                if (buf_printf(&out, "%s %d %d\n", p->v[i].path, p->v[i].from, p->v[i].to) < 0)
                        return -ENOMEM;
        return file_write(lock_fd, CHANGES, out.p, O_CREAT | O_APPEND, 0644);
}

int forwarding_enable(int lock_fd, bool v4, bool v6, Error *e) {
        _cleanup_(forwarding_plan_done) ForwardingPlan plan = {};
        ForwardingFacts facts = { .all4 = v4 && read_number("ipv4/ip_forward") == 1,
                                  .all6 = v6 && read_number(ALL6) == 1 };
        int r = 0;

        if ((!v4 || facts.all4) && (!v6 || facts.all6))
                return 0;
        r = read_links(&facts);
        if (r >= 0)
                r = forwarding_plan(&facts, v4, v6, &plan);
        free(facts.v);
        if (r < 0)
                return error_oom(e);
        if (plan.n == 0)
                return 0;
        r = append_changes(lock_fd, &plan);
        if (r < 0)
                return error_set(e, r, "cannot write down which interfaces forward: %m");
        for (size_t i = 0; i < plan.n; i++) {
                r = write_number(plan.v[i].path, plan.v[i].to);
                if (r < 0 && r != -ENOENT) /* the interface is gone */
                        return error_set(e, r, "cannot switch on forwarding (" NET "%s): %m",
                                         plan.v[i].path);
        }
        return 0;
}

/* Calls @each for the changes, the last one first. */
static int each_change(int lock_fd, int (*each)(const ForwardingChange *c, void *data),
                       void *data) {
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        int r = file_read(lock_fd, CHANGES, TEXT_MAX, &text, NULL);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = str_split(text, "\n", &lines);
        for (size_t i = strv_length(lines); i > 0 && r >= 0; i--) {
                _cleanup_strv_ char **words = NULL;
                ForwardingChange c;
                if (str_split(lines[i - 1], " ", &words) < 0 || strv_length(words) != 3 ||
                    strlen(words[0]) >= sizeof c.path || strstr(words[0], "..") ||
                    parse_i32(words[1], &c.from) < 0 || parse_i32(words[2], &c.to) < 0)
                        continue;
                memcpy(c.path, words[0], strlen(words[0]) + 1);
                r = each(&c, data);
        }
        return r;
}

/* Who makes the host a router sets what every interface has: what was ours is then as he wants it. */
static int restore(const ForwardingChange *c, void *data) {
        const bool *is_router = data;

        if (*is_router && str_skip_prefix(c->path, "ipv4/"))
                return 0;
        if (read_number(c->path) == c->to)
                (void) write_number(c->path, c->from);
        return 0;
}

void forwarding_restore(int lock_fd) {
        bool is_router = read_number("ipv4/ip_forward") == 1;

        (void) each_change(lock_fd, restore, &is_router);
        (void) unlinkat(lock_fd, CHANGES, 0);
}

static int add_name(const ForwardingChange *c, void *data) {
        _cleanup_strv_ char **parts = NULL;
        char ***names = data;

        if (str_split(c->path, "/", &parts) < 0)
                return -ENOMEM;
        if (strv_length(parts) != 4 || streq(parts[2], "all") || !strstr(parts[3], "forwarding") ||
            strv_contains(*names, parts[2]))
                return 0;
        return strv_append(names, parts[2]);
}

int forwarding_opened(int lock_fd, char ***names) {
        return each_change(lock_fd, add_name, names);
}
