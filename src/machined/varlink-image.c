/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.MachineImage: images over varlink. Each method becomes one or several calls of the operations that
 * D-Bus has. */
#include "machined/walk.h"

/* List */

typedef struct ListIn {
        char *name;
        int metadata;
        bool interactive;
} ListIn;

#define INTERACTIVE_ROW(type)                                                                      \
        {                                                                                          \
                .name = "allowInteractiveAuthentication", .kind = &json_bool_kind,                 \
                .at = offsetof(type, interactive)                                                  \
        }

static const JsonRow list_rows[] = {
        { .name = "name", .kind = &json_string_kind, .at = offsetof(ListIn, name) },
        { .name = "acquireMetadata",
          .kind = &json_choice_kind,
          .at = offsetof(ListIn, metadata),
          .names = varlink_metadata_names },
        INTERACTIVE_ROW(ListIn),
};
static const JsonShape list_shape = { list_rows, ELEMENTSOF(list_rows), sizeof(ListIn), NULL };

static int put_property(VarlinkObject *o, sd_bus_message *reply, const char *key) {
        static const struct {
                const char *property, *name;
        } numbers[] = {
                { "CreationTimestamp", "creationTimestamp" },
                { "ModificationTimestamp", "modificationTimestamp" },
                { "Usage", "usage" },
                { "UsageExclusive", "usageExclusive" },
                { "Limit", "limit" },
                { "LimitExclusive", "limitExclusive" },
        };
        const char *text;
        uint64_t number;
        int read_only, r;

        if (streq(key, "Path") || streq(key, "Type")) {
                r = sd_bus_message_read(reply, "v", "s", &text);
                if (r >= 0)
                        varlink_put_string(o, streq(key, "Path") ? "path" : "type", text);
                return r;
        }
        if (streq(key, "ReadOnly")) {
                r = sd_bus_message_read(reply, "v", "b", &read_only);
                if (r >= 0)
                        varlink_put_bool(o, "readOnly", read_only > 0);
                return r;
        }
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++) {
                if (!streq(key, numbers[i].property))
                        continue;
                r = sd_bus_message_read(reply, "v", "t", &number);
                if (r >= 0 && number != UINT64_MAX && number != 0)
                        varlink_put_unsigned(o, numbers[i].name, number);
                return r;
        }
        return sd_bus_message_skip(reply, "v");
}

static int put_properties(VarlinkLink *link, const char *name, VarlinkObject *o,
                          sd_bus_message *reply) {
        int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

        /* There is no such word in the interface, and no image without it. */
        varlink_put_text(o, "class", "\"machine\"");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                const char *key;
                r = sd_bus_message_read(reply, "s", &key);
                if (r >= 0)
                        r = put_property(o, reply, key);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        return r;
}

static int put_hostname(VarlinkLink *link, const char *name, VarlinkObject *o,
                        sd_bus_message *reply) {
        const char *text;
        int r = sd_bus_message_read(reply, "s", &text);

        if (r >= 0)
                varlink_put_string(o, "hostname", text);
        return r;
}

static int put_machine_id(VarlinkLink *link, const char *name, VarlinkObject *o,
                          sd_bus_message *reply) {
        const uint8_t *bytes = NULL;
        size_t n = 0;
        int r = sd_bus_message_read_array(reply, 'y', (const void **) &bytes, &n);

        if (r >= 0 && n == 16)
                walk_put_id(o, "machineId", bytes);
        return r;
}

static int put_machine_info(VarlinkLink *link, const char *name, VarlinkObject *o,
                            sd_bus_message *reply) {
        return walk_put_assignments(o, "machineInfo", reply);
}

static int put_os_release(VarlinkLink *link, const char *name, VarlinkObject *o,
                          sd_bus_message *reply) {
        return walk_put_assignments(o, "OSRelease", reply);
}

#define METADATA(manager_member, put_it)                                                           \
        {                                                                                          \
                .interface = BUS_MACHINE1_MANAGER, .member = (manager_member), .put = (put_it),    \
                .is_asked_for = true                                                               \
        }

static const WalkStep list_steps[] = {
        { .interface = BUS_PROPERTIES,
          .member = "GetAll",
          .prefix = BUS_MACHINE1_IMAGE,
          .argument = BUS_MACHINE1_NAME ".Image",
          .put = put_properties,
          .is_basic = true },
        METADATA("GetImageHostname", put_hostname),
        METADATA("GetImageMachineID", put_machine_id),
        METADATA("GetImageMachineInfo", put_machine_info),
        METADATA("GetImageOSRelease", put_os_release),
};

static int list_begin(VarlinkLink *link, VarlinkObject *o, const char *name, bool *ret_is_own) {
        varlink_put_string(o, "name", name);
        *ret_is_own = varlink_peer(link)->uid == 0;
        return 1;
}

static const WalkKind list_kind = { list_steps, ELEMENTSOF(list_steps), list_begin, NULL,
                                    "NoSuchImage" };

