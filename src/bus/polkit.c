/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rights of callers, see polkit.h. Questions are kept in a list: few are open at a time, and
 * their number is limited because everybody can cause one. */
#include "bus/polkit.h"

#include <unistd.h>

#include "base/fd.h"
#include "base/home.h"
#include "base/text.h"
#include "bus/caller.h"
#include "bus/error.h"

#define QUESTIONS_MAX 512
/* Somebody may be typing a password. */
#define ANSWER_USEC ((uint64_t) 10 * 60 * 1000000)
/* An answer that its message did not come back for, because what it was about is gone. */
#define STALE_USEC ((uint64_t) 60 * 1000000)

typedef struct Question {
        struct Question *next;
        Polkit *polkit;
        sd_bus_message *message;
        sd_bus_slot *slot;
        char *action;
        char **details;
        bool quiet; /* nobody is asked for a password */
        bool answered;
        uint64_t answered_usec;
        int result; /* 1 or a negative code */
        Error error;
} Question;

struct Polkit {
        sd_bus *bus;
        Callers *callers;
        Question *questions;
        unsigned n_questions;
};

static Question *question_free(Question *q) {
        if (!q)
                return NULL;
        sd_bus_slot_unref(q->slot);
        sd_bus_message_unref(q->message);
        free(q->action);
        strv_free(q->details);
        free(q);
        return NULL;
}
DEFINE_CLEANUP(Question *, question_free)

int polkit_new(sd_bus *bus, Polkit **ret) {
        _cleanup_free_ Polkit *p = calloc(1, sizeof *p);

        if (!p)
                return -ENOMEM;
        p->bus = bus;
        int r = callers_new(bus, &p->callers);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

Polkit *polkit_free(Polkit *p) {
        if (!p)
                return NULL;
        for (Question *q = p->questions, *next; q; q = next) {
                next = q->next;
                question_free(q);
        }
        (void) callers_free(p->callers);
        free(p);
        return NULL;
}

static void question_drop(Polkit *p, Question *gone) {
        for (Question **q = &p->questions; *q; q = &(*q)->next)
                if (*q == gone) {
                        *q = gone->next;
                        p->n_questions--;
                        question_free(gone);
                        return;
                }
}

int polkit_add_peer(Polkit *p, sd_bus *bus, uid_t uid, pid_t pid, uint64_t start_time) {
        return callers_add_peer(p->callers, bus, uid, pid, start_time);
}

void polkit_remove_peer(Polkit *p, sd_bus *bus) {
        for (Question *q = p->questions, *next; q; q = next) {
                next = q->next;
                if (sd_bus_message_get_bus(q->message) == bus)
                        question_drop(p, q);
        }
        callers_remove_peer(p->callers, bus);
}

static void drop_stale(Polkit *p) {
        uint64_t now = now_usec();

        for (Question *q = p->questions, *next; q; q = next) {
                next = q->next;
                if (q->answered && q->answered_usec + STALE_USEC < now)
                        question_drop(p, q);
        }
}

int polkit_find_caller(Polkit *p, sd_bus_message *m, uid_t *ret_uid, pid_t *ret_pid, Error *e) {
        return callers_find(p->callers, m, ret_uid, ret_pid, e);
}

static int read_answer(sd_bus_message *reply, const char *action, Error *e) {
        int authorized = 0, challenge = 0;

        const sd_bus_error *error = sd_bus_message_get_error(reply);
        if (error) {
                if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
                    sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
                        return error_set(e, EACCES,
                                         "only root may do this: polkit is not there to be asked "
                                         "for %s",
                                         action);
                return error_set(e, EACCES, "polkit could not answer for %s: %s", action,
                                 strempty(error->message));
        }

        int r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r < 0)
                return error_set(e, EACCES, "polkit's answer for %s makes no sense", action);
        if (authorized)
                return 1;
        if (challenge)
                return error_set(e, ERR_NEEDS_INTERACTION,
                                 "Interactive authentication required for %s", action);
        return error_set(e, EACCES, "not authorized for %s", action);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        Question *q = userdata;
        Polkit *p = q->polkit;

        q->result = read_answer(reply, q->action, &q->error);
        q->answered = true;
        q->answered_usec = now_usec();

        int r = sd_bus_enqueue_for_read(sd_bus_message_get_bus(q->message), q->message);
        if (r < 0) {
                (void) bus_error_reply(q->message, r, NULL);
                question_drop(p, q);
        }
        return 0;
}

