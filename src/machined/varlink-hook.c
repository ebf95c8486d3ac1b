/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.Resolve.Hook: systemd-resolved asks here before it asks elsewhere. Only a machine's own name is
 * answered: what is below it is left alone, so that a machine called like a top-level domain is in nobody's way;
 * and what is asked for one name is answered with addresses of that one. */
#include <ctype.h>
#include <sys/socket.h>

#include "machined/front.h"

#define TYPE_A    1U
#define TYPE_AAAA 28U
#define CLASS_IN  1U
#define KEYS_MAX  16U
#define LABEL_MAX 63U

typedef struct Key {
        JsonUnsigned class, type;
        char *name;
} Key;

typedef struct Question {
        Key key;
} Question;

typedef struct ResolveIn {
        JSON_LIST(Question) question;
} ResolveIn;

static const JsonRow key_rows[] = {
        { .name = "class",
          .kind = &json_unsigned_kind,
          .at = offsetof(Key, class),
          .max = UINT16_MAX },
        { .name = "type",
          .kind = &json_unsigned_kind,
          .at = offsetof(Key, type),
          .max = UINT16_MAX,
          .required = true },
        { .name = "name", .kind = &json_string_kind, .at = offsetof(Key, name), .required = true },
};
static const JsonShape key_shape = { key_rows, ELEMENTSOF(key_rows), sizeof(Key), NULL };
static const JsonRow question_rows[] = {
        { .name = "key",
          .kind = &json_object_kind,
          .at = offsetof(Question, key),
          .shape = &key_shape,
          .required = true },
};
static const JsonShape question_shape = { question_rows, ELEMENTSOF(question_rows),
                                          sizeof(Question), NULL };
static const JsonRow resolve_rows[] = {
        { .name = "question",
          .kind = &json_objects_kind,
          .at = offsetof(ResolveIn, question),
          .shape = &question_shape,
          .required = true },
};
static const JsonShape resolve_shape = { resolve_rows, ELEMENTSOF(resolve_rows), sizeof(ResolveIn),
                                         NULL };

/* What is being resolved: the names of the question one after the other. */
typedef struct Resolution {
        struct ResolutionKey {
                unsigned type;
                char name[256]; /* as it was asked */
        } keys[KEYS_MAX];
        size_t n, at;
        VarlinkObject answer;
        bool any; /* a machine of one of these names has been asked */
} Resolution;

static void resolution_free(void *p) {
        Resolution *s = p;

        varlink_object_done(&s->answer);
        free(s);
}

/* Whether its name is for everybody. One that a user gave would be in the place of any host's. */
static bool is_public(const Machine *m) {
        return m->class != MACHINE_HOST && m->uid == 0 && manager_edge(m)->is_announced;
}

/* The machine of a name, which may end with a dot and be written in capitals. */
static const Machine *find(const Registry *registry, const char *name) {
        char lower[256];
        size_t n = strlen(name);

        if (n > 0 && name[n - 1] == '.')
                n--;
        if (n == 0 || n >= sizeof lower)
                return NULL;
        for (const Machine *i = registry->first; i; i = i->next)
                if (is_public(i) && strlen(i->name) == n && strncasecmp(i->name, name, n) == 0)
                        return i;
        return NULL;
}

void hook_filter_text(VarlinkObject *o, const Manager *m) {
        _cleanup_strv_ char **names = NULL;
        unsigned labels_max = 1;

        for (const Machine *i = m->registry.first; i; i = i->next) {
                unsigned labels = 1;
                if (!is_public(i))
                        continue;
                for (const char *p = i->name; *p; p++)
                        labels += *p == '.';
                if (labels > labels_max)
                        labels_max = labels;
                if (strv_append(&names, i->name) < 0)
                        return;
        }
        varlink_put_strings(o, "filterDomains", names);
        varlink_put_unsigned(o, "filterLabelsMin", 1);
        varlink_put_unsigned(o, "filterLabelsMax", labels_max);
}