/* What was asked, until the names are known. */
typedef struct ListAll {
        VarlinkMetadata metadata;
        bool interactive;
} ListAll;

static int on_names(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        _cleanup_strv_ char **names = NULL;
        FrontClient *client;
        int k = front_client(link, &client, e);

        if (k < 0)
                return k;
        const ListAll all = *(const ListAll *) client->work;
        front_set_work(client, NULL, NULL);
        if (!reply)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(ssbttto)");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "ssbttto")) > 0) {
                const char *name;
                r = sd_bus_message_read(reply, "s", &name);
                if (r >= 0)
                        r = strv_append(&names, name);
                if (r >= 0)
                        r = sd_bus_message_skip(reply, "sbttto");
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return error_set(e, r, "cannot read the list of images: %m");
        return walk_start(link, &list_kind, TAKE_PTR(names), all.metadata, all.interactive, e);
}

static int list_all(VarlinkLink *link, const ListIn *in, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        FrontClient *client;
        int r = bridge_call(link, BUS_MACHINE1_MANAGER, "ListImages", in->interactive, &call, e);

        if (r >= 0)
                r = front_client(link, &client, e);
        if (r < 0)
                return r;
        ListAll *all = calloc(1, sizeof *all);
        if (!all)
                return error_oom(e);
        *all = (ListAll){ (VarlinkMetadata) in->metadata, in->interactive };
        front_set_work(client, all, free);
        return bridge_send(link, call, on_names, e);
}

static int list(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_strv_ char **names = NULL;
        const ListIn *in = parameters;

        if (!in->name)
                return varlink_wants_more(link)
                               ? list_all(link, in, e)
                               : varlink_error(link, "org.varlink.service.ExpectedMore", NULL);
        if (strv_append(&names, in->name) < 0)
                return error_oom(e);
        return walk_start(link, &list_kind, TAKE_PTR(names), (VarlinkMetadata) in->metadata,
                          in->interactive, e);
}

/* Changes */

typedef struct ChangeIn {
        char *name, *new_name;
        JsonBool read_only;
        JsonUnsigned limit;
        bool interactive;
} ChangeIn;

#define NAME_ROW                                                                                   \
        {                                                                                          \
                .name = "name", .kind = &json_string_kind, .at = offsetof(ChangeIn, name),         \
                .required = true                                                                   \
        }
#define READ_ONLY_ROW                                                                              \
        { .name = "readOnly", .kind = &json_maybe_kind, .at = offsetof(ChangeIn, read_only) }
#define LIMIT_ROW(is_required)                                                                     \
        {                                                                                          \
                .name = "limit", .kind = &json_unsigned_kind, .at = offsetof(ChangeIn, limit),     \
                .required = (is_required)                                                          \
        }

static const JsonRow update_rows[] = {
        NAME_ROW,
        { .name = "newName", .kind = &json_string_kind, .at = offsetof(ChangeIn, new_name) },
        READ_ONLY_ROW,
        LIMIT_ROW(false),
        INTERACTIVE_ROW(ChangeIn),
};
static const JsonShape update_shape = { update_rows, ELEMENTSOF(update_rows), sizeof(ChangeIn),
                                        NULL };

static const JsonRow clone_rows[] = {
        NAME_ROW,
        { .name = "newName",
          .kind = &json_string_kind,
          .at = offsetof(ChangeIn, new_name),
          .required = true },
        READ_ONLY_ROW,
        INTERACTIVE_ROW(ChangeIn),
};
static const JsonShape clone_shape = { clone_rows, ELEMENTSOF(clone_rows), sizeof(ChangeIn), NULL };

static const JsonRow remove_rows[] = { NAME_ROW, INTERACTIVE_ROW(ChangeIn) };
static const JsonShape remove_shape = { remove_rows, ELEMENTSOF(remove_rows), sizeof(ChangeIn),
                                        NULL };

static const JsonRow pool_limit_rows[] = { LIMIT_ROW(true), INTERACTIVE_ROW(ChangeIn) };
static const JsonShape pool_limit_shape = { pool_limit_rows, ELEMENTSOF(pool_limit_rows),
                                            sizeof(ChangeIn), NULL };

static int clone(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const ChangeIn *in = parameters;
        int r = bridge_call(link, BUS_MACHINE1_MANAGER, "CloneImage", in->interactive, &call, e);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ssb", in->name, in->new_name, (int) in->read_only.value);
        return bridge_send_built(link, call, r, bridge_done, e);
}

static int remove_image(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const ChangeIn *in = parameters;
        int r = bridge_call(link, BUS_MACHINE1_MANAGER, "RemoveImage", in->interactive, &call, e);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", in->name);
        return bridge_send_built(link, call, r, bridge_done, e);
}

static int set_pool_limit(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const ChangeIn *in = parameters;
        int r = bridge_call(link, BUS_MACHINE1_MANAGER, "SetPoolLimit", in->interactive, &call, e);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "t", in->limit.value);
        return bridge_send_built(link, call, r, bridge_done, e);
}

