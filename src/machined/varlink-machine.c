/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.Machine: what is asked over varlink of one machine. Each method becomes a call of the operation
 * that D-Bus has for it; only numbers of users are looked up here. */
#include "machined/varlink-machine.h"

#include "machined/id-owner.h"

/* Calls the operation @member of the Manager on the machine that is meant: first its name. */
static int begin(VarlinkLink *link, const VarlinkWho *who, const char *member, sd_bus_message **ret,
                 Error *e) {
        Machine *machine;
        int r = varlink_find_machine(link, who, &machine, e);

        if (r >= 0)
                r = bridge_call(link, BUS_MACHINE1_MANAGER, member, who->interactive, ret, e);
        if (r < 0)
                return r;
        r = sd_bus_message_append(*ret, "s", machine->name);
        return r < 0 ? error_set(e, r, "cannot make a call: %m") : 0;
}

/* Methods that take nothing more */

static const JsonRow who_rows[] = { VARLINK_WHO_ROWS };
static const JsonShape who_shape = { who_rows, ELEMENTSOF(who_rows), sizeof(VarlinkWho), NULL };

static int call_plain(VarlinkLink *link, const VarlinkWho *who, const char *member,
                      BridgeReply reply, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r = begin(link, who, member, &call, e);

        return r < 0 ? r : bridge_send(link, call, reply, e);
}

static int unregister(VarlinkLink *link, void *parameters, Error *e) {
        return call_plain(link, parameters, "UnregisterMachine", bridge_done, e);
}

static int terminate(VarlinkLink *link, void *parameters, Error *e) {
        return call_plain(link, parameters, "TerminateMachine", bridge_done, e);
}

static int reply_root(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        int fd;

        if (!reply)
                return r;
        r = sd_bus_message_read(reply, "h", &fd);
        return r < 0 ? r : varlink_reply_fd(link, "{\"fileDescriptor\":0}", fd);
}

static int open_root(VarlinkLink *link, void *parameters, Error *e) {
        return call_plain(link, parameters, "OpenMachineRootDirectory", reply_root, e);
}

/* Kill */

typedef struct KillIn {
        VarlinkWho who;
        char *whom;
        JsonInteger signal;
} KillIn;

static const JsonRow kill_rows[] = {
        VARLINK_WHO_ROWS,
        { .name = "whom", .kind = &json_string_kind, .at = offsetof(KillIn, whom) },
        { .name = "signal",
          .kind = &json_integer_kind,
          .at = offsetof(KillIn, signal),
          .min = INT32_MIN,
          .max = INT32_MAX,
          .required = true },
};
static const JsonShape kill_shape = { kill_rows, ELEMENTSOF(kill_rows), sizeof(KillIn), NULL };

static int kill_machine(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const KillIn *in = parameters;
        int r = begin(link, &in->who, "KillMachine", &call, e);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "si", strempty(in->whom), (int32_t) in->signal.value);
        return bridge_send_built(link, call, r, bridge_done, e);
}

/* Open */

typedef enum OpenMode { OPEN_UNSET, OPEN_TTY, OPEN_LOGIN, OPEN_SHELL } OpenMode;
static const char *const open_names[] = { "", "tty", "login", "shell", NULL };

typedef struct OpenInput {
        VarlinkWho who;
        int mode;
        char *user, *path;
        char **args, **environment;
} OpenInput;

static const JsonRow open_rows[] = {
        VARLINK_WHO_ROWS,
        { .name = "mode",
          .kind = &json_choice_kind,
          .at = offsetof(OpenInput, mode),
          .names = open_names,
          .required = true },
        { .name = "user", .kind = &json_string_kind, .at = offsetof(OpenInput, user) },
        { .name = "path", .kind = &json_string_kind, .at = offsetof(OpenInput, path) },
        { .name = "args", .kind = &json_strings_kind, .at = offsetof(OpenInput, args) },
        { .name = "environment",
          .kind = &json_strings_kind,
          .at = offsetof(OpenInput, environment) },
};
static const JsonShape open_shape = { open_rows, ELEMENTSOF(open_rows), sizeof(OpenInput), NULL };

static int reply_pty(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        _cleanup_object_ VarlinkObject o = varlink_object_init();
        const char *path, *text;
        int fd;

        /* Nobody there who could be talked to: no bus, or no service manager. */
        if (!reply)
                return r == -ENOENT ? front_error(link, "NoIPC") : r;
        r = sd_bus_message_read(reply, "hs", &fd, &path);
        if (r < 0)
                return r;
        varlink_put_unsigned(&o, "ptyFileDescriptor", 0);
        varlink_put_string(&o, "ptyPath", path);
        r = varlink_object_end(&o, &text);
        return r < 0 ? r : varlink_reply_fd(link, text, fd);
}

