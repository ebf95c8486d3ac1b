/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at the host's firewall, see firewall.h. By what the kernel has been told: it does not matter which
 * program told it, nor whether that runs. */
#include "net/firewall.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/fd.h"

#define WORD_MAX 128

/* The words of "table inet firewalld {", as far as they are wanted. */
typedef struct Place {
        char family[WORD_MAX], table[WORD_MAX], chain[WORD_MAX];
} Place;

static int name_place(const Place *p, Buf *ret) {
        if (streq(p->table, "firewalld"))
                return buf_puts(ret, "firewalld");
        if (str_skip_prefix(p->chain, "ufw") || streq(p->chain, "FORWARD"))
                return buf_printf(ret, "the chain '%s' of '%s %s' (ufw, Docker, iptables)",
                                  p->chain, p->family, p->table);
        return buf_printf(ret, "the chain '%s' of '%s %s'", p->chain, p->family, p->table);
}

/* firewalld's forward chain accepts by policy, and rejects all that is left by its last rule. */
static bool is_closed(const Place *p, const char *line) {
        if (!strstr(line, " hook forward "))
                return false;
        return strstr(line, "policy drop") || streq(p->table, "firewalld");
}

int firewall_find(const char *listing, Buf *ret) {
        _cleanup_free_ char *copy = strdup(listing);
        Place p = {};
        char *save = NULL;

        if (!copy)
                return -ENOMEM;
        for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                line = str_strip(line);
                if (sscanf(line, "table %127s %127s {", p.family, p.table) == 2 ||
                    sscanf(line, "chain %127s {", p.chain) == 1)
                        continue;
                if (is_closed(&p, line)) {
                        int r = name_place(&p, ret);
                        return r < 0 ? r : 1;
                }
        }
        return 0;
}

bool firewall_forwards(int family) {
        _cleanup_free_ char *value = NULL;

        /* What cannot be read is no reason to talk. */
        return file_read_line(AT_FDCWD,
                              family == AF_INET ? "/proc/sys/net/ipv4/ip_forward"
                                                : "/proc/sys/net/ipv6/conf/all/forwarding",
                              &value) < 0 ||
               !streq(value, "0");
}