/* Several changes of one image, one after the other: its name, then the rest. */
typedef struct Update {
        char *name, *new_name;
        JsonBool read_only;
        JsonUnsigned limit;
        bool interactive;
        int result; /* of the first that failed; the others are made all the same */
        Error error;
} Update;

static void update_free(void *p) {
        Update *u = p;

        free(u->name);
        free(u->new_name);
        free(u);
}

static int update_next(VarlinkLink *link, FrontClient *client, Error *e);

static int on_updated(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        FrontClient *client;
        int k = front_client(link, &client, e);

        if (k < 0)
                return k;
        Update *u = client->work;
        if (!reply && u->result >= 0) {
                u->result = r;
                u->error = *e;
        }
        if (u->new_name) {
                /* What cannot be renamed is left as it is. */
                if (!reply)
                        u->read_only.set = u->limit.set = false;
                free(u->name);
                u->name = TAKE_PTR(u->new_name);
        } else if (u->read_only.set)
                u->read_only.set = false;
        else
                u->limit.set = false;
        return update_next(link, client, e);
}

static int update_finish(VarlinkLink *link, FrontClient *client, Error *e) {
        Update *u = client->work;
        int r = u->result;

        if (r < 0)
                *e = u->error;
        front_set_work(client, NULL, NULL);
        return r < 0 ? r : varlink_reply(link, NULL);
}

static int update_next(VarlinkLink *link, FrontClient *client, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const Update *u = client->work;
        const char *member = u->new_name        ? "RenameImage"
                             : u->read_only.set ? "MarkImageReadOnly"
                             : u->limit.set     ? "SetImageLimit"
                                                : NULL;

        if (!member)
                return update_finish(link, client, e);
        int r = bridge_call(link, BUS_MACHINE1_MANAGER, member, u->interactive, &call, e);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", u->name);
        if (r >= 0 && u->new_name)
                r = sd_bus_message_append(call, "s", u->new_name);
        else if (r >= 0 && u->read_only.set)
                r = sd_bus_message_append(call, "b", (int) u->read_only.value);
        else if (r >= 0)
                r = sd_bus_message_append(call, "t", u->limit.value);
        return bridge_send_built(link, call, r, on_updated, e);
}

static int update(VarlinkLink *link, void *parameters, Error *e) {
        ChangeIn *in = parameters;
        FrontClient *client;
        int r = front_client(link, &client, e);

        if (r < 0)
                return r;
        Update *u = calloc(1, sizeof *u);
        if (!u)
                return error_oom(e);
        *u = (Update){ .name = TAKE_PTR(in->name),
                       .new_name = TAKE_PTR(in->new_name),
                       .read_only = in->read_only,
                       .limit = in->limit,
                       .interactive = in->interactive };
        front_set_work(client, u, update_free);
        return update_next(link, client, e);
}

/* CleanPool */

typedef struct CleanIn {
        char *mode;
        bool interactive;
} CleanIn;

static const JsonRow clean_rows[] = {
        { .name = "mode",
          .kind = &json_string_kind,
          .at = offsetof(CleanIn, mode),
          .required = true },
        INTERACTIVE_ROW(CleanIn),
};
static const JsonShape clean_shape = { clean_rows, ELEMENTSOF(clean_rows), sizeof(CleanIn), NULL };

static int reply_clean(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        _cleanup_free_ char *ready = NULL;

        if (!reply)
                return r;
        r = sd_bus_message_enter_container(reply, 'a', "(st)");
        while (r >= 0) {
                _cleanup_object_ VarlinkObject o = varlink_object_init();
                const char *name, *text;
                uint64_t usage;

                r = sd_bus_message_read(reply, "(st)", &name, &usage);
                if (r <= 0)
                        break;
                varlink_put_string(&o, "name", name);
                if (usage != UINT64_MAX)
                        varlink_put_unsigned(&o, "usageExclusive", usage);
                r = varlink_object_end(&o, &text);
                if (r >= 0 && ready)
                        r = varlink_continue(link, ready);
                if (r >= 0)
                        r = str_replace(&ready, text);
        }
        if (r < 0)
                return error_set(e, r, "cannot tell what was removed: %m");
        return ready ? varlink_reply(link, ready) : front_error(link, "NoSuchImage");
}

static int clean_pool(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const CleanIn *in = parameters;
        int r = bridge_call(link, BUS_MACHINE1_MANAGER, "CleanPool", in->interactive, &call, e);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", in->mode);
        return bridge_send_built(link, call, r, reply_clean, e);
}

static const VarlinkMethod methods[] = {
        { "List", &list_shape, list, false },
        { "Update", &update_shape, update, false },
        { "Clone", &clone_shape, clone, false },
        { "Remove", &remove_shape, remove_image, false },
        { "SetPoolLimit", &pool_limit_shape, set_pool_limit, false },
        { "CleanPool", &clean_shape, clean_pool, true },
};

const VarlinkInterface image_interface = { "io.systemd.MachineImage", varlink_image_description,
                                           methods, ELEMENTSOF(methods) };