static int open_machine(VarlinkLink *link, void *parameters, Error *e) {
        static const char *const members[] = { [OPEN_TTY] = "OpenMachinePTY",
                                               [OPEN_LOGIN] = "OpenMachineLogin",
                                               [OPEN_SHELL] = "OpenMachineShell" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const OpenInput *in = parameters;

        if (in->mode == OPEN_UNSET)
                return varlink_invalid(link, "mode", "neither tty, login nor shell");
        if (in->mode != OPEN_SHELL && (in->user || in->path || in->args || in->environment))
                return varlink_invalid(link, "mode",
                                       "only a shell has a user, path, args and environment");
        int r = begin(link, &in->who, members[in->mode], &call, e);
        if (r < 0)
                return r;
        if (in->mode == OPEN_SHELL) {
                r = sd_bus_message_append(call, "ss", strempty(in->user), strempty(in->path));
                if (r >= 0)
                        r = sd_bus_message_append_strv(call, in->args);
                if (r >= 0)
                        r = sd_bus_message_append_strv(call, in->environment);
        }
        return bridge_send_built(link, call, r, reply_pty, e);
}

/* Files */

typedef struct PathsIn {
        VarlinkWho who;
        char *source, *destination;
        bool read_only, mkdir, replace;
} PathsIn;

#define PATHS_ROWS                                                                                 \
        VARLINK_WHO_ROWS,                                                                          \
                { .name = "source",                                                                \
                  .kind = &json_string_kind,                                                       \
                  .at = offsetof(PathsIn, source),                                                 \
                  .required = true },                                                              \
        {                                                                                          \
                .name = "destination", .kind = &json_string_kind,                                  \
                .at = offsetof(PathsIn, destination)                                               \
        }

static const JsonRow bind_rows[] = {
        PATHS_ROWS,
        { .name = "readOnly", .kind = &json_bool_kind, .at = offsetof(PathsIn, read_only) },
        { .name = "mkdir", .kind = &json_bool_kind, .at = offsetof(PathsIn, mkdir) },
};
static const JsonShape bind_shape = { bind_rows, ELEMENTSOF(bind_rows), sizeof(PathsIn), NULL };

static const JsonRow copy_rows[] = {
        PATHS_ROWS,
        { .name = "replace", .kind = &json_bool_kind, .at = offsetof(PathsIn, replace) },
};
static const JsonShape copy_shape = { copy_rows, ELEMENTSOF(copy_rows), sizeof(PathsIn), NULL };

static int bind_mount(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const PathsIn *in = parameters;
        int r = begin(link, &in->who, "BindMountMachine", &call, e);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "ssbb", in->source, strempty(in->destination),
                                  (int) in->read_only, (int) in->mkdir);
        return bridge_send_built(link, call, r, bridge_done, e);
}

static int copy(VarlinkLink *link, const PathsIn *in, const char *member, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r = begin(link, &in->who, member, &call, e);

        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "sst", in->source, strempty(in->destination),
                                  in->replace ? UINT64_C(1) : UINT64_C(0));
        return bridge_send_built(link, call, r, bridge_done, e);
}

static int copy_from(VarlinkLink *link, void *parameters, Error *e) {
        return copy(link, parameters, "CopyFromMachineWithFlags", e);
}

static int copy_to(VarlinkLink *link, void *parameters, Error *e) {
        return copy(link, parameters, "CopyToMachineWithFlags", e);
}

/* Numbers of users and groups */

typedef struct MapIn {
        VarlinkWho who;
        JsonUnsigned uid, gid;
} MapIn;

#define MAP_ROW(row_name, field)                                                                   \
        {                                                                                          \
                .name = (row_name), .kind = &json_unsigned_kind, .at = offsetof(MapIn, field),     \
                .max = UINT32_MAX - 1                                                              \
        }
static const JsonRow map_from_rows[] = { VARLINK_WHO_ROWS, MAP_ROW("uid", uid),
                                         MAP_ROW("gid", gid) };
static const JsonShape map_from_shape = { map_from_rows, ELEMENTSOF(map_from_rows), sizeof(MapIn),
                                          NULL };
static const JsonRow map_to_rows[] = {
        MAP_ROW("uid", uid),
        MAP_ROW("gid", gid),
        { .name = "allowInteractiveAuthentication",
          .kind = &json_bool_kind,
          .at = offsetof(MapIn, who.interactive) },
};
static const JsonShape map_to_shape = { map_to_rows, ELEMENTSOF(map_to_rows), sizeof(MapIn), NULL };

/* Two questions, one after the other. */
typedef struct Mapping {
        char *name; /* of the machine; NULL = to be found */
        JsonUnsigned uid, gid;
        bool interactive;
        bool is_from; /* IDs of a machine are asked for, not of the host */
        VarlinkObject answer;
} Mapping;

static void map_free(void *p) {
        Mapping *w = p;

        free(w->name);
        varlink_object_done(&w->answer);
        free(w);
}

static int map_next(VarlinkLink *link, FrontClient *client, Error *e);

