/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets of a service manager for the payload, see listen-fds.h. */
#include "spawn/listen-fds.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/text.h"

#define FIRST 3

/* What is not addressed to us was not meant for the payload either. */
ListenFds listen_fds_get(void) {
        const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
        uint64_t n;
        pid_t whose;

        if (!pid || !fds || parse_pid(pid, &whose) < 0 || whose != getpid() ||
            parse_u64(fds, 0, 1024, &n) < 0)
                return (ListenFds){};
        return (ListenFds){ .n = (unsigned) n, .names = getenv("LISTEN_FDNAMES") };
}

/* To the payload its own have the names that it gave them. */
static int add_names(const char *names, char ***env) {
        _cleanup_(buf_done) Buf line = {};
        int r = buf_puts(&line, "LISTEN_FDNAMES=");

        for (const char *s = names; r >= 0; s++) {
                size_t n = strcspn(s, ":");
                const char *own = str_skip_prefix(s, PAYLOAD_FD);

                r = own && n >= strlen(PAYLOAD_FD) ? buf_append(&line, own, n - strlen(PAYLOAD_FD))
                                                   : buf_append(&line, s, n);
                s += n;
                if (!*s)
                        break;
                if (r >= 0)
                        r = buf_puts(&line, ":");
        }
        return r < 0 ? r : strv_append(env, line.p);
}

int listen_fds_environment(const ListenFds *fds, unsigned pid, char ***env) {
        int r = 0;

        if (fds->n == 0)
                return 0;
        r = strv_append_format(env, "LISTEN_FDS=%u", fds->n);
        if (r >= 0)
                r = strv_append_format(env, "LISTEN_PID=%u", pid);
        if (r >= 0 && fds->names)
                r = add_names(fds->names, env);
        return r;
}

int listen_fds_pass(const ListenFds *fds, unsigned more, Error *e) {
        for (unsigned i = 0; i < fds->n + more; i++) {
                int r = fd_set_cloexec((int) (FIRST + i), false);
                if (r < 0)
                        return error_set(e, r, "cannot pass on descriptor %u of ours: %m",
                                         FIRST + i);
        }
        return 0;
}