static int append_subject(sd_bus_message *call, const Question *q) {
        const char *sender = sd_bus_message_get_sender(q->message);

        if (sender)
                return sd_bus_message_append(call, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                             sender, q->action);
        const Peer *peer = callers_peer(q->polkit->callers, q->message);
        if (!peer || peer->pid <= 0 || peer->start_time == 0)
                return -ESRCH;
        return sd_bus_message_append(call, "(sa{sv})s", "unix-process", 3, "pid", "u",
                                     (uint32_t) peer->pid, "start-time", "t", peer->start_time,
                                     "uid", "i", (int32_t) peer->uid, q->action);
}

static int question_send(Question *q) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        bool interactive = !q->quiet &&
                           sd_bus_message_get_allow_interactive_authorization(q->message) > 0;
        int r = sd_bus_message_new_method_call(q->polkit->bus, &call, "org.freedesktop.PolicyKit1",
                                               "/org/freedesktop/PolicyKit1/Authority",
                                               "org.freedesktop.PolicyKit1.Authority",
                                               "CheckAuthorization");

        if (r >= 0)
                r = append_subject(call, q);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{ss}");
        for (char **d = q->details; r >= 0 && d && d[0]; d += 2)
                r = sd_bus_message_append(call, "{ss}", d[0], d[1]);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_message_append(call, "us", interactive ? 1U : 0U, "");
        if (r >= 0)
                r = sd_bus_call_async(q->polkit->bus, &q->slot, call, on_answer, q, ANSWER_USEC);
        return r;
}

static bool details_equal(char *const *a, const char *const *b) {
        size_t i = 0;

        for (; a && a[i] && b && b[i]; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return !(a && a[i]) && !(b && b[i]);
}

static int ask(Polkit *p, sd_bus_message *m, const char *action, const char *const *details,
               bool quiet, Error *e) {
        _cleanup_(question_freep) Question *q = NULL;

        drop_stale(p);
        if (p->n_questions >= QUESTIONS_MAX)
                return error_set(e, ENOBUFS, "too many requests wait for polkit");

        q = calloc(1, sizeof *q);
        if (!q)
                return error_oom(e);
        q->polkit = p;
        q->quiet = quiet;
        q->message = sd_bus_message_ref(m);
        q->action = strdup(action);
        if (!q->action || strv_copy((char *const *) details, &q->details) < 0)
                return error_oom(e);

        int r = question_send(q);
        if (r < 0)
                return error_set(e, r, "cannot ask polkit for %s: %m", action);
        q->next = p->questions;
        p->questions = TAKE_PTR(q);
        p->n_questions++;
        return 0;
}

static int check(Polkit *p, sd_bus_message *m, const char *action, const char *const *details,
                 uid_t owner, bool quiet, Error *e) {
        uid_t uid;
        int r = callers_find(p->callers, m, &uid, NULL, e);

        if (r <= 0)
                return r;
        if (uid == 0 || uid == getuid() || (owner != POLKIT_NOBODY && uid == owner))
                return 1;
        if (home_is_user())
                return error_set(e, EACCES, "this is for user %u alone", getuid());

        for (Question *q = p->questions; q; q = q->next) {
                if (q->message != m)
                        continue;
                /* Asked about something else: what the message means has changed meanwhile. */
                if (!q->answered || !streq(q->action, action) ||
                    !details_equal(q->details, details)) {
                        question_drop(p, q);
                        break;
                }
                r = q->result;
                if (e && r < 0)
                        *e = q->error;
                question_drop(p, q);
                return r;
        }
        return ask(p, m, action, details, quiet, e);
}

int polkit_check(Polkit *p, sd_bus_message *m, const char *action, const char *const *details,
                 uid_t owner, Error *e) {
        return check(p, m, action, details, owner, false, e);
}

int polkit_check_quietly(Polkit *p, sd_bus_message *m, const char *action,
                         const char *const *details, uid_t owner, Error *e) {
        return check(p, m, action, details, owner, true, e);
}

bool polkit_is_asking(const Polkit *p) {
        if (callers_is_asking(p->callers))
                return true;
        for (const Question *q = p->questions; q; q = q->next)
                if (!q->answered)
                        return true;
        return false;
}
