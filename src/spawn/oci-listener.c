/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listeners of filters, see oci-listener.h. */
#include "spawn/oci-listener.h"

#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/json.h"
#include "oci/config.h"
#include "oci/state.h"

#define LOOK_USEC     100
#define LOOKS         (1U << 16) /* between two looks at the clock */
#define PATIENCE_USEC (UINT64_C(30) * 1000 * 1000)

/* The page. */
struct ListenerPage {
        int fd;      /* of PID 1; -1 = not yet */
        int outcome; /* 0 = not yet; 1 = it has been sent; -errno */
};

bool oci_listener_wants(const Spec *spec) {
        const OciSeccomp *s = spec->oci ? spec->oci->linux_.seccomp : NULL;

        return s && s->listener_path && !spec->no_seccomp;
}

int oci_listener_prepare(Run *run, Error *e) {
        void *page = mmap(NULL, sizeof *run->listener, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (page == MAP_FAILED)
                return error_set(e, errno, "cannot share memory: %m");
        run->listener = page;
        *run->listener = (struct ListenerPage){ .fd = -1 };
        return 0;
}

void oci_listener_revert(Run *run) {
        if (run->listener)
                (void) munmap(run->listener, sizeof *run->listener);
        run->listener = NULL;
}

/* No system call from here on: whoever would allow it does not know of us yet. (The clock is read without one.)
 * If the supervisor died there would be no outcome, ever. */
static int wait_for_outcome(struct ListenerPage *page, int fd) {
        uint64_t end = now_usec() + PATIENCE_USEC;
        int outcome = 0;

        __atomic_store_n(&page->fd, fd, __ATOMIC_RELEASE);
        for (unsigned i = 1; outcome == 0; i++) {
                outcome = __atomic_load_n(&page->outcome, __ATOMIC_ACQUIRE);
                if (outcome == 0 && i % LOOKS == 0 && now_usec() > end)
                        outcome = -ETIMEDOUT;
        }
        return outcome;
}

int oci_listener_load(const SeccompProgram *p, const Run *run, Error *e) {
        int fd = -EBADF, r;

        if (!(p->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
                return seccomp_program_load(p, NULL, e);
        r = handshake_send_id(run->handshake_fd, RUN_ID_LISTENER, 0);
        if (r < 0)
                return error_set(e, r, "the supervisor went away: %m");
        r = seccomp_program_load(p, &fd, e);
        if (r < 0)
                return r;
        r = wait_for_outcome(run->listener, fd);
        /* If the listener dies, calls are to fail and not to wait for somebody who has ours. */
        (void) close(fd);
        return r < 0 ? error_set(e, r, "the filter's listener was not reached: %m") : 0;
}

static int add_member(Buf *b, const char *name, const char *text) {
        int r = buf_printf(b, "\"%s\":", name);

        if (r >= 0)
                r = json_puts(b, text);
        return r >= 0 ? buf_puts(b, ",") : r;
}

/* What the specification calls the container process state. */
static int describe(const Spec *spec, const Run *run, Buf *b) {
        const char *metadata = spec->oci->linux_.seccomp->listener_metadata;
        OciState state = run->oci_state ? *run->oci_state
                                        : (OciState){ .version = spec->oci->version,
                                                      .id = spec->machine,
                                                      .bundle = spec->oci_bundle,
                                                      .annotations = spec->oci->annotations };
        int r = buf_puts(b, "{");

        state.pid = (JsonUnsigned){ true, (uint64_t) run->leader };

        if (r >= 0)
                r = add_member(b, "ociVersion", strempty(spec->oci->version));
        if (r >= 0)
                r = buf_printf(b, "\"fds\":[\"seccompFd\"],\"pid\":%d,", run->leader);
        if (r >= 0 && metadata)
                r = add_member(b, "metadata", metadata);
        if (r >= 0)
                r = buf_puts(b, "\"state\":");
        if (r >= 0)
                r = oci_state_for_hooks(&state, OCI_STATUS_CREATING, b);
        return r >= 0 ? buf_puts(b, "}") : r;
}

static int reach(const char *path, Error *e) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return error_set(e, errno, "cannot make a socket: %m");
        if (strlen(path) >= sizeof address.sun_path)
                return error_set(e, ENAMETOOLONG, "listenerPath '%.120s' is too long", path);
        memcpy(address.sun_path, path, strlen(path) + 1);
        if (connect(fd, (struct sockaddr *) &address, sizeof address) < 0)
                return error_set(e, errno, "cannot reach the filter's listener at '%s': %m", path);
        return TAKE_FD(fd);
}

/* One message with the descriptor; what of the text does not fit into it comes after. */
static int send_listener(int sock, const Buf *text, int fd) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {};
        struct iovec data = { .iov_base = text->p, .iov_len = text->n };
        struct msghdr m = { .msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control };
        ssize_t n;

        control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                           .cmsg_type = SCM_RIGHTS,
                                           .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        do
                n = sendmsg(sock, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return (size_t) n < text->n ? fd_write_all(sock, text->p + n, text->n - (size_t) n) : 0;
}

/* Return: the descriptor, ours; -ESRCH PID 1 ended. */
static int take(const Run *run, Error *e) {
        struct pollfd p = { .fd = run->leader_fd, .events = POLLIN };
        int there = -1;

        while (there < 0) {
                there = __atomic_load_n(&run->listener->fd, __ATOMIC_ACQUIRE);
                if (there < 0 && poll(&p, 1, 0) > 0)
                        return -ESRCH;
                if (there < 0)
                        (void) usleep(LOOK_USEC);
        }
        int fd = (int) syscall(SYS_pidfd_getfd, run->leader_fd, there, 0);
        return fd < 0 ? error_set(e, errno, "cannot take the filter's listener: %m") : fd;
}

static int serve(const Spec *spec, const Run *run, Error *e) {
        const OciSeccomp *s = spec->oci->linux_.seccomp;
        _cleanup_(buf_done) Buf text = {};
        _cleanup_fd_ int fd = take(run, e), sock = -EBADF;
        int r;

        if (fd < 0)
                return fd;
        if (describe(spec, run, &text) < 0)
                return error_oom(e);
        sock = reach(s->listener_path, e);
        if (sock < 0)
                return sock;
        r = send_listener(sock, &text, fd);
        return r < 0 ? error_set(e, r, "cannot send the filter's listener to '%s': %m",
                                 s->listener_path)
                     : 0;
}

int oci_listener_serve(const Spec *spec, const Run *run, Error *e) {
        int r = run->listener ? serve(spec, run, e)
                              : error_set(e, EPROTO, "PID 1 speaks of a listener, there is none");

        /* It tells why itself. */
        if (r == -ESRCH)
                return 0;
        if (run->listener)
                __atomic_store_n(&run->listener->outcome, r < 0 ? r : 1, __ATOMIC_RELEASE);
        return r;
}
