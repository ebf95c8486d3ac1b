/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers, see operation.h. A worker is a fork, not a program of its own: it starts in a fraction of a
 * millisecond and knows all that the daemon knew. It has none of the daemon's descriptors. */
#include "machined/operation.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "app/report.h"
#include "base/handshake.h"
#include "base/proc.h"

#define KEEP_FDS_MAX 8

struct Operation {
        Operation *next;
        Manager *manager;
        const OperationKind *kind;
        const Machine *machine;
        sd_bus_message *call; /* NULL = answered */
        int sock;
        int text;
        int pidfd;
        sd_event_source *input, *exit, *timeout;
        OperationResult result;
};

static Operation *operation_free(Operation *o) {
        if (!o)
                return NULL;
        sd_event_source_disable_unref(o->input);
        sd_event_source_disable_unref(o->exit);
        sd_event_source_disable_unref(o->timeout);
        sd_bus_message_unref(o->call);
        for (size_t i = 0; i < OPERATION_FDS_MAX; i++)
                (void) fd_close(o->result.fds[i]);
        (void) fd_close(o->sock);
        (void) fd_close(o->text);
        (void) fd_close(o->pidfd);
        free(o->result.text);
        free(o);
        return NULL;
}
DEFINE_CLEANUP(Operation *, operation_free)

static void unlink_operation(Operation *gone) {
        for (Operation **o = &gone->manager->operations; *o; o = &(*o)->next)
                if (*o == gone) {
                        *o = gone->next;
                        break;
                }
        if (gone->call)
                gone->manager->n_operations--;
        operation_free(gone);
}

/* The call has its answer now, whatever becomes of the process. */
static void answered(Operation *o) {
        o->call = sd_bus_message_unref(o->call);
        o->manager->n_operations--;
        o->timeout = sd_event_source_disable_unref(o->timeout);
        o->input = sd_event_source_disable_unref(o->input);
        o->sock = fd_close(o->sock);
        o->text = fd_close(o->text);
        /* Ours would keep the peers of a session from seeing that the caller has closed its own. */
        for (size_t i = 0; i < OPERATION_FDS_MAX; i++)
                o->result.fds[i] = fd_close(o->result.fds[i]);
}

static void answer_error(Operation *o, int r, const Error *e) {
        if (!o->call)
                return;
        (void) bus_error_reply(o->call, r, e);
        answered(o);
}

static int read_text(Operation *o) {
        if (lseek(o->text, 0, SEEK_SET) < 0)
                return -errno;
        return fd_read_all(o->text, OPERATION_TEXT_MAX, &o->result.text, &o->result.n_text);
}

static void answer(Operation *o) {
        Error e = {};
        int r = read_text(o);

        if (r >= 0)
                r = o->kind->finish(o->call, &o->result, &e);
        if (r < 0)
                answer_error(o, r, &e);
        else
                answered(o);
}

/* Return: true when the operation has got all it will get. */
static bool take_message(Operation *o, HandshakeMessage *m) {
        switch (m->type) {
        case HANDSHAKE_FD:
                if (m->number < OPERATION_FDS_MAX) {
                        (void) fd_close(o->result.fds[m->number]);
                        o->result.fds[m->number] = TAKE_FD(m->fd);
                }
                m->fd = fd_close(m->fd);
                return false;
        case HANDSHAKE_ID:
                if (m->number < OPERATION_FDS_MAX)
                        o->result.ids[m->number] = m->value;
                return false;
        case HANDSHAKE_ERROR:
                answer_error(o, m->error.code, &m->error);
                return true;
        default:
                answer(o);
                return true;
        }
}

static int on_worker_input(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Operation *o = userdata;

        while (o->call) {
                HandshakeMessage m;
                int r = handshake_receive(o->sock, &m);
                if (r == -EAGAIN)
                        break;
                if (r <= 0) {
                        Error e = {};
                        r = error_set(&e, r < 0 ? r : EIO, "%s: the worker ended without a result",
                                      o->kind->what);
                        answer_error(o, r, &e);
                        break;
                }
                if (take_message(o, &m))
                        break;
        }
        return 0;
}

static int on_worker_exit(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Operation *o = userdata;
        siginfo_t info;

        /* Whatever it has said is in the socket by now. */
        if (o->call)
                (void) on_worker_input(NULL, -EBADF, 0, o);
        (void) proc_wait(o->pidfd, &info);
        unlink_operation(o);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        Operation *o = userdata;
        Error e = {};
        int r = error_set(&e, ETIMEDOUT, "%s took longer than %llu s", o->kind->what,
                          (unsigned long long) (o->kind->timeout_usec / 1000000));

        answer_error(o, r, &e);
        (void) proc_pidfd_signal(o->pidfd, SIGKILL);
        return 0;
}

