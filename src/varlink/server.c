/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections of varlink clients, see server.h. Everybody may connect, so that their number, what they send
 * and what waits for them are all limited; descriptors that nobody has asked for are thrown away. */
#include "varlink/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "base/proc.h"
#include "varlink/builtin.h"
#include "varlink/message.h"
#include "varlink/object.h"
#include "varlink/output.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* Left for root when users have as many connections as they can. */
#define LINKS_FOR_ROOT 256U
/* Calls of one connection before others have their turn. */
#define CALLS_PER_TURN 16U
/* Descriptors that may come with calls; the kernel throws away what is too much. */
#define LINK_FDS_MAX 4U

typedef struct Listener {
        struct Listener *next;
        VarlinkServer *server;
        sd_event_source *source;
} Listener;

struct VarlinkLink {
        VarlinkLink *next, *previous;
        VarlinkServer *server;
        int fd;
        sd_event_source *io, *again;
        VarlinkPeer peer;
        Buf in;
        VarlinkOutput out;
        VarlinkMessage call;   /* the one that is being answered */
        bool busy;             /* there is one */
        bool processing;       /* process() is at work */
        bool at_end;           /* nothing more will come */
        bool broken;           /* to be closed */
        int fds[LINK_FDS_MAX]; /* that came with calls which are in @in; the first n_fds */
        unsigned n_fds;
        void *state;
};

struct VarlinkServer {
        sd_event *event;
        const VarlinkService *service;
        void *userdata;
        Listener *listeners;
        VarlinkLink *links;
        unsigned n_links;
};

static void link_close_fds(VarlinkLink *l) {
        while (l->n_fds > 0)
                fd_close(l->fds[--l->n_fds]);
}

static void link_free(VarlinkLink *l) {
        VarlinkServer *s = l->server;

        if (s->service->gone)
                s->service->gone(l);
        if (l->next)
                l->next->previous = l->previous;
        if (l->previous)
                l->previous->next = l->next;
        else
                s->links = l->next;
        s->n_links--;
        sd_event_source_disable_unref(l->io);
        sd_event_source_disable_unref(l->again);
        fd_close(l->fd);
        fd_close(l->peer.pidfd);
        link_close_fds(l);
        buf_done(&l->in);
        varlink_output_done(&l->out);
        varlink_message_done(&l->call);
        free(l);
        /* Those that had no descriptor left to accept with try again. */
        for (Listener *i = s->listeners; i; i = i->next)
                (void) sd_event_source_set_enabled(i->source, SD_EVENT_ON);
}

/* Whoever is at work with it sees to the rest. */
static void link_break(VarlinkLink *l) {
        l->broken = true;
        varlink_output_done(&l->out);
        (void) shutdown(l->fd, SHUT_RDWR);
}

/* Return: 0 or -errno; the connection is broken then. */
static int link_watch(VarlinkLink *l) {
        uint32_t events = (l->busy || l->at_end ? 0 : EPOLLIN) | (l->out.first ? EPOLLOUT : 0);
        int r = sd_event_source_set_io_events(l->io, events);

        if (r < 0)
                link_break(l);
        return r;
}

/* Calls */

static int refuse(VarlinkLink *l, const char *id, const char *name, const char *value) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *text;

        varlink_put_string(&o, name, value);
        int r = varlink_object_end(&o, &text);
        return r < 0 ? r : varlink_error(l, id, text);
}

static int call_method(VarlinkLink *l, const VarlinkMethod *method, Error *e) {
        static const JsonShape nothing = { .size = 1 };
        const JsonShape *shape = method->shape ? method->shape : &nothing;
        _cleanup_free_ char *wrong = NULL;
        _cleanup_free_ void *parameters = calloc(1, shape->size);

        if (!parameters)
                return error_oom(e);
        int r = varlink_parameters_parse(shape, l->call.parameters, parameters, &wrong, e);
        if (r == -EINVAL)
                r = varlink_invalid(l, strempty(wrong), e->text);
        else if (r >= 0)
                r = method->handle(l, parameters, e);
        json_shape_done(shape, parameters);
        return r;
}