static int query_filter(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        FrontClient *client;
        const char *text;

        hook_filter_text(&o, varlink_userdata(link));
        if (!varlink_wants_more(link))
                return front_reply(link, &o);
        int r = front_client(link, &client, e);
        if (r >= 0)
                r = varlink_object_end(&o, &text);
        if (r < 0)
                return r;
        client->interest = FRONT_FILTER;
        return varlink_continue(link, text);
}

/* DNS */

/* Return: 0; -ENOMEM; -EINVAL it is no name for the wire. */
static int put_wire_name(Buf *b, const char *name) {
        for (const char *p = name; *p;) {
                size_t n = strcspn(p, ".");
                uint8_t length = (uint8_t) n;

                if (n == 0 || n > LABEL_MAX)
                        return -EINVAL;
                if (buf_append(b, &length, 1) < 0 || buf_append(b, p, n) < 0)
                        return -ENOMEM;
                p += n;
                if (*p == '.')
                        p++;
        }
        return buf_append(b, "", 1);
}

static int encode_base64(const Buf *in, Buf *out) {
        static const char
                digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t i = 0; i < in->n; i += 3) {
                const uint8_t *p = (const uint8_t *) in->p + i;
                size_t n = in->n - i < 3 ? in->n - i : 3;
                uint32_t v = (uint32_t) p[0] << 16 | (n > 1 ? (uint32_t) p[1] << 8 : 0) |
                             (n > 2 ? p[2] : 0);
                char four[4] = { digits[v >> 18], digits[v >> 12 & 63],
                                 n > 1 ? digits[v >> 6 & 63] : '=', n > 2 ? digits[v & 63] : '=' };
                if (buf_append(out, four, sizeof four) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void put_record(VarlinkObject *o, const struct ResolutionKey *key, const uint8_t *bytes,
                       size_t n, const char *raw) {
        varlink_open(o, NULL, '{');
        varlink_open(o, "rr", '{');
        varlink_open(o, "key", '{');
        varlink_put_unsigned(o, "class", CLASS_IN);
        varlink_put_unsigned(o, "type", key->type);
        varlink_put_string(o, "name", key->name);
        varlink_close(o, '}');
        varlink_open(o, "address", '[');
        for (size_t i = 0; i < n; i++)
                varlink_put_unsigned(o, NULL, bytes[i]);
        varlink_close(o, ']');
        varlink_close(o, '}');
        varlink_put_string(o, "raw", raw);
        varlink_close(o, '}');
}

/* Name, type, class, no time to live, length, address. */
static int add_record(VarlinkObject *o, const struct ResolutionKey *key, const uint8_t *bytes,
                      size_t n) {
        const uint8_t fixed[] = { 0, (uint8_t) key->type, 0, CLASS_IN, 0, 0, 0, 0, 0, (uint8_t) n };
        _cleanup_(buf_done) Buf wire = {}, text = {};
        int r = put_wire_name(&wire, key->name);

        if (r >= 0)
                r = buf_append(&wire, fixed, sizeof fixed);
        if (r >= 0)
                r = buf_append(&wire, bytes, n);
        if (r >= 0)
                r = encode_base64(&wire, &text);
        if (r >= 0)
                put_record(o, key, bytes, n, text.p);
        return r;
}

static int go_on(VarlinkLink *link, FrontClient *client, Error *e);

static int add_addresses(Resolution *s, sd_bus_message *reply) {
        const struct ResolutionKey *key = s->keys + s->at;
        int r = sd_bus_message_enter_container(reply, 'a', "(iiayu)");

        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "iiayu")) > 0) {
                const uint8_t *bytes = NULL;
                int32_t family = 0, ifindex = 0;
                uint32_t scope = 0;
                size_t n = 0;

                r = sd_bus_message_read(reply, "ii", &family, &ifindex);
                if (r >= 0)
                        r = sd_bus_message_read_array(reply, 'y', (const void **) &bytes, &n);
                if (r >= 0)
                        r = sd_bus_message_read(reply, "u", &scope);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
                if (r >= 0 && ((family == AF_INET && key->type == TYPE_A && n == 4) ||
                               (family == AF_INET6 && key->type == TYPE_AAAA && n == 16)))
                        r = add_record(&s->answer, key, bytes, n);
        }
        return r;
}

