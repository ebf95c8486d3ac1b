/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.UserDatabase: names for the users and groups of machines, "vu-MACHINE-UID" and "vg-MACHINE-GID", as
 * nss-systemd and userdbctl show them. Whoever looks up a name waits for this, the bus itself not least, so
 * that nothing here waits for anybody. */
#include "base/parse.h"
#include "machined/front.h"
#include "machined/id-owner.h"

#define SERVICE       "io.systemd.Machine"
#define USER_NAME_MAX 31U
#define NOBODY_GROUP  65534U

typedef struct RecordIn {
        char *service, *user_name, *group_name;
        JsonUnsigned uid, gid;
} RecordIn;

#define STRING_ROW(row_name, field)                                                                \
        { .name = (row_name), .kind = &json_string_kind, .at = offsetof(RecordIn, field) }
#define ID_ROW(row_name, field)                                                                    \
        {                                                                                          \
                .name = (row_name), .kind = &json_unsigned_kind, .at = offsetof(RecordIn, field),  \
                .max = UINT32_MAX                                                                  \
        }

static const JsonRow user_rows[] = {
        STRING_ROW("service", service),
        STRING_ROW("userName", user_name),
        ID_ROW("uid", uid),
};
static const JsonShape user_shape = { user_rows, ELEMENTSOF(user_rows), sizeof(RecordIn), NULL };

static const JsonRow group_rows[] = {
        STRING_ROW("service", service),
        STRING_ROW("groupName", group_name),
        ID_ROW("gid", gid),
};
static const JsonShape group_shape = { group_rows, ELEMENTSOF(group_rows), sizeof(RecordIn), NULL };

static const JsonRow membership_rows[] = {
        STRING_ROW("service", service),
        STRING_ROW("userName", user_name),
        STRING_ROW("groupName", group_name),
};
static const JsonShape membership_shape = { membership_rows, ELEMENTSOF(membership_rows),
                                            sizeof(RecordIn), NULL };

/* What differs between users and groups. */
typedef struct Kind {
        const char *file;   /* in /proc/PID */
        const char *prefix; /* of names */
        const char *letter; /* for descriptions */
} Kind;

static const Kind users = { "uid_map", "vu-", "UID" };
static const Kind groups = { "gid_map", "vg-", "GID" };

/* One ID of a machine. */
typedef struct Found {
        const Machine *machine;
        uint32_t inside, outside;
        char name[USER_NAME_MAX + 1];
} Found;

/* Return: 0; -ENOENT the machine's name is too long for names of users, or holds what they must not. */
static int make_name(const Kind *kind, Found *f) {
        int n = snprintf(f->name, sizeof f->name, "%s%s-%u", kind->prefix, f->machine->name,
                         f->inside);

        return n < 0 || (size_t) n >= sizeof f->name || strchr(f->machine->name, '.') ? -ENOENT : 0;
}

static int find_by_id(const Registry *registry, const Kind *kind, uint32_t id, Found *ret) {
        *ret = (Found){ .outside = id };
        ret->machine = id_owner_find(registry, kind->file, id, &ret->inside);
        return ret->machine ? make_name(kind, ret) : -ENOENT;
}

static int find_by_name(const Registry *registry, const Kind *kind, const char *name, Found *ret) {
        const char *rest = str_skip_prefix(name, kind->prefix);
        const char *dash = rest ? strrchr(rest, '-') : NULL;
        _cleanup_free_ char *machine = dash ? strndup(rest, (size_t) (dash - rest)) : NULL;

        *ret = (Found){};
        if (!dash)
                return -ENOENT;
        if (!machine)
                return -ENOMEM;
        ret->machine = registry_by_name(registry, machine);
        if (!ret->machine || parse_uid(dash + 1, &ret->inside) < 0 ||
            !id_owner_is_shifted(ret->machine, kind->file) ||
            id_owner_map(ret->machine, kind->file, ret->inside, &ret->outside) < 0 ||
            ret->outside < ID_OWNER_MIN)
                return -ENOENT;
        int r = make_name(kind, ret);
        /* "vu-a-007" is not a second name of "vu-a-7". */
        return r < 0 || !streq(ret->name, name) ? -ENOENT : 0;
}