static int find_and_call(VarlinkLink *l, Error *e) {
        const VarlinkMethod *method = NULL;
        _cleanup_free_ char *name = NULL;

        int r = varlink_find_method(l->server->service, l->call.interface, l->call.method, &method);
        if (r == -ENOENT)
                return refuse(l, "org.varlink.service.InterfaceNotFound", "interface",
                              l->call.interface);
        name = str_format("%s.%s", l->call.interface, l->call.method);
        if (!name)
                return error_oom(e);
        if (r == 0)
                return refuse(l, "org.varlink.service.MethodNotFound", "method", name);
        if (l->call.upgrade)
                return refuse(l, "org.varlink.service.MethodNotImplemented", "method", name);
        if (method->needs_more && !l->call.more)
                return varlink_error(l, "org.varlink.service.ExpectedMore", NULL);
        return call_method(l, method, e);
}

/* A call that begins the input, with its NUL. */
static void dispatch(VarlinkLink *l, const char *text) {
        Error e = {};

        if (varlink_message_parse(text, &l->call, &e) < 0) {
                link_break(l);
                return;
        }
        l->busy = true;
        int r = find_and_call(l, &e);
        if (r < 0 && l->busy)
                l->server->service->fail(l, r, &e);
        if (r < 0 && l->busy)
                link_break(l);
}

/* Return: whether the connection is still there. */
static bool process(VarlinkLink *l) {
        unsigned turns = CALLS_PER_TURN;

        l->processing = true;
        while (!l->busy && !l->broken && l->in.n > 0) {
                char *end = memchr(l->in.p, '\0', l->in.n);
                if (!end) {
                        if (l->in.n >= VARLINK_MESSAGE_MAX)
                                l->broken = true;
                        break;
                }
                if (turns-- == 0) {
                        (void) sd_event_source_set_enabled(l->again, SD_EVENT_ONESHOT);
                        break;
                }
                size_t n = (size_t) (end + 1 - l->in.p);
                dispatch(l, l->in.p);
                memmove(l->in.p, l->in.p + n, l->in.n - n);
                l->in.n -= n;
                /* Nobody wants them any more. */
                if (l->in.n == 0)
                        link_close_fds(l);
        }
        l->processing = false;

        bool over = l->at_end && !l->busy && !l->out.first &&
                    !(l->in.n > 0 && memchr(l->in.p, '\0', l->in.n));
        if (!over && !l->broken && link_watch(l) >= 0)
                return true;
        link_free(l);
        return false;
}

static int on_again(sd_event_source *source, void *userdata) {
        (void) process(userdata);
        return 0;
}

static void keep_fds(VarlinkLink *l, struct msghdr *msg) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0);
                     at += sizeof(int)) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
                        if (l->n_fds < LINK_FDS_MAX)
                                l->fds[l->n_fds++] = fd;
                        else
                                fd_close(fd);
                }
        }
}

/* As recv(). */
static ssize_t receive_with_fds(VarlinkLink *l, void *data, size_t n) {
        union {
                struct cmsghdr header; /* for the alignment */
                char bytes[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
        } control;
        struct iovec iov = { data, n };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof control };
        ssize_t k = recvmsg(l->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (k >= 0)
                keep_fds(l, &msg);
        return k;
}

static void receive(VarlinkLink *l) {
        size_t room = VARLINK_MESSAGE_MAX - l->in.n;

        if (room > 64 * 1024)
                room = 64 * 1024;
        if (room == 0)
                return;
        if (buf_reserve(&l->in, room) < 0) {
                l->broken = true;
                return;
        }
        ssize_t n = l->server->service->takes_fds
                            ? receive_with_fds(l, l->in.p + l->in.n, room)
                            : recv(l->fd, l->in.p + l->in.n, room, MSG_DONTWAIT);
        if (n > 0)
                l->in.n += (size_t) n;
        else if (n == 0)
                l->at_end = true;
        else if (errno != EAGAIN && errno != EINTR)
                l->broken = true;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        VarlinkLink *l = userdata;

        if (events & EPOLLOUT && varlink_output_write(&l->out, l->fd) < 0)
                l->broken = true;
        if (events & EPOLLIN && !l->busy)
                receive(l);
        /* Nobody is there to take an answer. What was sent before may be half of a call. */
        if (events & (EPOLLHUP | EPOLLERR) && (l->busy || !(events & EPOLLIN)))
                l->broken = true;
        (void) process(l);
        return 0;
}

/* Connections */

static int read_peer(int fd, VarlinkPeer *ret) {
        struct ucred ucred;
        socklen_t n = sizeof ucred;
        int pidfd = -EBADF;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &n) < 0)
                return -errno;
        *ret = (VarlinkPeer){ .uid = ucred.uid, .pid = ucred.pid, .pidfd = -EBADF };
        n = sizeof pidfd;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n) >= 0)
                ret->pidfd = pidfd;
        if (ret->pid <= 0 || proc_start_time(ret->pid, &ret->start_time) < 0)
                ret->start_time = 0;
        /* The number may be another's by now. */
        if (ret->pidfd >= 0 && !proc_pidfd_is_alive(ret->pidfd))
                ret->pid = 0, ret->start_time = 0;
        return 0;
}

