/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State files, see state.h. Readers watch the directory for files that are moved in or deleted, so
 * every change is a rename; temporary names begin with ".#", which no machine's does. */
#include "machined/state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/home.h"
#include "base/name.h"
#include "base/parse.h"
#include "base/path.h"
#include "image/os-release.h"

#define STATE_SIZE_MAX (64 * 1024)

static int add_text(char ***v, const char *key, const char *value) {
        return value && *value ? strv_append_format(v, "%s=%s", key, value) : 0;
}

static int add_process(char ***v, const char *key, const char *id_key, const MachineProcess *p) {
        int r = p->pid > 0 ? strv_append_format(v, "%s=%d", key, p->pid) : 0;

        if (r >= 0 && p->pid > 0 && p->id > 0)
                r = strv_append_format(v, "%s=%llu", id_key, (unsigned long long) p->id);
        return r;
}

static int add_netifs(char ***v, const Machine *m) {
        _cleanup_(buf_done) Buf b = {};

        for (size_t i = 0; i < m->n_netifs; i++)
                if (buf_printf(&b, "%s%d", i > 0 ? " " : "", m->netifs[i]) < 0)
                        return -ENOMEM;
        return add_text(v, "NETIF", b.p);
}

static int add_numbers(char ***v, const Machine *m) {
        char id[ID128_TEXT_MAX];
        int r = 0;

        if (!id128_is_null(&m->id))
                r = add_text(v, "ID", id128_format(&m->id, id));
        if (r >= 0)
                r = add_process(v, "LEADER", "LEADER_PIDFDID", &m->leader);
        if (r >= 0)
                r = add_process(v, "SUPERVISOR", "SUPERVISOR_PIDFDID", &m->supervisor);
        if (r >= 0)
                r = strv_append_format(v, "REALTIME=%llu", (unsigned long long) m->realtime);
        if (r >= 0)
                r = strv_append_format(v, "MONOTONIC=%llu", (unsigned long long) m->monotonic);
        if (r >= 0 && m->vsock_cid != MACHINE_VSOCK_ANY)
                r = strv_append_format(v, "VSOCK_CID=%u", m->vsock_cid);
        return r;
}

/* Quotes only where they are needed: there are readers that know nothing of them. */
static int add_line(Buf *b, const char *assignment) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "-_.:/@+,%";
        const char *value = strchr(assignment, '=') + 1;

        if (strspn(value, plain) == strlen(value))
                return buf_printf(b, "%s\n", assignment);

        int r = buf_printf(b, "%.*s\"", (int) (value - assignment), assignment);
        for (; *value && r >= 0; value++) {
                if (strchr("\"\\$`", *value))
                        r = buf_append(b, "\\", 1);
                if (r >= 0)
                        r = buf_append(b, value, 1);
        }
        return r < 0 ? r : buf_puts(b, "\"\n");
}

/* Whether that a machine does not own its unit cannot be seen from the rest. */
static bool is_unowned(const Machine *m) {
        return m->unit && !m->subgroup && !m->owns_unit && !machine_unit_is_shared(m->unit);
}