/* Return: 0 found; 1 the call is answered; -errno. */
static int find(VarlinkLink *link, const Kind *kind, const char *service, const char *name,
                const JsonUnsigned *id, Found *ret) {
        const Registry *registry = &((Manager *) varlink_userdata(link))->registry;
        int r;

        if (service && !streq(service, SERVICE))
                r = front_error(link, "BadService");
        else if (!name && !id->set)
                r = front_error(link, "EnumerationNotSupported");
        else {
                r = name ? find_by_name(registry, kind, name, ret)
                         : find_by_id(registry, kind, (uint32_t) id->value, ret);
                if (r == -ENOENT)
                        r = front_error(link, "NoRecordFound");
                else if (r >= 0 && name && id->set && id->value != ret->outside)
                        r = front_error(link, "ConflictingRecordFound");
                else
                        return r;
        }
        return r < 0 ? r : 1;
}

static void put_common(VarlinkObject *o, const Kind *kind, const Found *f, const char *key) {
        char text[128];

        (void) snprintf(text, sizeof text, "%s %u of Container %s", kind->letter, f->inside,
                        f->machine->name);
        varlink_put_string(o, key, text);
        varlink_put_string(o, "service", SERVICE);
        varlink_put_string(o, "disposition", "container");
}

static int reply_record(VarlinkLink *link, VarlinkObject *o) {
        varlink_close(o, '}');
        varlink_put_bool(o, "incomplete", false);
        return front_reply(link, o);
}

static int get_user(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const RecordIn *in = parameters;
        Found f;
        int r = find(link, &users, in->service, in->user_name, &in->uid, &f);

        if (r != 0)
                return r;
        varlink_open(&o, "record", '{');
        varlink_put_string(&o, "userName", f.name);
        varlink_put_unsigned(&o, "uid", f.outside);
        varlink_put_unsigned(&o, "gid", NOBODY_GROUP);
        put_common(&o, &users, &f, "realName");
        varlink_put_string(&o, "homeDirectory", "/");
        varlink_put_string(&o, "shell", "/usr/sbin/nologin");
        varlink_put_bool(&o, "locked", true);
        return reply_record(link, &o);
}

static int get_group(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const RecordIn *in = parameters;
        Found f;
        int r = find(link, &groups, in->service, in->group_name, &in->gid, &f);

        if (r != 0)
                return r;
        varlink_open(&o, "record", '{');
        varlink_put_string(&o, "groupName", f.name);
        varlink_put_unsigned(&o, "gid", f.outside);
        put_common(&o, &groups, &f, "description");
        return reply_record(link, &o);
}

/* Who is in which group of a machine is nothing that we know. */
static int get_memberships(VarlinkLink *link, void *parameters, Error *e) {
        const RecordIn *in = parameters;

        return front_error(link, in->service && !streq(in->service, SERVICE) ? "BadService"
                                                                             : "NoRecordFound");
}

static const char description[] = "# Names for users and groups of machines\n"
                                  "interface io.systemd.UserDatabase\n"
                                  "\n"
                                  "# A user, by UID on the host or by name (vu-MACHINE-UID)\n"
                                  "method GetUserRecord(\n"
                                  "  uid: ?int,\n"
                                  "  userName: ?string,\n"
                                  "  service: string\n"
                                  ") -> (\n"
                                  "  record: object,\n"
                                  "  incomplete: bool\n"
                                  ")\n"
                                  "\n"
                                  "# A group, by GID on the host or by name (vg-MACHINE-GID)\n"
                                  "method GetGroupRecord(\n"
                                  "  gid: ?int,\n"
                                  "  groupName: ?string,\n"
                                  "  service: string\n"
                                  ") -> (\n"
                                  "  record: object,\n"
                                  "  incomplete: bool\n"
                                  ")\n"
                                  "\n"
                                  "# Members of groups; there are never any\n"
                                  "method GetMemberships(\n"
                                  "  userName: ?string,\n"
                                  "  groupName: ?string,\n"
                                  "  service: string\n"
                                  ") -> (\n"
                                  "  userName: string,\n"
                                  "  groupName: string\n"
                                  ")\n"
                                  "\n"
                                  "error NoRecordFound ()\n"
                                  "error BadService ()\n"
                                  "error ServiceNotAvailable ()\n"
                                  "error ConflictingRecordFound ()\n"
                                  "error EnumerationNotSupported ()\n";

static const VarlinkMethod methods[] = {
        { "GetUserRecord", &user_shape, get_user, false },
        { "GetGroupRecord", &group_shape, get_group, false },
        { "GetMemberships", &membership_shape, get_memberships, false },
};
const VarlinkInterface user_interface = { "io.systemd.UserDatabase", description, methods,
                                          ELEMENTSOF(methods) };
