/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writing side of a connection, see output.h. */
#include "varlink/output.h"

#include <fcntl.h>
#include <sys/socket.h>

struct VarlinkFrame {
        VarlinkFrame *next;
        Buf text;
        size_t done; /* bytes that are written */
        int fd;      /* goes along with the first byte */
};

static void drop_first(VarlinkOutput *o) {
        VarlinkFrame *f = o->first;

        o->first = f->next;
        if (!o->first)
                o->last = NULL;
        o->n_bytes -= f->text.n + 1 - f->done;
        buf_done(&f->text);
        fd_close(f->fd);
        free(f);
}

void varlink_output_done(VarlinkOutput *o) {
        while (o->first)
                drop_first(o);
}

int varlink_output_add(VarlinkOutput *o, Buf *text, int fd) {
        _cleanup_fd_ int copy = -EBADF;

        if (fd >= 0) {
                copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                if (copy < 0)
                        return -errno;
        }
        VarlinkFrame *f = calloc(1, sizeof *f);
        if (!f)
                return -ENOMEM;
        f->text = *text;
        f->fd = TAKE_FD(copy);
        *text = (Buf){};
        if (o->last)
                o->last->next = f;
        else
                o->first = f;
        o->last = f;
        o->n_bytes += f->text.n + 1;
        return 0;
}

static ssize_t send_frame(const VarlinkFrame *f, int sock) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec iov = { f->text.p + f->done, f->text.n + 1 - f->done };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (f->fd >= 0) {
                m.msg_control = &control;
                m.msg_controllen = sizeof control;
                control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
                                                   .cmsg_level = SOL_SOCKET,
                                                   .cmsg_type = SCM_RIGHTS };
                memcpy(CMSG_DATA(&control.header), &f->fd, sizeof f->fd);
        }
        ssize_t n = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        return n < 0 ? -errno : n;
}

int varlink_output_write(VarlinkOutput *o, int sock) {
        while (o->first) {
                VarlinkFrame *f = o->first;
                ssize_t n = send_frame(f, sock);

                if (n == -EAGAIN)
                        return 0;
                if (n == -EINTR)
                        continue;
                if (n < 0)
                        return (int) n;
                f->fd = fd_close(f->fd);
                f->done += (size_t) n;
                o->n_bytes -= (size_t) n;
                if (f->done == f->text.n + 1)
                        drop_first(o);
        }
        return 1;
}