static int on_addresses(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        FrontClient *client;
        int k = front_client(link, &client, e);

        if (k < 0)
                return k;
        Resolution *s = client->work;
        if (reply) {
                s->any = true;
                k = add_addresses(s, reply);
        }
        /* A machine that has no addresses of its own to tell is as if it were not there. */
        s->at++;
        return k < 0 ? error_set(e, k, "cannot make an answer: %m") : go_on(link, client, e);
}

static int finish(VarlinkLink *link, FrontClient *client, Error *e) {
        Resolution *s = client->work;
        int r;

        if (s->any) {
                const char *text;
                varlink_close(&s->answer, ']');
                r = varlink_object_end(&s->answer, &text);
                if (r >= 0)
                        r = varlink_reply(link, text);
        } else
                r = varlink_reply(link, NULL);
        front_set_work(client, NULL, NULL);
        return r;
}

static int go_on(VarlinkLink *link, FrontClient *client, Error *e) {
        const Registry *registry = &((Manager *) varlink_userdata(link))->registry;
        Resolution *s = client->work;

        for (; s->at < s->n; s->at++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
                const Machine *machine = find(registry, s->keys[s->at].name);

                if (!machine)
                        continue;
                int r = bridge_call(link, BUS_SKEP_MANAGER1, "ListMachineAddresses", false, &call,
                                    e);
                if (r < 0)
                        return r;
                r = sd_bus_message_append(call, "s", machine->name);
                return bridge_send_built(link, call, r, on_addresses, e);
        }
        return finish(link, client, e);
}

static int resolve(VarlinkLink *link, void *parameters, Error *e) {
        const ResolveIn *in = parameters;
        FrontClient *client;
        int r = front_client(link, &client, e);

        if (r < 0)
                return r;
        Resolution *s = calloc(1, sizeof *s);
        if (!s)
                return error_oom(e);
        front_set_work(client, s, resolution_free);
        for (size_t i = 0; i < in->question.n && s->n < KEYS_MAX; i++) {
                const Key *key = &in->question.v[i].key;
                bool is_address = key->type.value == TYPE_A || key->type.value == TYPE_AAAA;

                if ((key->class.set && key->class.value != CLASS_IN) || !is_address ||
                    strlen(key->name) >= sizeof s->keys[0].name)
                        continue;
                s->keys[s->n].type = (unsigned) key->type.value;
                memcpy(s->keys[s->n++].name, key->name, strlen(key->name) + 1);
        }
        s->answer = varlink_object_init();
        varlink_put_unsigned(&s->answer, "rcode", 0);
        varlink_open(&s->answer, "answer", '[');
        return go_on(link, client, e);
}

static const char description
        [] = "# Answers for names of machines, before anybody else is asked\n"
             "interface io.systemd.Resolve.Hook\n"
             "\n"
             "type ResourceKey (\n"
             "  class: ?int,\n"
             "  type: int,\n"
             "  name: string\n"
             ")\n"
             "\n"
             "# A record for people to look at\n"
             "type ResourceRecord (\n"
             "  key: ResourceKey,\n"
             "  address: ?[]int\n"
             ")\n"
             "\n"
             "type Question (key: ResourceKey)\n"
             "\n"
             "# raw is the record as on the wire, in Base64\n"
             "type Answer (\n"
             "  rr: ?ResourceRecord,\n"
             "  raw: string\n"
             ")\n"
             "\n"
             "# The names that are worth asking for; with \"more\" again whenever they change\n"
             "method QueryFilter() -> (\n"
             "  filterDomains: ?[]string,\n"
             "  filterLabelsMin: ?int,\n"
             "  filterLabelsMax: ?int\n"
             ")\n"
             "\n"
             "# Without rcode the resolver goes on as it would have\n"
             "method ResolveRecord(question: []Question) -> (\n"
             "  rcode: ?int,\n"
             "  answer: ?[]Answer\n"
             ")\n";

static const VarlinkMethod methods[] = {
        { "QueryFilter", NULL, query_filter, false },
        { "ResolveRecord", &resolve_shape, resolve, false },
};
const VarlinkInterface hook_interface = { "io.systemd.Resolve.Hook", description, methods,
                                          ELEMENTSOF(methods) };
