/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of machines with addresses of ours, see member.h. A record is lines of words, as an administrator
 * can read it. */
#include "net/member.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"

#define FOLDER     "/run/skep/network/machines"
#define RECORD_MAX (64 * 1024)

int member_add(Member *m, const MemberAddress *a) {
        MemberAddress *p = reallocarray(m->v, m->n + 1, sizeof *p);

        if (!p)
                return -ENOMEM;
        m->v = p;
        m->v[m->n++] = *a;
        return 0;
}

void member_done(Member *m) {
        free(m->v);
        *m = (Member){};
}

void member_list_done(MemberList *l) {
        for (size_t i = 0; i < l->n; i++)
                member_done(l->v + i);
        free(l->v);
        *l = (MemberList){};
}

Member *member_list_find(const MemberList *l, const char *name) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->v[i].name, name))
                        return l->v + i;
        return NULL;
}

static int format_address(const MemberAddress *a, Buf *out) {
        char text[IP_PREFIX_TEXT_MAX];
        int r = buf_printf(out, "address %s link=%s inside=%s", ip_prefix_format(&a->address, text),
                           a->link, a->inside);

        if (r >= 0 && a->host.ip.family != AF_UNSPEC)
                r = buf_printf(out, " host=%s", ip_prefix_format(&a->host, text));
        if (r >= 0 && a->gateway.family != AF_UNSPEC)
                r = buf_printf(out, " gateway=%s", ip_format(&a->gateway, text));
        if (r >= 0)
                r = buf_printf(out, "%s%s\n", a->nat ? " nat" : "", a->picked ? " picked" : "");
        return r;
}

int member_format(const Member *m, Buf *out) {
        int r = buf_printf(out, "maker %s\n", m->maker);

        if (r >= 0 && m->segment[0])
                r = buf_printf(out, "segment %s\n", m->segment);
        if (r >= 0 && m->hostname[0])
                r = buf_printf(out, "hostname %s\n", m->hostname);
        if (r >= 0 && m->hosts_head > 0)
                r = buf_printf(out, "hosts %zu\n", m->hosts_head);
        for (size_t i = 0; i < m->n && r >= 0; i++)
                r = format_address(m->v + i, out);
        return r;
}

static int copy(char *to, size_t size, const char *from) {
        size_t n = strlen(from);

        if (n == 0 || n >= size)
                return -EINVAL;
        memcpy(to, from, n + 1);
        return 0;
}

static int parse_address(char *text, MemberAddress *a) {
        char *save = NULL, *word = strtok_r(text, " ", &save);
        const char *value;

        if (!word || ip_prefix_parse(word, &a->address) < 0)
                return -EINVAL;
        while ((word = strtok_r(NULL, " ", &save))) {
                int r = 0;
                if (streq(word, "nat"))
                        a->nat = true;
                else if (streq(word, "picked"))
                        a->picked = true;
                else if ((value = str_skip_prefix(word, "link=")))
                        r = copy(a->link, sizeof a->link, value);
                else if ((value = str_skip_prefix(word, "inside=")))
                        r = copy(a->inside, sizeof a->inside, value);
                else if ((value = str_skip_prefix(word, "host=")))
                        r = ip_prefix_parse(value, &a->host);
                else if ((value = str_skip_prefix(word, "gateway=")))
                        r = ip_parse(value, &a->gateway);
                else
                        r = -EINVAL;
                if (r < 0)
                        return r;
        }
        return a->link[0] && a->inside[0] ? 0 : -EINVAL;
}

static int parse_line(char *line, Member *m) {
        char *value = strchr(line, ' ');
        MemberAddress a = {};
        uint64_t n;
        int r;

        if (!value)
                return -EINVAL;
        *value++ = '\0';
        if (streq(line, "maker"))
                return copy(m->maker, sizeof m->maker, value);
        if (streq(line, "segment"))
                return copy(m->segment, sizeof m->segment, value);
        if (streq(line, "hostname"))
                return copy(m->hostname, sizeof m->hostname, value);
        if (streq(line, "hosts")) {
                r = parse_u64(value, 1, SIZE_MAX, &n);
                m->hosts_head = r < 0 ? 0 : (size_t) n;
                return r;
        }
        if (!streq(line, "address"))
                return -EINVAL;
        r = parse_address(value, &a);
        return r < 0 ? r : member_add(m, &a);
}

int member_parse(const char *name, char *text, Member *ret) {
        Member m = {};
        char *save = NULL;
        int r = copy(m.name, sizeof m.name, name);

        for (char *line = strtok_r(text, "\n", &save); line && r >= 0;
             line = strtok_r(NULL, "\n", &save))
                r = parse_line(line, &m);
        if (r >= 0 && !m.maker[0])
                r = -EINVAL;
        if (r < 0) {
                member_done(&m);
                return r;
        }
        *ret = m;
        return 0;
}

int member_lock(Error *e) {
        int r = path_mkdirs(FOLDER, 0755);

        if (r < 0)
                return error_set(e, r, "cannot make '%s': %m", FOLDER);
        _cleanup_fd_ int fd = open(FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return error_set(e, errno, "cannot open '%s': %m", FOLDER);
        do
                r = flock(fd, LOCK_EX);
        while (r < 0 && errno == EINTR);
        return r < 0 ? error_set(e, errno, "cannot lock '%s': %m", FOLDER) : TAKE_FD(fd);
}

static int read_one(int lock_fd, const char *name, MemberList *l) {
        _cleanup_free_ char *text = NULL;
        Member m;

        int r = file_read(lock_fd, name, RECORD_MAX, &text, NULL);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (member_parse(name, text, &m) < 0)
                return 0;
        Member *p = reallocarray(l->v, l->n + 1, sizeof *p);
        if (!p) {
                member_done(&m);
                return -ENOMEM;
        }
        l->v = p;
        l->v[l->n++] = m;
        return 0;
}

int member_read_all(int lock_fd, MemberList *ret, Error *e) {
        _cleanup_(member_list_done) MemberList l = {};
        _cleanup_dir_ DIR *d = dir_open_again(lock_fd);
        int r = 0;

        if (!d)
                return error_set(e, errno, "cannot read '%s': %m", FOLDER);
        for (struct dirent *entry = readdir(d); entry && r >= 0; entry = readdir(d)) {
                if (entry->d_name[0] != '.')
                        r = read_one(lock_fd, entry->d_name, &l);
                else if (entry->d_name[1] ==
                         '#') /* of one who died over it, for we have the lock */
                        (void) unlinkat(lock_fd, entry->d_name, 0);
        }
        if (r < 0)
                return error_set(e, r, "cannot read the records in '%s': %m", FOLDER);
        *ret = l;
        l = (MemberList){};
        return 0;
}

int member_write(int lock_fd, const Member *m, Error *e) {
        _cleanup_(buf_done) Buf out = {};

        if (member_format(m, &out) < 0)
                return error_oom(e);
        int r = file_write_atomic(lock_fd, m->name, out.p, out.n, 0644);
        return r < 0 ? error_set(e, r, "cannot write '%s/%s': %m", FOLDER, m->name) : 0;
}

void member_remove(int lock_fd, const char *name) {
        (void) unlinkat(lock_fd, name, 0);
}
