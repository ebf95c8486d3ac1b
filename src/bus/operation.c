/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Workers, see operation.h. A worker is a fork, not a program of its own: it starts in a fraction of a
 * millisecond and knows all that the daemon knew. It soon has none of the daemon's descriptors. */
#include "bus/operation.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/handshake.h"
#include "base/parse.h"
#include "base/proc.h"
#include "bus/error.h"

#define KEEP_FDS_MAX 8

/* A number that is none of the result's. */
#define ID_TOTAL 100

static uint64_t now_realtime(void) {
        struct timespec t = {};

        (void) clock_gettime(CLOCK_REALTIME, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

struct Operation {
        Operation *next;
        Operations *all;
        const OperationKind *kind;
        void *owner;
        sd_bus_message *call; /* NULL = the daemon's own */
        bool is_pending;      /* somebody still waits for the outcome */
        uint64_t id;
        char *subject;
        uid_t uid;
        uint64_t started, total;
        pid_t pid;
        int sock;
        int text;
        int pidfd;
        /* Of the worker, which has our descriptors and not copies of them until it has made itself some: till
         * it is heard of, none of these may become another's number. */
        bool is_apart;
        int theirs; /* its end of the socket */
        int lent[KEEP_FDS_MAX];
        sd_event_source *input, *exit, *timeout;
        OperationResult result;
};

/* It has said something, or has ended. */
static void set_apart(Operation *o) {
        o->is_apart = true;
        o->theirs = fd_close(o->theirs);
        for (size_t i = 0; i < KEEP_FDS_MAX; i++)
                o->lent[i] = fd_close(o->lent[i]);
}

static Operation *operation_free(Operation *o) {
        if (!o)
                return NULL;
        set_apart(o);
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
        free(o->subject);
        free(o);
        return NULL;
}
DEFINE_CLEANUP(Operation *, operation_free)

static void unlink_operation(Operation *gone) {
        for (Operation **o = &gone->all->first; *o; o = &(*o)->next)
                if (*o == gone) {
                        *o = gone->next;
                        break;
                }
        if (gone->is_pending && gone->call)
                gone->all->n--;
        operation_free(gone);
}

/* The call has its answer now, whatever becomes of the process. */
static void answered(Operation *o) {
        if (o->call)
                o->all->n--;
        o->is_pending = false;
        o->call = sd_bus_message_unref(o->call);
        o->timeout = sd_event_source_disable_unref(o->timeout);
        o->input = sd_event_source_disable_unref(o->input);
        o->sock = fd_close(o->sock);
        if (o->is_apart)
                o->text = fd_close(o->text);
        /* Ours would keep the peers of a session from seeing that the caller has closed its own. */
        for (size_t i = 0; i < OPERATION_FDS_MAX; i++)
                o->result.fds[i] = fd_close(o->result.fds[i]);
}

static void tell_own(Operation *o, int r, const OperationResult *result, const Error *e) {
        if (o->kind->done)
                o->kind->done(o->all->userdata, o->owner, r, result, e);
        else
                o->kind->done_subject(o->all->userdata, o->subject, r, result, e);
}

static void answer_error(Operation *o, int r, const Error *e) {
        if (!o->is_pending)
                return;
        if (o->call)
                (void) bus_error_reply(o->call, r, e);
        else
                tell_own(o, r, NULL, e);
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

        if (r == -EFBIG)
                r = error_set(&e, r, "%s: the answer is longer than %d MiB", o->kind->what,
                              OPERATION_TEXT_MAX / (1024 * 1024));
        if (r >= 0 && o->call)
                r = o->kind->finish(o->call, &o->result, &e);
        else if (r >= 0)
                tell_own(o, 0, &o->result, NULL);
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
                else if (m->number == ID_TOTAL)
                        o->total = m->value;
                return false;
        case HANDSHAKE_ERROR:
                answer_error(o, m->error.code, &m->error);
                return true;
        default:
                answer(o);
                return true;
        }
}

static void ended_without_result(Operation *o, int r) {
        Error e = {};

        r = error_set(&e, r < 0 ? r : EIO, "%s: the worker ended without a result", o->kind->what);
        answer_error(o, r, &e);
}

static int on_worker_input(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Operation *o = userdata;

        while (o->is_pending) {
                HandshakeMessage m;
                int r = handshake_receive(o->sock, &m);
                if (r == -EAGAIN)
                        break;
                if (r <= 0) {
                        ended_without_result(o, r);
                        break;
                }
                set_apart(o);
                if (take_message(o, &m))
                        break;
        }
        return 0;
}

static int on_worker_exit(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Operation *o = userdata;
        siginfo_t info;

        /* Whatever it has said is in the socket by now. */
        if (o->is_pending)
                (void) on_worker_input(NULL, -EBADF, 0, o);
        /* A child of its may still have the socket. */
        if (o->is_pending)
                ended_without_result(o, 0);
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

/* What it has from us under its own numbers again, and nothing else. */
static int take_descriptors(const Operation *o, const int *keep_fds, size_t n_keep) {
        int keep[KEEP_FDS_MAX + 2] = { o->theirs, o->text };

        for (size_t i = 0; i < n_keep; i++)
                keep[i + 2] = o->lent[i];
        int r = fd_unshare_except(keep, n_keep + 2);
        /* What is closed now would be the daemon's. */
        if (r < 0)
                _exit(EXIT_FAILURE);
        for (size_t i = 0; i < n_keep; i++) {
                if (o->lent[i] < 0)
                        continue;
                if (dup3(o->lent[i], keep_fds[i], O_CLOEXEC) < 0)
                        return -errno;
                (void) close(o->lent[i]);
        }
        return 0;
}

static _noreturn_ void run_worker(const Operation *o, const void *arg, const int *keep_fds,
                                  size_t n_keep) {
        const WorkerOut out = { .sock = o->theirs, .text = o->text };
        Error e = {};
        sigset_t none;

        (void) prctl(PR_SET_NAME, "skep-worker");
        (void) prctl(PR_SET_DUMPABLE, 0);
        if (!o->kind->is_session)
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        int r = take_descriptors(o, keep_fds, n_keep);
        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        if (r >= 0)
                r = o->kind->work(arg, &out, &e);
        if (r < 0) {
                if (!error_is_set(&e))
                        (void) error_set(&e, r, "%s: %m", o->kind->what);
                (void) handshake_send_error(out.sock, &e);
                _exit(EXIT_FAILURE);
        }
        if (!o->kind->is_session)
                (void) operation_ready(&out);
        _exit(EXIT_SUCCESS);
}

static int watch(Operation *o) {
        sd_event *event = o->all->daemon->event;
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

/* Low numbers, and our own whatever becomes of those that they are copies of. */
static int lend(Operation *o, const int *keep_fds, size_t n_keep) {
        for (size_t i = 0; i < n_keep; i++) {
                if (keep_fds[i] < 0)
                        continue;
                o->lent[i] = fcntl(keep_fds[i], F_DUPFD_CLOEXEC, 3);
                if (o->lent[i] < 0)
                        return -errno;
        }
        return 0;
}

static int start(Operation *o, const void *arg, const int *keep_fds, size_t n_keep) {
        /* To copy and close two descriptors for each machine takes longer than what most workers do. */
        struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
        int pair[2];

        o->text = memfd_create("skep-worker", MFD_CLOEXEC);
        if (o->text < 0)
                return -errno;
        int r = handshake_pair(pair);
        if (r < 0)
                return r;
        o->sock = pair[0];
        o->theirs = pair[1];
        r = fd_set_nonblock(o->sock, true);
        if (r >= 0)
                r = lend(o, keep_fds, n_keep);
        if (r < 0)
                return r;

        pid_t pid = proc_clone3(&args);
        if (pid < 0)
                return pid;
        if (pid == 0)
                run_worker(o, arg, keep_fds, n_keep);

        /* Our own child that nobody has waited for yet: the PID is still its. */
        o->pid = pid;
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

static int start_any(Operations *all, const OperationKind *kind, sd_bus_message *call, void *owner,
                     const void *arg, const int *keep_fds, size_t n_keep, uid_t uid, Error *e) {
        _cleanup_(operation_freep) Operation *o = calloc(1, sizeof *o);
        if (!o)
                return error_oom(e);
        o->all = all;
        o->kind = kind;
        o->owner = owner;
        o->id = ++all->last_id;
        o->started = now_realtime();
        o->total = UINT64_MAX;
        o->subject = strdup(owner && all->owner_name ? all->owner_name(owner) : "");
        if (!o->subject)
                return error_oom(e);
        o->uid = uid;
        o->sock = o->text = o->pidfd = o->theirs = -EBADF;
        for (size_t i = 0; i < KEEP_FDS_MAX; i++)
                o->lent[i] = -EBADF;
        for (size_t i = 0; i < OPERATION_FDS_MAX; i++)
                o->result.fds[i] = -EBADF;

        int r = start(o, arg, keep_fds, n_keep);
        if (r < 0)
                return error_set(e, r, "cannot start a worker: %m");
        o->is_pending = true;
        if (call) {
                o->call = sd_bus_message_ref(call);
                all->n++;
        }
        o->next = all->first;
        all->first = TAKE_PTR(o);
        return 0;
}

int operation_start(Operations *all, const OperationKind *kind, sd_bus_message *call, void *owner,
                    const void *arg, const int *keep_fds, size_t n_keep, Error *e) {
        uid_t uid;

        assert_se(n_keep <= KEEP_FDS_MAX);
        if (all->n >= OPERATIONS_MAX)
                return error_set(e, ENOBUFS, "too many operations are running");
        int r = polkit_find_caller(all->daemon->polkit, call, &uid, NULL, e);
        if (r <= 0)
                return r;
        r = start_any(all, kind, call, owner, arg, keep_fds, n_keep, uid, e);
        return r < 0 ? r : 1;
}

int operation_start_own(Operations *all, const OperationKind *kind, void *owner, const void *arg,
                        const int *keep_fds, size_t n_keep, Error *e) {
        assert_se(n_keep <= KEEP_FDS_MAX && (kind->done || kind->done_subject) &&
                  !kind->is_session);
        return start_any(all, kind, NULL, owner, arg, keep_fds, n_keep, 0, e);
}

void operation_set_subject(Operations *all, const char *subject) {
        (void) str_replace(&all->first->subject, subject);
}

/* The kernel counts what the worker writes, however it does that. */
static uint64_t bytes_written(const Operation *o) {
        _cleanup_free_ char *text = NULL;
        char path[64];
        uint64_t n;

        (void) snprintf(path, sizeof path, "/proc/%d/io", o->pid);
        if (file_read(AT_FDCWD, path, 4096, &text, NULL) < 0)
                return UINT64_MAX;
        const char *found = strstr(text, "\nwchar: ");
        if (!found)
                return UINT64_MAX;
        char *end = strchr(text + (found - text) + 1, '\n');
        if (end)
                *end = '\0';
        return parse_u64(found + strlen("\nwchar: "), 0, UINT64_MAX, &n) < 0 ? UINT64_MAX : n;
}

int operation_each(Operations *all, int (*f)(const OperationInfo *info, void *userdata),
                   void *userdata) {
        int r = 0;

        for (const Operation *o = all->first; o && r == 0; o = o->next) {
                const OperationInfo info = { .id = o->id,
                                             .what = o->kind->what,
                                             .subject = o->subject,
                                             .uid = o->uid,
                                             .has_owner = o->owner,
                                             .started = o->started,
                                             .done = bytes_written(o),
                                             .total = o->total };
                if (o->is_pending && o->call)
                        r = f(&info, userdata);
        }
        return r;
}

static void cancel(Operation *o) {
        Error e = {};
        int r = error_set(&e, ECANCELED, "%s was cancelled", o->kind->what);

        answer_error(o, r, &e);
        (void) proc_pidfd_signal(o->pidfd, SIGKILL);
}

int operation_cancel(Operations *all, uint64_t id) {
        for (Operation *o = all->first; o; o = o->next)
                if (o->id == id && o->is_pending && o->call) {
                        cancel(o);
                        return 1;
                }
        return 0;
}

unsigned operation_cancel_of(Operations *all, sd_bus_message *call) {
        const char *sender = sd_bus_message_get_sender(call);
        unsigned n = 0;

        for (Operation *o = all->first; o; o = o->next)
                if (sender && o->is_pending && o->call &&
                    streq_ptr(sd_bus_message_get_sender(o->call), sender)) {
                        cancel(o);
                        n++;
                }
        return n;
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

void operation_forget(Operations *all, const void *owner, int r, const Error *e) {
        for (Operation *o = all->first; o; o = o->next) {
                if (o->owner != owner)
                        continue;
                o->owner = NULL;
                if (o->call)
                        answer_error(o, r, e);
                else if (o->is_pending)
                        answered(o);
                else
                        continue;
                (void) proc_pidfd_signal(o->pidfd, SIGKILL);
        }
}

void operation_done_all(Operations *all) {
        while (all->first) {
                if (all->first->is_pending)
                        (void) proc_pidfd_signal(all->first->pidfd, SIGKILL);
                unlink_operation(all->first);
        }
}

int operation_send_text(const WorkerOut *out, const void *text, size_t n) {
        return out->here ? buf_append(out->here, text, n) : fd_write_all(out->text, text, n);
}

int operation_send_total(const WorkerOut *out, uint64_t bytes) {
        return handshake_send_id(out->sock, ID_TOTAL, bytes);
}

int operation_ready(const WorkerOut *out) {
        return handshake_send_phase(out->sock, 0);
}

int operation_reply_list(sd_bus_message *call, const OperationResult *result, const char *contents,
                         OperationAppend append, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(call, &reply), taken = 1;

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', contents);
        for (size_t at = 0; r >= 0 && at < result->n_text && taken > 0; at += (size_t) taken) {
                r = append(reply, result->text + at, result->n_text - at);
                taken = MAX(r, 0);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        return r < 0 ? error_set(e, r, "cannot answer: %m") : 1;
}
