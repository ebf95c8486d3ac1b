/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Senders of messages, see caller.h. Answers are kept in a ring, since every connection can cause one; what is
 * held back is limited for the same reason. */
#include "bus/caller.h"

#include <unistd.h>

#include "base/proc.h"
#include "base/text.h"
#include "bus/error.h"
#include "bus/name.h"

#define CALLERS_MAX 256
#define ASKED_MAX   512
#define HELD_MAX    64 /* of one sender */
#define ANSWER_USEC ((uint64_t) 10 * 1000000)

typedef struct Caller {
        char *name; /* unique name: the bus never gives one out twice */
        uid_t uid;
        pid_t pid;
} Caller;

/* A sender that the bus was asked about. */
typedef struct Asked {
        struct Asked *next;
        Callers *callers;
        char *name;
        sd_bus_slot *slot;
        sd_bus_message *held[HELD_MAX];
        unsigned n_held;
} Asked;

struct Callers {
        sd_bus *bus;
        Peer *peers;
        Asked *asked;
        unsigned n_asked;
        Caller known[CALLERS_MAX];
        unsigned next_known;
};

static Asked *asked_free(Asked *a) {
        if (!a)
                return NULL;
        sd_bus_slot_unref(a->slot);
        for (unsigned i = 0; i < a->n_held; i++)
                sd_bus_message_unref(a->held[i]);
        free(a->name);
        free(a);
        return NULL;
}
DEFINE_CLEANUP(Asked *, asked_free)

static Asked *asked_find(const Callers *c, const char *name) {
        for (Asked *a = c->asked; a; a = a->next)
                if (streq(a->name, name))
                        return a;
        return NULL;
}

static void asked_drop(Asked *gone) {
        for (Asked **a = &gone->callers->asked; *a; a = &(*a)->next)
                if (*a == gone) {
                        *a = gone->next;
                        gone->callers->n_asked--;
                        break;
                }
        (void) asked_free(gone);
}

static int hold(Asked *a, sd_bus_message *m, Error *e) {
        if (a->n_held >= HELD_MAX)
                return error_set(e, ENOBUFS, "too many calls at once");
        a->held[a->n_held++] = sd_bus_message_ref(m);
        return 0;
}

/* Whoever needs to know who calls comes back to callers_find(). What came after that must not overtake it. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name = sd_bus_message_get_sender(m);
        Callers *c = userdata;
        Error e = {};

        if (!c->asked || !name || !sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;
        Asked *a = asked_find(c, name);
        if (!a)
                return 0;
        int r = hold(a, m, &e);
        return r < 0 ? bus_error_set(error, r, &e) : 1;
}

int callers_new(sd_bus *bus, Callers **ret) {
        _cleanup_free_ Callers *c = calloc(1, sizeof *c);

        if (!c)
                return -ENOMEM;
        c->bus = bus;
        int r = sd_bus_add_filter(bus, NULL, on_message, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Callers *callers_free(Callers *c) {
        if (!c)
                return NULL;
        while (c->asked)
                asked_drop(c->asked);
        for (Peer *peer = c->peers, *next; peer; peer = next) {
                next = peer->next;
                free(peer);
        }
        for (unsigned i = 0; i < CALLERS_MAX; i++)
                free(c->known[i].name);
        free(c);
        return NULL;
}

int callers_add_peer(Callers *c, sd_bus *bus, uid_t uid, pid_t pid, uint64_t start_time) {
        Peer *peer = calloc(1, sizeof *peer);

        if (!peer)
                return -ENOMEM;
        *peer = (Peer){ c->peers, bus, uid, pid, start_time };
        c->peers = peer;
        return 0;
}

void callers_remove_peer(Callers *c, const sd_bus *bus) {
        for (Peer **peer = &c->peers; *peer; peer = &(*peer)->next)
                if ((*peer)->bus == bus) {
                        Peer *gone = *peer;
                        *peer = gone->next;
                        free(gone);
                        return;
                }
}

const Peer *callers_peer(const Callers *c, sd_bus_message *m) {
        const sd_bus *bus = sd_bus_message_get_bus(m);

        for (const Peer *peer = c->peers; peer; peer = peer->next)
                if (peer->bus == bus)
                        return peer;
        return NULL;
}

static const Caller *known_find(const Callers *c, const char *name) {
        for (unsigned i = 0; i < CALLERS_MAX && c->known[i].name; i++)
                if (streq(c->known[i].name, name))
                        return c->known + i;
        return NULL;
}

static void known_add(Callers *c, Caller *fresh) {
        Caller *slot = c->known + c->next_known;

        c->next_known = (c->next_known + 1) % CALLERS_MAX;
        free(slot->name);
        *slot = *fresh;
}

/* What the bus tells of a sender. */
typedef struct Credentials {
        uint32_t uid, pid;
        bool has_uid;
        int process; /* pidfd, the message's own; -EBADF = this bus knows none */
} Credentials;

