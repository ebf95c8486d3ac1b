/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of the host's resolv.conf files a machine gets and how. The host's resolver is judged by the files
 * that it keeps: no bus is asked. */
#include "spawn/resolv-conf.h"

#include <fcntl.h>

#include "base/fd.h"
#include "spawn/guest-file.h"

#define SOCKETS_MAX (1024 * 1024)

typedef enum Way {
        WAY_COPY,
        WAY_REPLACE,
        WAY_BIND,
} Way;

static const char host[] = "/etc/resolv.conf", fixed[] = "/usr/lib/systemd/resolv.conf",
                  uplink[] = "/run/systemd/resolve/resolv.conf",
                  stub[] = "/run/systemd/resolve/stub-resolv.conf";

static const struct {
        Way way;
        const char *source;
} modes[_RESOLV_CONF_MAX] = {
        [RESOLV_CONF_COPY_HOST] = { WAY_COPY, host },
        [RESOLV_CONF_COPY_STATIC] = { WAY_COPY, fixed },
        [RESOLV_CONF_COPY_UPLINK] = { WAY_COPY, uplink },
        [RESOLV_CONF_COPY_STUB] = { WAY_COPY, stub },
        [RESOLV_CONF_REPLACE_HOST] = { WAY_REPLACE, host },
        [RESOLV_CONF_REPLACE_STATIC] = { WAY_REPLACE, fixed },
        [RESOLV_CONF_REPLACE_UPLINK] = { WAY_REPLACE, uplink },
        [RESOLV_CONF_REPLACE_STUB] = { WAY_REPLACE, stub },
        [RESOLV_CONF_BIND_HOST] = { WAY_BIND, host },
        [RESOLV_CONF_BIND_STATIC] = { WAY_BIND, fixed },
        [RESOLV_CONF_BIND_UPLINK] = { WAY_BIND, uplink },
        [RESOLV_CONF_BIND_STUB] = { WAY_BIND, stub },
};

bool resolv_conf_wants(const Spec *spec) {
        return spec->resolv_conf != RESOLV_CONF_OFF &&
               !(spec->resolv_conf == RESOLV_CONF_AUTO && spec_has_private_network(spec));
}

/* The resolver leaves its files behind when it is stopped. It listens on 127.0.0.53, port 53, as the kernel
 * writes it. */
static bool stub_listens(void) {
        _cleanup_free_ char *sockets = NULL;
        const char *address = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? " 3500007F:0035 "
                                                                        : " 7F000035:0035 ";
        int r = file_read(AT_FDCWD, "/proc/net/udp", SOCKETS_MAX, &sockets, NULL);

        return r == -EFBIG || (r >= 0 && strstr(sockets, address));
}

/* Without the stub its file is a link to that of the uplink. */
static int read_best(HostFile *ret, const char **ret_source, Error *e) {
        *ret_source = stub;
        if (host_file_read(stub, O_NOFOLLOW, ret, NULL) >= 0 && stub_listens())
                return 0;
        *ret_source = host;
        return host_file_read(host, 0, ret, e);
}

static int apply_auto(const GuestFile *f, HostFile *content, Error *e) {
        const char *source;
        int r = read_best(content, &source, e);

        if (r == -ENOENT)
                return guest_file_remove(f, e);
        if (r < 0)
                return r;
        r = guest_file_write(f, content, false, e);
        return r == -EROFS ? guest_file_bind(f, source, e) : r;
}

int resolv_conf_apply(const Spec *spec, const Run *run, int etc_fd, Error *e) {
        const GuestFile f = { .run = run, .path = "/etc/resolv.conf", .dir_fd = etc_fd };
        _cleanup_free_ HostFile *content = malloc(sizeof *content);
        ResolvConf mode = spec->resolv_conf;

        if (!content)
                return error_oom(e);
        if (mode == RESOLV_CONF_AUTO)
                return apply_auto(&f, content, e);
        if (mode == RESOLV_CONF_DELETE)
                return guest_file_remove(&f, e);
        if (modes[mode].way == WAY_BIND)
                return guest_file_bind(&f, modes[mode].source, e);
        int r = host_file_read(modes[mode].source, 0, content, e);
        return r < 0 ? r : guest_file_write(&f, content, modes[mode].way == WAY_REPLACE, e);
}