static _noreturn_ void run_worker(const Operation *o, const void *arg, const int *keep_fds,
                                  size_t n_keep, int sock) {
        const WorkerOut out = { .sock = sock, .text = o->text };
        int keep[KEEP_FDS_MAX + 2];
        Error e = {};
        sigset_t none;

        (void) prctl(PR_SET_NAME, "skep-worker");
        (void) prctl(PR_SET_DUMPABLE, 0);
        if (!o->kind->is_session)
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);

        keep[0] = sock;
        keep[1] = o->text;
        for (size_t i = 0; i < n_keep; i++)
                keep[i + 2] = keep_fds[i];
        int r = fd_close_range_except(keep, n_keep + 2);
        if (r >= 0)
                r = o->kind->work(arg, &out, &e);
        if (r < 0) {
                if (!error_is_set(&e))
                        (void) error_set(&e, r, "%s: %m", o->kind->what);
                (void) handshake_send_error(sock, &e);
                _exit(EXIT_FAILURE);
        }
        if (!o->kind->is_session)
                (void) operation_ready(&out);
        _exit(EXIT_SUCCESS);
}

static int watch(Operation *o) {
        sd_event *event = o->manager->daemon.event;
        int r = sd_event_add_io(event, &o->input, o->sock, EPOLLIN, on_worker_input, o);

        if (r >= 0)
                r = sd_event_add_io(event, &o->exit, o->pidfd, EPOLLIN, on_worker_exit, o);
        /* What it says comes before that it is gone. */
        if (r >= 0)
                r = sd_event_source_set_priority(o->exit, SD_EVENT_PRIORITY_NORMAL + 1);
        if (r >= 0 && o->kind->timeout_usec > 0)
                r = sd_event_add_time_relative(event, &o->timeout, CLOCK_MONOTONIC,
                                               o->kind->timeout_usec, 0, on_timeout, o);
        return r;
}

static int start(Operation *o, const void *arg, const int *keep_fds, size_t n_keep) {
        _cleanup_fd_ int theirs = -EBADF;
        int pair[2];

        o->text = memfd_create("skep-worker", MFD_CLOEXEC);
        if (o->text < 0)
                return -errno;
        int r = handshake_pair(pair);
        if (r < 0)
                return r;
        o->sock = pair[0];
        theirs = pair[1];
        r = fd_set_nonblock(o->sock, true);
        if (r < 0)
                return r;

        pid_t pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                run_worker(o, arg, keep_fds, n_keep, theirs);

        /* Our own child that nobody has waited for yet: the PID is still its. */
        o->pidfd = proc_pidfd_open(pid);
        if (o->pidfd < 0) {
                (void) kill(pid, SIGKILL);
                (void) waitpid(pid, NULL, 0);
                return o->pidfd;
        }
        r = watch(o);
        if (r < 0) {
                siginfo_t info;
                (void) proc_pidfd_signal(o->pidfd, SIGKILL);
                (void) proc_wait(o->pidfd, &info);
        }
        return r;
}

int operation_start(Manager *m, const OperationKind *kind, sd_bus_message *call, Machine *machine,
                    const void *arg, const int *keep_fds, size_t n_keep, Error *e) {
        assert_se(n_keep <= KEEP_FDS_MAX);
        if (m->n_operations >= OPERATIONS_MAX)
                return error_set(e, ENOBUFS, "too many operations are running");

        _cleanup_(operation_freep) Operation *o = calloc(1, sizeof *o);
        if (!o)
                return error_oom(e);
        o->manager = m;
        o->kind = kind;
        o->machine = machine;
        o->sock = o->text = o->pidfd = -EBADF;
        for (size_t i = 0; i < OPERATION_FDS_MAX; i++)
                o->result.fds[i] = -EBADF;

        int r = start(o, arg, keep_fds, n_keep);
        if (r < 0)
                return error_set(e, r, "cannot start a worker: %m");
        o->call = sd_bus_message_ref(call);
        m->n_operations++;
        o->next = m->operations;
        m->operations = TAKE_PTR(o);
        return 0;
}

int operation_here(const OperationKind *kind, sd_bus_message *call, const void *arg, Error *e) {
        _cleanup_(buf_done) Buf text = {};
        const WorkerOut out = { .sock = -EBADF, .text = -EBADF, .here = &text };
        int r = buf_puts(&text, "");

        if (r >= 0)
                r = kind->work(arg, &out, e);
        if (r < 0)
                return r;
        const OperationResult result = { .fds = { -EBADF, -EBADF },
                                         .text = text.p,
                                         .n_text = text.n };
        return kind->finish(call, &result, e);
}

void operation_forget_machine(Manager *m, const Machine *machine) {
        for (Operation *o = m->operations; o; o = o->next) {
                if (o->machine != machine)
                        continue;
                o->machine = NULL;
                if (o->call) {
                        Error e = {};
                        int r = error_set(&e, ERR_NO_SUCH_MACHINE, "machine '%s' has ended",
                                          machine->name);
                        answer_error(o, r, &e);
                        (void) proc_pidfd_signal(o->pidfd, SIGKILL);
                }
        }
}

void operation_done_all(Manager *m) {
        while (m->operations) {
                if (m->operations->call)
                        (void) proc_pidfd_signal(m->operations->pidfd, SIGKILL);
                unlink_operation(m->operations);
        }
}

int operation_send_text(const WorkerOut *out, const void *text, size_t n) {
        if (n > OPERATION_TEXT_MAX)
                return -EFBIG;
        return out->here ? buf_append(out->here, text, n) : fd_write_all(out->text, text, n);
}

int operation_ready(const WorkerOut *out) {
        return handshake_send_phase(out->sock, 0);
}