static int read_credential(sd_bus_message *reply, const char *key, Credentials *ret) {
        int r;

        if (streq(key, "UnixUserID")) {
                r = sd_bus_message_read(reply, "v", "u", &ret->uid);
                ret->has_uid = r >= 0;
                return r;
        }
        if (streq(key, "ProcessID"))
                return sd_bus_message_read(reply, "v", "u", &ret->pid);
        if (streq(key, "ProcessFD"))
                return sd_bus_message_read(reply, "v", "h", &ret->process);
        return sd_bus_message_skip(reply, "v");
}

/* Who connects to the bus of a machine from outside does so in a process that enters it and ends. What is root's, or our
 * own user's, needs no process that polkit could be asked about. */
static bool may_be_left_by(uint32_t uid) {
        return uid == 0 || uid == geteuid();
}

/* A caller outside the bus's PID namespace has no PID. One that has ended, and left the connection to somebody
 * else, is nobody that we could tell. */
static int read_credentials(sd_bus_message *reply, Caller *ret) {
        Credentials c = { .process = -EBADF };
        const char *key;
        pid_t pid;
        int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                r = sd_bus_message_read(reply, "s", &key);
                if (r >= 0)
                        r = read_credential(reply, key, &c);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return r;
        if (!c.has_uid || c.uid == (uint32_t) -1)
                return -ENODATA;
        if (c.process >= 0) {
                r = proc_pidfd_pid(c.process, &pid);
                if (r == -ESRCH && may_be_left_by(c.uid))
                        c.pid = 0;
                else if (r < 0 && r != -EREMOTE)
                        return r;
        }
        ret->uid = c.uid;
        ret->pid = c.pid <= INT32_MAX ? (pid_t) c.pid : 0;
        return 0;
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *failed = sd_bus_message_get_error(reply);
        Asked *a = userdata;
        Caller fresh = {};
        Error e = {};
        int r = failed ? bus_error_get(&e, 0, failed) : read_credentials(reply, &fresh);

        if (r >= 0 && !(fresh.name = strdup(a->name)))
                r = -ENOMEM;
        if (r >= 0)
                known_add(a->callers, &fresh);
        else
                r = error_wrap(&e, r, "cannot find out who is calling");
        for (unsigned i = 0; i < a->n_held; i++)
                if (r < 0 || sd_bus_enqueue_for_read(a->callers->bus, a->held[i]) < 0)
                        (void) bus_error_reply(a->held[i], r < 0 ? r : -EIO, r < 0 ? &e : NULL);
        asked_drop(a);
        return 1;
}

static int ask(Callers *c, sd_bus_message *m, const char *name, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_(asked_freep) Asked *a = NULL;

        if (c->n_asked >= ASKED_MAX)
                return error_set(e, ENOBUFS, "too many are calling at once");
        a = calloc(1, sizeof *a);
        if (!a || !(a->name = strdup(name)))
                return error_oom(e);
        a->callers = c;

        int r = sd_bus_message_new_method_call(c->bus, &call, BUS_DBUS_NAME, BUS_DBUS_PATH,
                                               BUS_DBUS_NAME, "GetConnectionCredentials");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", name);
        if (r >= 0)
                r = sd_bus_call_async(c->bus, &a->slot, call, on_credentials, a, ANSWER_USEC);
        if (r < 0)
                return error_set(e, r, "cannot ask who is calling: %m");
        (void) hold(a, m, NULL);
        a->next = c->asked;
        c->asked = TAKE_PTR(a);
        c->n_asked++;
        return 0;
}

bool callers_is_asking(const Callers *c) {
        return c->asked;
}

int callers_find(Callers *c, sd_bus_message *m, uid_t *ret_uid, pid_t *ret_pid, Error *e) {
        const char *name = sd_bus_message_get_sender(m);
        Caller found = {};

        if (name) {
                const Caller *known = known_find(c, name);
                Asked *a = known ? NULL : asked_find(c, name);
                if (!known)
                        return a ? hold(a, m, e) : ask(c, m, name, e);
                found = *known;
        } else {
                const Peer *peer = callers_peer(c, m);
                if (!peer)
                        return error_set(e, EACCES, "a message without a sender");
                found = (Caller){ NULL, peer->uid, peer->pid };
        }
        if (ret_uid)
                *ret_uid = found.uid;
        if (ret_pid)
                *ret_pid = found.pid;
        return 1;
}
