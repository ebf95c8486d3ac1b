/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a machine finds written about its network, see network-files.h. The builder makes it: the image's
 * /etc/hosts is read in the image's root alone, and only if it is a file of decent size. */
#include "spawn/network-files.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/handshake.h"
#include "base/path.h"
#include "net/hosts.h"
#include "spawn/guest-file.h"

#define FOLDER    "/run/skep/network/resolv"
#define HOSTS_MAX (64 * 1024)

static const char host_file[] = "/etc/resolv.conf",
                  uplink_file[] = "/run/systemd/resolve/resolv.conf";

static void note(const Run *run, int r, Error *e) {
        if (r < 0)
                (void) handshake_send_note(run->handshake_fd, e);
}

/* The image's lines, as far as they can be had. Return: the text, or NULL. */
static char *read_hosts(const Run *run, size_t *ret_n) {
        char *text = NULL;
        Error e = {};
        int r = path_read_in_root(run->root_fd, "/etc/hosts", HOSTS_MAX, &text, ret_n);

        if (r >= 0)
                return text;
        if (r != -ENOENT)
                note(run, error_set(&e, r, "'/etc/hosts' of the image is not taken over: %m"), &e);
        return NULL;
}

static int apply_hosts(const Run *run, const GuestFile *f, Error *e) {
        _cleanup_free_ char *path = hosts_path(run->member->name), *text = NULL;
        _cleanup_(buf_done) Buf head = {};
        size_t n = 0;

        if (!path)
                return error_oom(e);
        text = read_hosts(run, &n);
        if (hosts_head(text, n, &head) < 0)
                return error_oom(e);
        _cleanup_fd_ int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
        int r = fd < 0 ? -errno : fd_write_all(fd, head.p, head.n);
        if (r < 0)
                return error_set(e, r, "cannot write '%s': %m", path);
        return guest_file_bind(f, path, e);
}

static bool is_loopback(const char *server) {
        return str_skip_prefix(server, "127.") || streq(server, "::1") ||
               str_skip_prefix(server, "fe80:");
}

/* Of the host's: search list and options as they are, servers that others reach as well. */
static int add_host_lines(const char *host, bool servers, unsigned *n, Buf *out) {
        _cleanup_strv_ char **lines = NULL;

        if (str_split(host, "\n", &lines) < 0)
                return -ENOMEM;
        STRV_FOREACH(line, lines) {
                _cleanup_strv_ char **words = NULL;
                if (str_split(*line, " \t\r", &words) < 0)
                        return -ENOMEM;
                bool is_server = words && streq(words[0], "nameserver");
                bool is_other = words && (streq(words[0], "search") || streq(words[0], "domain"));
                if (is_server &&
                    (!servers || !words[1] || is_loopback(words[1]) || *n >= ADDRESS_DNS_MAX))
                        continue;
                if ((is_server || (is_other && servers)) && buf_printf(out, "%s\n", *line) < 0)
                        return -ENOMEM;
                *n += is_server;
        }
        return 0;
}

int network_files_resolv_conf(const AddressList *wanted, const char *host, Buf *out) {
        bool fixed = false, of_host = false;
        unsigned n = 0;
        char text[IP_TEXT_MAX];

        for (size_t i = 0; i < wanted->n; i++) {
                const Address *a = wanted->v + i;
                fixed |= a->dns_mode == ADDRESS_DNS_FIXED;
                of_host |= a->dns_mode == ADDRESS_DNS_HOST;
                for (size_t j = 0; j < a->n_dns && n < ADDRESS_DNS_MAX; j++, n++)
                        if (buf_printf(out, "nameserver %s\n", ip_format(a->dns + j, text)) < 0)
                                return -ENOMEM;
        }
        if (!fixed && of_host && add_host_lines(host, true, &n, out) < 0)
                return -ENOMEM;
        return n > 0;
}

static char *read_text(const char *path) {
        char *text = NULL;

        return file_read(AT_FDCWD, path, GUEST_FILE_MAX, &text, NULL) < 0 ? strdup("") : text;
}

/* What the host really asks: behind a resolver of its own, those that this one asks. */
static int format_resolv_conf(const Spec *spec, Buf *out) {
        static const char *const files[] = { host_file, uplink_file };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(files) && r == 0; i++) {
                _cleanup_free_ char *host = read_text(files[i]);
                out->n = 0;
                r = host ? network_files_resolv_conf(&spec->addresses, host, out) : -ENOMEM;
        }
        return r;
}

static bool wants_dns(const Spec *spec) {
        for (size_t i = 0; i < spec->addresses.n; i++)
                if (spec->addresses.v[i].dns_mode != ADDRESS_DNS_NONE)
                        return spec->resolv_conf == RESOLV_CONF_AUTO;
        return false;
}