int state_format(const Machine *m, Buf *ret) {
        _cleanup_strv_ char **v = NULL;
        const struct {
                const char *key, *value;
        } texts[] = {
                { "NAME", m->name },
                { "SCOPE", m->unit },
                { "SUBGROUP", m->subgroup },
                { "SCOPE_JOB", m->scope_job },
                { "SERVICE", m->service },
                { "ROOT", m->root },
                { "CLASS", machine_class_name(m->class) },
                { "SSH_ADDRESS", m->ssh_address },
                { "SSH_PRIVATE_KEY_PATH", m->ssh_key },
                { "CONTROL_ADDRESS", m->control_address },
                { "OWNS_UNIT", is_unowned(m) ? "no" : NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (add_text(&v, texts[i].key, texts[i].value) < 0)
                        return -ENOMEM;
        if (strv_append_format(&v, "UID=%u", m->uid) < 0 || add_numbers(&v, m) < 0 ||
            add_netifs(&v, m) < 0)
                return -ENOMEM;

        int r = buf_puts(ret, "# This is private data. Do not parse.\n");
        STRV_FOREACH(s, v)
                if (r >= 0)
                        r = add_line(ret, *s);
        return r;
}

static int parse_netifs(const char *s, Machine *m) {
        _cleanup_strv_ char **words = NULL;
        int r = s ? str_split(s, " \t", &words) : 0;
        size_t n = strv_length(words);

        if (r < 0)
                return r;
        if (n > MACHINE_NETIFS_MAX)
                return -EINVAL;
        if (n == 0 || !words)
                return 0;

        m->netifs = calloc(n, sizeof *m->netifs);
        if (!m->netifs)
                return -ENOMEM;
        for (; m->n_netifs < n; m->n_netifs++)
                if (parse_i32(words[m->n_netifs], m->netifs + m->n_netifs) < 0 ||
                    m->netifs[m->n_netifs] <= 0)
                        return -EINVAL;
        return 0;
}

static int parse_process(char *const *v, const char *key, const char *id_key, MachineProcess *ret) {
        const char *pid = strv_env_get(v, key), *id = strv_env_get(v, id_key);
        MachineProcess p = MACHINE_PROCESS_NONE;

        if (!pid)
                return 0;
        if (parse_pid(pid, &p.pid) < 0 || (id && parse_u64(id, 0, UINT64_MAX, &p.id) < 0))
                return -EINVAL;
        *ret = p;
        return 0;
}

static int parse_optional_u64(const char *s, uint64_t *ret) {
        return s ? parse_u64(s, 0, UINT64_MAX, ret) : 0;
}

/* Numbers and the like. Return: NULL or the key that makes no sense. */
static const char *parse_values(char *const *v, Machine *m) {
        const char *id = strv_env_get(v, "ID"), *class = strv_env_get(v, "CLASS");
        const char *uid = strv_env_get(v, "UID"), *cid = strv_env_get(v, "VSOCK_CID");

        if (id && id128_parse(id, &m->id) < 0)
                return "ID";
        MachineClass c = machine_class_parse(strempty(class));
        if (c < 0 || c == MACHINE_HOST)
                return "CLASS";
        m->class = c;
        if (uid && parse_uid(uid, &m->uid) < 0)
                return "UID";
        if (cid && parse_u32(cid, &m->vsock_cid) < 0)
                return "VSOCK_CID";
        if (parse_process(v, "LEADER", "LEADER_PIDFDID", &m->leader) < 0 || m->leader.pid <= 1)
                return "LEADER";
        if (parse_process(v, "SUPERVISOR", "SUPERVISOR_PIDFDID", &m->supervisor) < 0)
                return "SUPERVISOR";
        if (parse_optional_u64(strv_env_get(v, "REALTIME"), &m->realtime) < 0)
                return "REALTIME";
        if (parse_optional_u64(strv_env_get(v, "MONOTONIC"), &m->monotonic) < 0)
                return "MONOTONIC";
        return parse_netifs(strv_env_get(v, "NETIF"), m) < 0 ? "NETIF" : NULL;
}

static int parse_texts(char *const *v, Machine *m) {
        const struct {
                const char *key;
                char **value;
        } texts[] = {
                { "SCOPE", &m->unit },
                { "SUBGROUP", &m->subgroup },
                { "SCOPE_JOB", &m->scope_job },
                { "SERVICE", &m->service },
                { "ROOT", &m->root },
                { "SSH_ADDRESS", &m->ssh_address },
                { "SSH_PRIVATE_KEY_PATH", &m->ssh_key },
                { "CONTROL_ADDRESS", &m->control_address },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                const char *value = strv_env_get(v, texts[i].key);
                if (value && *value && str_replace(texts[i].value, value) < 0)
                        return -ENOMEM;
        }
        return 0;
}

int state_parse(const char *name, const char *text, size_t n, Machine **ret, Error *e) {
        _cleanup_(machine_freep) Machine *m = NULL;
        _cleanup_strv_ char **v = NULL;
        int r = os_release_parse(text, n, &v, e);

        if (r < 0)
                return r;
        if (!hostname_is_valid(name) || !streq_ptr(strv_env_get(v, "NAME"), name))
                return error_set(e, EINVAL, "NAME= is not the name of the file");

        r = machine_new(name, &m);
        if (r >= 0)
                r = parse_texts(v, m);
        if (r < 0)
                return error_oom(e);
        const char *bad = parse_values(v, m);
        if (bad)
                return error_set(e, EINVAL, "%s= makes no sense", bad);

        m->owns_unit = m->unit && !m->subgroup && !machine_unit_is_shared(m->unit) &&
                       !streq_ptr(strv_env_get(v, "OWNS_UNIT"), "no");
        *ret = TAKE_PTR(m);
        return 0;
}

int state_open(Error *e) {
        _cleanup_free_ char *path = home_run("systemd/machines");
        int r = path ? path_mkdirs(path, 0755) : -ENOMEM;

        if (r < 0)
                return error_set(e, r, "cannot make %s: %m", path ? path : STATE_DIRECTORY);
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? error_set(e, errno, "cannot open %s: %m", path) : fd;
}

static int save_link(int dir_fd, const Machine *m) {
        _cleanup_free_ char *name = str_format("unit:%s", m->unit);
        _cleanup_free_ char *temporary = str_format(".#unit:%s", m->unit);

        if (!name || !temporary)
                return -ENOMEM;
        (void) unlinkat(dir_fd, temporary, 0);
        if (symlinkat(m->name, dir_fd, temporary) < 0)
                return -errno;
        if (renameat(dir_fd, temporary, dir_fd, name) < 0) {
                int r = -errno;
                (void) unlinkat(dir_fd, temporary, 0);
                return r;
        }
        return 0;
}

/* As file_write_atomic() does it, with fewer calls: nobody but us writes here, one file at a time. */
static int write_file(int dir_fd, const char *name, const Buf *b) {
        char temporary[NAME_MAX + 1];

        (void) snprintf(temporary, sizeof temporary, ".#%s", name);
        _cleanup_fd_ int fd = openat(dir_fd, temporary,
                                     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        int r = fd_write_all(fd, b->p, b->n);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dir_fd, temporary, 0);
        return r;
}

int state_save(int dir_fd, const Machine *m, Error *e) {
        _cleanup_(buf_done) Buf b = {};
        int r = state_format(m, &b);

        if (r >= 0)
                r = write_file(dir_fd, m->name, &b);
        if (r >= 0 && m->owns_unit)
                r = save_link(dir_fd, m);
        return r < 0 ? error_set(e, r, "cannot write %s/%s: %m", STATE_DIRECTORY, m->name) : 0;
}

/* Whether the directory has the symlink @name with target @target. */
static bool link_points_to(int dir_fd, const char *name, const char *target) {
        char buffer[NAME_MAX + 1];
        ssize_t n = readlinkat(dir_fd, name, buffer, sizeof buffer);

        return n >= 0 && (size_t) n == strlen(target) && memcmp(buffer, target, (size_t) n) == 0;
}

void state_remove(int dir_fd, const Machine *m) {
        _cleanup_free_ char *name = m->unit ? str_format("unit:%s", m->unit) : NULL;

        if (name && link_points_to(dir_fd, name, m->name))
                (void) unlinkat(dir_fd, name, 0);
        (void) unlinkat(dir_fd, m->name, 0);
}

int state_names(int dir_fd, char ***ret, Error *e) {
        _cleanup_strv_ char **names = NULL;
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);

        if (!d)
                return error_set(e, errno, "cannot read %s: %m", STATE_DIRECTORY);
        for (struct dirent *de; (de = readdir(d));)
                if (hostname_is_valid(de->d_name) && strv_append(&names, de->d_name) < 0)
                        return error_oom(e);
        *ret = TAKE_PTR(names);
        return 0;
}

void state_sweep(int dir_fd) {
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);

        for (struct dirent *de; d && (de = readdir(d));) {
                bool link = str_skip_prefix(de->d_name, "unit:");
                if (str_skip_prefix(de->d_name, ".#") ||
                    (link && faccessat(dir_fd, de->d_name, F_OK, 0) < 0 && errno == ENOENT))
                        (void) unlinkat(dir_fd, de->d_name, 0);
        }
}

int state_load(int dir_fd, const char *name, Machine **ret, Error *e) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r = file_read(dir_fd, name, STATE_SIZE_MAX, &text, &n);

        if (r < 0)
                return error_set(e, r, "cannot read %s/%s: %m", STATE_DIRECTORY, name);
        r = state_parse(name, text, n, ret, e);
        return r < 0 ? error_wrap(e, r, "%s/%s", STATE_DIRECTORY, name) : 0;
}

void state_remove_name(int dir_fd, const char *name) {
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);

        (void) unlinkat(dir_fd, name, 0);
        for (struct dirent *de; d && (de = readdir(d));)
                if (str_skip_prefix(de->d_name, "unit:") &&
                    link_points_to(dir_fd, de->d_name, name))
                        (void) unlinkat(dir_fd, de->d_name, 0);
}
