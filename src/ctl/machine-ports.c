/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads which ports lead into a machine, see machine-ports.h. */
#include "ctl/machine-ports.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/name.h"
#include "net/port-record.h"

int machine_ports(Ctl *c, const char *machine, const char *separator, char **ret) {
        _cleanup_(port_record_done) PortRecord p = {};
        _cleanup_(buf_done) Buf text = {};
        _cleanup_fd_ int fd = -EBADF;
        int r = 0;

        *ret = NULL;
        if (!ctl_is_local(c) || !hostname_is_valid(machine))
                return 0;
        fd = open(PORT_RECORD_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || port_record_read(fd, machine, &p) < 0)
                return 0;
        for (size_t i = 0; i < p.ports.n && r >= 0; i++) {
                if (i > 0)
                        r = buf_puts(&text, separator);
                if (r >= 0)
                        r = port_format(p.ports.v + i, &text);
        }
        if (r < 0)
                return r;
        *ret = text.n > 0 ? buf_take(&text) : NULL;
        return 0;
}

int machine_ports_property(Ctl *c, const char *machine, Properties *p) {
        _cleanup_free_ char *ports = NULL, *name = NULL;
        int r = machine_ports(c, machine, " ", &ports);

        if (r < 0 || !ports)
                return r;
        Property *v = reallocarray(p->v, p->n + 1, sizeof *v);
        if (!v)
                return -ENOMEM;
        p->v = v;
        name = strdup("Ports");
        if (!name)
                return -ENOMEM;
        p->v[p->n++] = (Property){ .name = TAKE_PTR(name), .type = 's', .text = TAKE_PTR(ports) };
        return 0;
}
