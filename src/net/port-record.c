/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of ports, see port-record.h. Lines of a word and its values:
 *
 *   netns INODE
 *   link NAME [shared]
 *   inside ADDRESS
 *   former ADDRESS
 *   port VALUE          as --port= takes it */
#include "net/port-record.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"

#define RECORD_MAX ((size_t) 1024 * 1024)

void port_record_done(PortRecord *p) {
        port_list_done(&p->ports);
        *p = (PortRecord){};
}

static int format_addresses(const char *word, const Ip ip[static 2], Buf *out) {
        char text[IP_TEXT_MAX];
        int r = 0;

        for (size_t i = 0; i < 2 && r >= 0; i++)
                if (ip[i].family != AF_UNSPEC)
                        r = buf_printf(out, "%s %s\n", word, ip_format(ip + i, text));
        return r;
}

int port_record_format(const PortRecord *p, Buf *out) {
        int r = buf_printf(out, "netns %llu\n", (unsigned long long) p->netns);

        if (r >= 0 && *p->link)
                r = buf_printf(out, "link %s%s\n", p->link, p->link_is_shared ? " shared" : "");
        if (r >= 0)
                r = format_addresses("inside", p->inside, out);
        if (r >= 0)
                r = format_addresses("former", p->former, out);
        for (size_t i = 0; i < p->ports.n && r >= 0; i++) {
                r = buf_puts(out, "port ");
                if (r >= 0)
                        r = port_format(p->ports.v + i, out);
                if (r >= 0)
                        r = buf_puts(out, "\n");
        }
        return r;
}

static int parse_address(const char *value, Ip to[static 2]) {
        Ip ip;

        if (ip_parse(value, &ip) < 0)
                return -EBADMSG;
        to[ip.family == AF_INET6] = ip;
        return 0;
}

static int parse_link(char *value, PortRecord *p) {
        char *flag = strchr(value, ' ');

        if (flag)
                *flag++ = '\0';
        if (!*value || strlen(value) >= sizeof p->link || (flag && !streq(flag, "shared")))
                return -EBADMSG;
        (void) snprintf(p->link, sizeof p->link, "%s", value);
        p->link_is_shared = flag;
        return 0;
}

static int parse_line(char *line, PortRecord *p) {
        char *value = strchr(line, ' ');
        Port port;

        if (!value)
                return -EBADMSG;
        *value++ = '\0';
        if (streq(line, "netns"))
                return parse_u64(value, 0, UINT64_MAX, &p->netns) < 0 ? -EBADMSG : 0;
        if (streq(line, "link"))
                return parse_link(value, p);
        if (streq(line, "inside"))
                return parse_address(value, p->inside);
        if (streq(line, "former"))
                return parse_address(value, p->former);
        if (!streq(line, "port"))
                return 0; /* of a later version */
        if (port_parse(value, &port, NULL) < 0)
                return -EBADMSG;
        int r = port_list_add(&p->ports, &port, NULL);
        return r == -ENOMEM || r >= 0 ? r : -EBADMSG;
}

int port_record_parse(const char *text, PortRecord *ret) {
        _cleanup_free_ char *copy = strdup(text);
        _cleanup_(port_record_done) PortRecord p = {};
        char *save = NULL;

        if (!copy)
                return -ENOMEM;
        for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                int r = parse_line(line, &p);
                if (r < 0)
                        return r;
        }
        *ret = p;
        p = (PortRecord){};
        return 0;
}

int port_record_open(void) {
        int fd = open(PORT_RECORD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT && path_mkdirs(PORT_RECORD_DIR, 0755) >= 0)
                fd = open(PORT_RECORD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int port_record_lock(Error *e) {
        _cleanup_fd_ int fd = port_record_open();
        int r = fd;

        while (r >= 0 && flock(fd, LOCK_EX) < 0)
                if (errno != EINTR)
                        r = -errno;
        return r < 0 ? error_set(e, r, "cannot lock '" PORT_RECORD_DIR "': %m") : TAKE_FD(fd);
}

int port_record_read(int dir_fd, const char *machine, PortRecord *ret) {
        _cleanup_free_ char *text = NULL;
        int r = file_read(dir_fd, machine, RECORD_MAX, &text, NULL);

        return r < 0 ? r : port_record_parse(text, ret);
}

int port_record_write(int dir_fd, const char *machine, const PortRecord *p, Error *e) {
        _cleanup_(buf_done) Buf text = {};
        int r = port_record_format(p, &text);

        if (r < 0)
                return error_oom(e);
        r = file_write_atomic(dir_fd, machine, text.p, text.n, 0644);
        return r < 0 ? error_set(e, r, "cannot write '" PORT_RECORD_DIR "/%s': %m", machine) : 0;
}

void port_record_remove(int lock_fd, const char *machine) {
        _cleanup_dir_ DIR *d = dir_open_again(lock_fd);

        (void) unlinkat(lock_fd, machine, 0);
        for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d))
                if (str_skip_prefix(entry->d_name, ".#"))
                        (void) unlinkat(lock_fd, entry->d_name, 0);
}

int port_record_each(int dir_fd, PortRecordEach each, void *data) {
        _cleanup_dir_ DIR *d = dir_open_again(dir_fd);

        if (!d)
                return -errno;
        for (struct dirent *entry = readdir(d); entry; entry = readdir(d)) {
                _cleanup_(port_record_done) PortRecord p = {};

                if (entry->d_name[0] == '.' || port_record_read(dir_fd, entry->d_name, &p) < 0)
                        continue;
                int r = each(entry->d_name, &p, data);
                if (r != 0)
                        return r;
        }
        return 0;
}

uint64_t port_record_netns(void) {
        struct stat st;

        return stat("/proc/self/ns/net", &st) < 0 ? 0 : st.st_ino;
}
