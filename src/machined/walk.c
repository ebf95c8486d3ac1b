/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists in several replies, see walk.h. */
#include "machined/walk.h"

const char *const varlink_metadata_names[] = { "", "no", "yes", "graceful", NULL };

typedef struct Walk {
        const WalkKind *kind;
        char **names; /* that are to be told, in this order */
        size_t next;
        VarlinkMetadata metadata;
        bool interactive;
        bool is_own;
        bool has_object;
        VarlinkObject object; /* of the name that it is at */
        size_t step;
        char *ready; /* complete, kept until it is known whether another follows */
} Walk;

static void object_drop(Walk *w) {
        if (w->has_object)
                varlink_object_done(&w->object);
        w->has_object = false;
}

static void walk_free(void *p) {
        Walk *w = p;

        strv_free(w->names);
        object_drop(w);
        free(w->ready);
        free(w);
}

static int walk_go(VarlinkLink *link, FrontClient *client, Error *e);

/* What is complete goes out when the next one is complete, so that the last is known to be the last. */
static int put_ready(VarlinkLink *link, Walk *w, Error *e) {
        _cleanup_free_ char *before = TAKE_PTR(w->ready);
        const char *text;
        int r = varlink_object_end(&w->object, &text);

        if (r >= 0) {
                w->ready = strdup(text);
                r = w->ready ? 0 : -ENOMEM;
        }
        object_drop(w);
        if (r < 0)
                return error_oom(e);
        return before ? varlink_continue(link, before) : 0;
}

/* Return: 0 go on; 1 the call was answered with an error; -errno. */
static int take_answer(VarlinkLink *link, Walk *w, sd_bus_message *reply, int r, Error *e) {
        const WalkStep *step = w->kind->steps + w->step;

        if (reply) {
                r = step->put(link, w->names[w->next], &w->object, reply);
                if (r < 0)
                        return error_set(e, r, "cannot read the answer of %s: %m", step->member);
        } else if (step->is_basic) {
                object_drop(w);
                w->next++;
                return 0;
        } else if (w->metadata == VARLINK_METADATA_YES) {
                if (r != -step->code)
                        return r;
                r = front_error(link, step->error);
                return r < 0 ? r : 1;
        }
        w->step++;
        return 0;
}

static int on_answer(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        FrontClient *client;
        int k = front_client(link, &client, e);

        if (k < 0)
                return k;
        k = take_answer(link, client->work, reply, r, e);
        if (k != 0) {
                front_set_work(client, NULL, NULL);
                return k < 0 ? k : 0;
        }
        return walk_go(link, client, e);
}

static bool is_skipped(const Walk *w) {
        const WalkStep *step = w->kind->steps + w->step;

        if (step->is_basic)
                return false;
        if (step->is_for_others)
                return w->is_own || (!w->interactive && w->metadata != VARLINK_METADATA_YES);
        if (w->metadata == VARLINK_METADATA_GRACEFUL)
                return step->is_asked_for && !w->is_own && !w->interactive;
        return w->metadata != VARLINK_METADATA_YES;
}

static int ask(VarlinkLink *link, const Walk *w, const char *name, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *path = NULL;
        const WalkStep *step = w->kind->steps + w->step;
        int r = step->prefix ? sd_bus_path_encode(step->prefix, name, &path) : 0;

        if (r < 0)
                return error_oom(e);
        r = bridge_call_object(link, path ? path : BUS_MACHINE1_PATH, step->interface, step->member,
                               w->interactive, &call, e);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", step->argument ? step->argument : name);
        if (r >= 0 && step->argument2)
                r = sd_bus_message_append(call, "s", step->argument2);
        return bridge_send_built(link, call, r, on_answer, e);
}

/* Goes on with one name.
 * Return: 1 an operation is asked; 0 all is known, or it is gone; -errno. */
static int go_on_with(VarlinkLink *link, Walk *w, const char *name, Error *e) {
        if (!w->has_object) {
                w->object = varlink_object_init();
                w->has_object = true;
                w->step = 0;
                w->is_own = false;
                if (w->kind->begin(link, &w->object, name, &w->is_own) == 0)
                        return 0;
        } else if (w->kind->is_there && !w->kind->is_there(link, name))
                return 0;
        while (w->step < w->kind->n_steps && is_skipped(w))
                w->step++;
        if (w->step < w->kind->n_steps) {
                int r = ask(link, w, name, e);
                return r < 0 ? r : 1;
        }
        return put_ready(link, w, e);
}

/* Return: 0 an answer is under way, or all is answered; -errno. */
static int go(VarlinkLink *link, FrontClient *client, Error *e) {
        Walk *w = client->work;

        while (w->names && w->names[w->next]) {
                int r = go_on_with(link, w, w->names[w->next], e);
                if (r != 0)
                        return r < 0 ? r : 0;
                object_drop(w);
                w->next++;
        }
        _cleanup_free_ char *last = TAKE_PTR(w->ready);
        const char *none = w->kind->none;
        front_set_work(client, NULL, NULL);
        return last ? varlink_reply(link, last) : front_error(link, none);
}

static int walk_go(VarlinkLink *link, FrontClient *client, Error *e) {
        int r = go(link, client, e);

        if (r < 0)
                front_set_work(client, NULL, NULL);
        return r;
}

int walk_start(VarlinkLink *link, const WalkKind *kind, char **names, VarlinkMetadata metadata,
               bool interactive, Error *e) {
        _cleanup_strv_ char **mine = names;
        FrontClient *client;
        int r = front_client(link, &client, e);

        if (r < 0)
                return r;
        Walk *w = calloc(1, sizeof *w);
        if (!w)
                return error_oom(e);
        *w = (Walk){ .kind = kind,
                     .names = TAKE_PTR(mine),
                     .metadata = metadata,
                     .interactive = interactive };
        front_set_work(client, w, walk_free);
        return walk_go(link, client, e);
}

int walk_put_assignments(VarlinkObject *o, const char *name, sd_bus_message *reply) {
        _cleanup_strv_ char **v = NULL;
        int r = sd_bus_message_enter_container(reply, 'a', "{ss}");

        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "ss")) > 0) {
                const char *key, *value;
                r = sd_bus_message_read(reply, "ss", &key, &value);
                if (r >= 0)
                        r = strv_append_format(&v, "%s=%s", key, value);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r >= 0)
                varlink_put_strings(o, name, v);
        return r;
}

void walk_put_id(VarlinkObject *o, const char *name, const uint8_t *bytes) {
        char text[33];

        for (size_t i = 0; i < 16; i++)
                (void) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
        varlink_put_string(o, name, text);
}