static bool has_room(const VarlinkServer *s, uid_t uid) {
        unsigned n = 0;

        if (uid == 0)
                return s->n_links < VARLINK_LINKS_MAX;
        for (const VarlinkLink *l = s->links; l; l = l->next)
                n += l->peer.uid == uid;
        return n < VARLINK_LINKS_PER_USER_MAX && s->n_links < VARLINK_LINKS_MAX - LINKS_FOR_ROOT;
}

static int link_attach(VarlinkLink *l) {
        int r = sd_event_add_io(l->server->event, &l->io, l->fd, EPOLLIN, on_io, l);

        if (r >= 0)
                r = sd_event_add_defer(l->server->event, &l->again, on_again, l);
        if (r >= 0)
                r = sd_event_source_set_enabled(l->again, SD_EVENT_OFF);
        return r;
}

int varlink_server_add(VarlinkServer *s, int fd) {
        VarlinkPeer peer = { .pidfd = -EBADF };
        int r = read_peer(fd, &peer);

        if (r < 0)
                return r;
        VarlinkLink *l = has_room(s, peer.uid) ? calloc(1, sizeof *l) : NULL;
        if (!l) {
                fd_close(peer.pidfd);
                return -ENOBUFS;
        }
        *l = (VarlinkLink){ .server = s, .fd = fd, .peer = peer };
        r = link_attach(l);
        if (r < 0) {
                sd_event_source_disable_unref(l->io);
                sd_event_source_disable_unref(l->again);
                fd_close(peer.pidfd);
                free(l);
                return r;
        }
        l->next = s->links;
        if (s->links)
                s->links->previous = l;
        s->links = l;
        s->n_links++;
        return 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Listener *listener = userdata;
        _cleanup_fd_ int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (one >= 0) {
                if (varlink_server_add(listener->server, one) >= 0)
                        (void) TAKE_FD(one);
        } else if ((errno == EMFILE || errno == ENFILE) && listener->server->n_links > 0)
                /* Until a connection goes. */
                (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        return 0;
}

int varlink_server_listen(VarlinkServer *s, int fd) {
        Listener *l = calloc(1, sizeof *l);

        if (!l)
                return -ENOMEM;
        l->server = s;
        int r = fd_set_nonblock(fd, true);
        if (r >= 0)
                r = sd_event_add_io(s->event, &l->source, fd, EPOLLIN, on_connection, l);
        if (r >= 0)
                r = sd_event_source_set_io_fd_own(l->source, true);
        if (r < 0) {
                sd_event_source_disable_unref(l->source);
                free(l);
                return r;
        }
        l->next = s->listeners;
        s->listeners = l;
        return 0;
}

int varlink_server_new(sd_event *event, const VarlinkService *service, void *userdata,
                       VarlinkServer **ret) {
        VarlinkServer *s = calloc(1, sizeof *s);

        if (!s)
                return -ENOMEM;
        *s = (VarlinkServer){ .event = event, .service = service, .userdata = userdata };
        *ret = s;
        return 0;
}

void varlink_server_close(VarlinkServer *s) {
        for (Listener *l = s->listeners, *next; l; l = next) {
                next = l->next;
                sd_event_source_disable_unref(l->source);
                free(l);
        }
        s->listeners = NULL;
}

VarlinkServer *varlink_server_free(VarlinkServer *s) {
        if (!s)
                return NULL;
        while (s->links)
                link_free(s->links);
        varlink_server_close(s);
        free(s);
        return NULL;
}

/* For handlers */

void *varlink_userdata(VarlinkLink *l) {
        return l->server->userdata;
}

const VarlinkPeer *varlink_peer(VarlinkLink *l) {
        return &l->peer;
}

bool varlink_wants_more(VarlinkLink *l) {
        return l->call.more;
}

const char *varlink_interface(VarlinkLink *l) {
        return strempty(l->call.interface);
}

unsigned varlink_server_links(const VarlinkServer *s) {
        return s->n_links;
}

int varlink_take_fd(VarlinkLink *l, uint64_t index) {
        return index < l->n_fds ? TAKE_FD(l->fds[index]) : -EBADF;
}

void **varlink_state(VarlinkLink *l) {
        return &l->state;
}

const VarlinkService *varlink_service_of(VarlinkLink *l) {
        return l->server->service;
}

static int send_text(VarlinkLink *l, const char *parameters, const char *id, bool continues,
                     int fd) {
        _cleanup_(buf_done) Buf text = {};
        int r = buf_printf(&text, "{\"parameters\":%s", parameters ? parameters : "{}");

        if (r >= 0 && id) {
                r = buf_puts(&text, ",\"error\":");
                if (r >= 0)
                        r = json_puts(&text, id);
        }
        if (r >= 0 && continues)
                r = buf_puts(&text, ",\"continues\":true");
        if (r >= 0)
                r = buf_puts(&text, "}");
        if (r >= 0)
                r = varlink_output_add(&l->out, &text, fd);
        if (r >= 0)
                r = varlink_output_write(&l->out, l->fd);
        if (r >= 0 && l->out.n_bytes > VARLINK_OUTPUT_MAX)
                r = -ENOBUFS;
        return r;
}

static int answer(VarlinkLink *l, const char *parameters, const char *id, bool continues, int fd) {
        if (!l->busy || (continues && !l->call.more))
                return -EALREADY;
        int r = l->broken || l->call.oneway ? 0 : send_text(l, parameters, id, continues, fd);
        if (r < 0)
                link_break(l);
        if (!continues) {
                varlink_message_done(&l->call);
                l->busy = false;
        }
        if (l->processing)
                return r < 0 ? r : 0;
        if (!l->busy)
                (void) sd_event_source_set_enabled(l->again, SD_EVENT_ONESHOT);
        int k = link_watch(l);
        return r < 0 ? r : k;
}

int varlink_reply(VarlinkLink *l, const char *parameters) {
        return answer(l, parameters, NULL, false, -EBADF);
}

int varlink_reply_fd(VarlinkLink *l, const char *parameters, int fd) {
        return answer(l, parameters, NULL, false, fd);
}

int varlink_continue(VarlinkLink *l, const char *parameters) {
        return answer(l, parameters, NULL, true, -EBADF);
}

int varlink_error(VarlinkLink *l, const char *id, const char *parameters) {
        return answer(l, parameters, id, false, -EBADF);
}

int varlink_invalid(VarlinkLink *l, const char *parameter, const char *cause) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *text;

        if (*strempty(parameter))
                varlink_put_string(&o, "parameter", parameter);
        else
                varlink_put_text(&o, "parameter", "\"\"");
        varlink_put_string(&o, "message", cause);
        int r = varlink_object_end(&o, &text);
        return r < 0 ? r : varlink_error(l, "org.varlink.service.InvalidParameter", text);
}

static int fail_with_errno(VarlinkLink *link, int err, const char *text) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *json;

        varlink_put_string(&o, "origin", "linux");
        varlink_put_unsigned(&o, "errno", (uint64_t) err);
        varlink_put_string(&o, "message", text);
        int r = varlink_object_end(&o, &json);
        return r < 0 ? r : varlink_error(link, "io.systemd.System", json);
}

int varlink_fail(VarlinkLink *l, int code, const char *text) {
        int err = code < 0 ? -code : code;

        if (err == EACCES || err == EPERM)
                return varlink_error(l, "org.varlink.service.PermissionDenied", NULL);
        return err == EINVAL ? varlink_invalid(l, NULL, text) : fail_with_errno(l, err, text);
}