static int apply_resolv_conf(const Run *run, const GuestFile *f, const Buf *text, Error *e) {
        _cleanup_free_ char *path = str_format(FOLDER "/%s", run->member->name);
        int r = path ? path_mkdirs(FOLDER, 0755) : -ENOMEM;

        if (r >= 0) {
                (void) unlink(path);
                r = file_write(AT_FDCWD, path, text->p, O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
        }
        return r < 0 ? error_set(e, r, "cannot write '%s': %m", strempty(path))
                     : guest_file_bind(f, path, e);
}

int network_files_networkd(const char *link, const Member *m, const char *host_link,
                           char *const *dns, Buf *out) {
        char text[IP_PREFIX_TEXT_MAX];
        int r = buf_printf(out,
                           "# As the host has set it up.\n[Match]\nName=%s\n\n[Network]\nDHCP=no\n"
                           "IPv6AcceptRA=no\nLinkLocalAddressing=ipv6\n",
                           link);

        for (size_t i = 0; i < m->n && r >= 0; i++) {
                const MemberAddress *a = m->v + i;
                if (!streq(a->link, host_link))
                        continue;
                r = buf_printf(out, "Address=%s\n", ip_prefix_format(&a->address, text));
                if (r >= 0 && a->gateway.family != AF_UNSPEC)
                        r = buf_printf(out, "Gateway=%s\n", ip_format(&a->gateway, text));
        }
        STRV_FOREACH(d, dns)
                if (r >= 0)
                        r = buf_printf(out, "DNS=%s\n", *d);
        return r;
}

/* Servers out of a resolv.conf that we made. */
static int list_servers(const char *text, char ***ret) {
        _cleanup_strv_ char **lines = NULL;
        int r = str_split(text, "\n", &lines);

        STRV_FOREACH(line, lines) {
                const char *server = str_skip_prefix(*line, "nameserver ");
                if (server && r >= 0)
                        r = strv_append(ret, server);
        }
        return r;
}

static bool seen_before(const Member *m, size_t i) {
        for (size_t j = 0; j < i; j++)
                if (streq(m->v[j].link, m->v[i].link))
                        return true;
        return false;
}

static int apply_networkd(const Run *run, const char *servers, Error *e) {
        _cleanup_strv_ char **dns = NULL;
        uid_t uid = run->uid_base;
        _cleanup_fd_ int folder = path_mkdirs_in_root(run->root_fd, "/run/systemd/network", 0755,
                                                      uid, uid);
        int r = folder < 0 ? folder : list_servers(servers, &dns);

        for (size_t i = 0; i < run->member->n && r >= 0; i++) {
                _cleanup_(buf_done) Buf text = {};
                const char *host = run->member->v[i].link, *inside = run->member->v[i].inside;
                _cleanup_free_ char *name = str_format("10-skep-%s.network", inside);

                if (seen_before(run->member, i))
                        continue;
                r = name ? network_files_networkd(inside, run->member, host, dns, &text) : -ENOMEM;
                if (r >= 0)
                        r = file_write(folder, name, text.p, O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
        }
        return r < 0 ? error_set(e, r, "cannot tell the machine's network manager: %m") : 0;
}

void network_files_apply(const Spec *spec, const Run *run) {
        _cleanup_(buf_done) Buf servers = {};
        _cleanup_fd_ int etc = path_open_in_root(run->root_fd, "/etc", O_PATH | O_DIRECTORY, 0);
        const GuestFile hosts = { .run = run, .path = "/etc/hosts", .dir_fd = etc },
                        resolv = { .run = run, .path = "/etc/resolv.conf", .dir_fd = etc };
        Error e = {};

        if (etc < 0) {
                note(run, error_set(&e, etc, "cannot open '/etc' of the image: %m"), &e);
                return;
        }
        note(run, apply_hosts(run, &hosts, &e), &e);
        int r = wants_dns(spec) ? format_resolv_conf(spec, &servers) : 0;
        if (r > 0 && apply_resolv_conf(run, &resolv, &servers, &e) < 0 && spec->start != START_BOOT)
                note(run, e.code, &e);
        if (r == 0 && wants_dns(spec))
                note(run,
                     error_set(&e, ENOENT,
                               "the host has no name servers that the machine could reach: dns="
                               " tells it some"),
                     &e);
        if (spec->start == START_BOOT)
                note(run, apply_networkd(run, r > 0 ? servers.p : "", &e), &e);
}

int network_files_remove(const char *name) {
        _cleanup_free_ char *path = str_format(FOLDER "/%s", name);

        if (!path)
                return -ENOMEM;
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
