/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The serving side of varlink: sockets in, calls out to tables of methods, replies back. What the methods do
 * is their owner's. A connection has one call at a time; what comes meanwhile waits in the kernel. */
#pragma once

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/json-shape.h"

#define VARLINK_LINKS_MAX          2048U
#define VARLINK_LINKS_PER_USER_MAX 256U
#define VARLINK_MESSAGE_MAX        (1024U * 1024)      /* bytes of one call */
#define VARLINK_OUTPUT_MAX         (16U * 1024 * 1024) /* bytes that wait for a slow reader */

typedef struct VarlinkServer VarlinkServer;
typedef struct VarlinkLink VarlinkLink;

/* Who is at the other end, as of the time when they connected. */
typedef struct VarlinkPeer {
        uid_t uid;
        pid_t pid;           /* 0 = in no PID namespace that we see */
        uint64_t start_time; /* of that process, in ticks since boot; 0 = unknown */
        int pidfd;           /* -EBADF = unknown */
} VarlinkPeer;

/* A method of an interface.
 * Handlers answer by varlink_reply…(), at once or later, or return a negative code with @e set.
 * @parameters is a structure as @shape says, which is freed when the handler returns. */
typedef struct VarlinkMethod {
        const char *name;
        const JsonShape *shape; /* of the parameters; NULL = there are none */
        int (*handle)(VarlinkLink *link, void *parameters, Error *e);
        bool needs_more; /* makes no sense with one reply */
} VarlinkMethod;

typedef struct VarlinkInterface {
        const char *name;
        const char *description; /* all of it, in the language of varlink */
        const VarlinkMethod *methods;
        size_t n_methods;
} VarlinkInterface;

/* What is served; static. */
typedef struct VarlinkService {
        const char *vendor, *product, *version, *url;
        const VarlinkInterface *const
                *interfaces; /* NULL-terminated; org.varlink.service comes by itself */
        /* Answers a call with a failure by varlink_error(). */
        void (*fail)(VarlinkLink *link, int r, const Error *e);
        /* The connection is gone, and with it the call that it had. May be NULL. */
        void (*gone)(VarlinkLink *link);
        /* How much the daemon says, as in syslog(3). May be NULL. */
        void (*set_level)(VarlinkLink *link, int level);
        bool takes_fds; /* calls may bring descriptors, for varlink_take_fd() */
} VarlinkService;

/* io.systemd.service, for the lists of those who want it */
extern const VarlinkInterface varlink_service_interface;

/** varlink_server_new() - a server without sockets
 * @event: borrowed, has to outlive the server
 * Return: 0 or -errno. */
int varlink_server_new(sd_event *event, const VarlinkService *service, void *userdata,
                       VarlinkServer **ret);
/** varlink_server_free() - close all connections and sockets; takes NULL. Return: NULL. */
VarlinkServer *varlink_server_free(VarlinkServer *s);
/** varlink_server_listen() - serve a listening socket, too
 * @fd: consumed on success. Return: 0 or -errno. */
int varlink_server_listen(VarlinkServer *s, int fd);
/** varlink_server_close() - take in no more connections; who wants one waits for whoever else listens there */
void varlink_server_close(VarlinkServer *s);
/** varlink_server_add() - serve a connected socket, too. @fd: consumed on success. Return: 0 or -errno. */
int varlink_server_add(VarlinkServer *s, int fd);

/** varlink_server_links() - how many connections there are */
unsigned varlink_server_links(const VarlinkServer *s);

/** varlink_userdata() - what the server was made with */
void *varlink_userdata(VarlinkLink *link);
/** varlink_peer() - who calls */
const VarlinkPeer *varlink_peer(VarlinkLink *link);
/** varlink_wants_more() - whether the call takes more than one reply */
bool varlink_wants_more(VarlinkLink *link);
/** varlink_interface() - name of the interface of the call */
const char *varlink_interface(VarlinkLink *link);
/** varlink_state() - a pointer of the handlers' own, NULL at first; for gone() to free */
void **varlink_state(VarlinkLink *link);

/** varlink_take_fd() - a descriptor that came with the call
 * @index: from 0, as the parameters say it. Return: it, the caller's; -EBADF = there is none. */
int varlink_take_fd(VarlinkLink *link, uint64_t index);

/** varlink_reply() - answer the call
 * @parameters: text of an object. Return: 0 or -errno: the connection is being closed then. */
int varlink_reply(VarlinkLink *link, const char *parameters);
/** varlink_reply_fd() - the same with a descriptor, which is borrowed and duplicated */
int varlink_reply_fd(VarlinkLink *link, const char *parameters, int fd);
/** varlink_continue() - answer the call, and more will follow */
int varlink_continue(VarlinkLink *link, const char *parameters);
/** varlink_error() - answer the call with an error
 * @id: "io.systemd.Machine.NoSuchMachine". @parameters may be NULL. */
int varlink_error(VarlinkLink *link, const char *id, const char *parameters);
/** varlink_invalid() - answer that a parameter is wrong
 * @cause: may be NULL */
int varlink_invalid(VarlinkLink *link, const char *parameter, const char *cause);
/** varlink_fail() - answer with a failure that has a name everywhere: a right that is missing, a parameter that
 * is wrong, and else the errno
 * @code: negative or positive; @text: may be NULL */
int varlink_fail(VarlinkLink *link, int code, const char *text);