/* Return: 0; -EBADMSG; 1 the group is another machine's than the user. */
static int read_mapped(Mapping *w, sd_bus_message *reply, uint32_t *ret) {
        const char *name;

        if (sd_bus_message_has_signature(reply, "u"))
                return sd_bus_message_read(reply, "u", ret) < 0 ? -EBADMSG : 0;
        if (sd_bus_message_read(reply, "sou", &name, NULL, ret) < 0)
                return -EBADMSG;
        if (w->name)
                return !streq(w->name, name);
        w->name = strdup(name);
        if (!w->name)
                return -ENOMEM;
        varlink_put_string(&w->answer, "machineName", name);
        return 0;
}

static int on_mapped(VarlinkLink *link, sd_bus_message *reply, int r, Error *e) {
        FrontClient *client;
        uint32_t id;
        int k = front_client(link, &client, e);

        if (k < 0)
                return k;
        if (!reply)
                return r;
        Mapping *w = client->work;
        k = read_mapped(w, reply, &id);
        if (k < 0)
                return error_set(e, k, "cannot read what an ID is mapped to: %m");
        if (k > 0)
                return front_error(link, "NoSuchGroup");
        varlink_put_unsigned(&w->answer, w->uid.set ? "uid" : "gid", id);
        *(w->uid.set ? &w->uid : &w->gid) = (JsonUnsigned){};
        return map_next(link, client, e);
}

static int map_next(VarlinkLink *link, FrontClient *client, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        Mapping *w = client->work;
        const char *member = w->is_from ? w->uid.set ? "MapFromMachineUser" : "MapFromMachineGroup"
                             : w->uid.set ? "MapToMachineUser"
                                          : "MapToMachineGroup";

        if (!w->uid.set && !w->gid.set)
                return front_reply(link, &w->answer);
        int r = bridge_call(link, BUS_MACHINE1_MANAGER, member, w->interactive, &call, e);
        if (r < 0)
                return r;
        if (w->is_from)
                r = sd_bus_message_append(call, "s", w->name);
        if (r >= 0)
                r = sd_bus_message_append(call, "u",
                                          (uint32_t) (w->uid.set ? w->uid : w->gid).value);
        return bridge_send_built(link, call, r, on_mapped, e);
}

/* @machine: whose IDs they are; NULL = those of the host */
static int map_start(VarlinkLink *link, const MapIn *in, const Machine *machine, bool interactive,
                     Error *e) {
        FrontClient *client;
        int r = front_client(link, &client, e);

        if (r < 0)
                return r;
        Mapping *w = calloc(1, sizeof *w);
        if (!w)
                return error_oom(e);
        *w = (Mapping){ .uid = in->uid,
                        .gid = in->gid,
                        .interactive = interactive,
                        .is_from = machine,
                        .answer = varlink_object_init() };
        front_set_work(client, w, map_free);
        if (machine) {
                w->name = strdup(machine->name);
                if (!w->name)
                        return error_oom(e);
        }
        return map_next(link, client, e);
}

static int map_from(VarlinkLink *link, void *parameters, Error *e) {
        const MapIn *in = parameters;
        Machine *machine;

        if (!in->uid.set && !in->gid.set)
                return varlink_invalid(link, "uid", "neither uid nor gid is given");
        int r = varlink_find_machine(link, &in->who, &machine, e);
        return r < 0 ? r : map_start(link, in, machine, in->who.interactive, e);
}

static int map_to(VarlinkLink *link, void *parameters, Error *e) {
        const MapIn *in = parameters;

        if (!in->uid.set && !in->gid.set)
                return varlink_invalid(link, "uid", "neither uid nor gid is given");
        if (in->uid.set && in->uid.value < ID_OWNER_MIN)
                return front_error(link, "UserInHostRange");
        if (in->gid.set && in->gid.value < ID_OWNER_MIN)
                return front_error(link, "GroupInHostRange");
        return map_start(link, in, NULL, in->who.interactive, e);
}

static const VarlinkMethod methods[] = {
        { "Register", &varlink_register_shape, varlink_register, false },
        { "Unregister", &who_shape, unregister, false },
        { "Terminate", &who_shape, terminate, false },
        { "Kill", &kill_shape, kill_machine, false },
        { "List", &varlink_list_shape, varlink_list, false },
        { "Open", &open_shape, open_machine, false },
        { "MapFrom", &map_from_shape, map_from, false },
        { "MapTo", &map_to_shape, map_to, false },
        { "BindMount", &bind_shape, bind_mount, false },
        { "CopyFrom", &copy_shape, copy_from, false },
        { "CopyTo", &copy_shape, copy_to, false },
        { "OpenRootDirectory", &who_shape, open_root, false },
};
const VarlinkInterface machine_interface = { "io.systemd.Machine", varlink_machine_description,
                                             methods, ELEMENTSOF(methods) };
