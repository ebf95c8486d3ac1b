/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io.systemd.Import, and org.skep.Import for what that lacks: parameters in, calls on the bus out. */
#include "base/fd.h"
#include "bus/name.h"
#include "importer/import-front.h"
#include "importer/url.h"

static const char *const types[] = { "", "raw", "tar", "fs", NULL };
static const char *const classes[] = { "", "machine", "portable", "sysext", "confext", NULL };

/* Parameters of all that starts something */
typedef struct StartWords {
        char *remote, *local, *verify, *format, *image_root, *checksum_name;
        int type, class;
        bool force, read_only, keep_download, interactive;
        JsonUnsigned fd, checksum_fd, level, threads, clamp_mtime;
} StartWords;

#define STRING_ROW(row_name, field)                                                                \
        { .name = (row_name), .kind = &json_string_kind, .at = offsetof(StartWords, field) }
#define BOOL_ROW(row_name, field)                                                                  \
        { .name = (row_name), .kind = &json_bool_kind, .at = offsetof(StartWords, field) }
#define TYPE_ROW                                                                                   \
        {                                                                                          \
                .name = "type", .kind = &json_choice_kind, .at = offsetof(StartWords, type),       \
                .names = types, .required = true                                                   \
        }
#define CLASS_ROW(is_required)                                                                     \
        {                                                                                          \
                .name = "class", .kind = &json_choice_kind, .at = offsetof(StartWords, class),     \
                .names = classes, .required = (is_required)                                        \
        }
#define NUMBER_ROW(row_name, field, largest)                                                       \
        {                                                                                          \
                .name = (row_name), .kind = &json_unsigned_kind,                                   \
                .at = offsetof(StartWords, field), .max = (largest)                                \
        }
#define INTERACTIVE_ROW BOOL_ROW("allowInteractiveAuthentication", interactive)
#define FD_ROW                                                                                     \
        {                                                                                          \
                .name = "fileDescriptor", .kind = &json_unsigned_kind,                             \
                .at = offsetof(StartWords, fd), .max = UINT8_MAX, .required = true                 \
        }

static const JsonRow pull_rows[] = {
        STRING_ROW("remote", remote),
        STRING_ROW("local", local),
        TYPE_ROW,
        CLASS_ROW(true),
        STRING_ROW("verify", verify),
        BOOL_ROW("force", force),
        BOOL_ROW("readOnly", read_only),
        BOOL_ROW("keepDownload", keep_download),
        STRING_ROW("imageRoot", image_root),
        INTERACTIVE_ROW,
};
static const JsonShape pull_shape = { pull_rows, ELEMENTSOF(pull_rows), sizeof(StartWords), NULL };

static const JsonRow import_rows[] = {
        FD_ROW,
        STRING_ROW("local", local),
        TYPE_ROW,
        CLASS_ROW(false),
        STRING_ROW("verify", verify),
        BOOL_ROW("force", force),
        BOOL_ROW("readOnly", read_only),
        STRING_ROW("imageRoot", image_root),
        INTERACTIVE_ROW,
};
static const JsonShape import_shape = { import_rows, ELEMENTSOF(import_rows), sizeof(StartWords),
                                        NULL };

static const JsonRow export_rows[] = {
        STRING_ROW("local", local),
        FD_ROW,
        TYPE_ROW,
        CLASS_ROW(false),
        STRING_ROW("format", format),
        NUMBER_ROW("level", level, UINT32_MAX),
        NUMBER_ROW("threads", threads, UINT32_MAX),
        NUMBER_ROW("clampMTime", clamp_mtime, INT64_MAX - 1),
        NUMBER_ROW("checksumFileDescriptor", checksum_fd, UINT8_MAX),
        STRING_ROW("checksumName", checksum_name),
        STRING_ROW("imageRoot", image_root),
        INTERACTIVE_ROW,
};
static const JsonShape export_shape = { export_rows, ELEMENTSOF(export_rows), sizeof(StartWords),
                                        NULL };

static int on_started(ImportClient *c, sd_bus_message *reply, int r, Error *e) {
        uint32_t id = 0;

        if (!reply)
                return r;
        r = sd_bus_message_read(reply, "uo", &id, NULL);
        return r < 0 ? error_set(e, r, "cannot read an answer: %m")
                     : import_client_follow(c, id, e);
}

static int append_words(sd_bus_message *call, const char *way, const StartWords *in) {
        _cleanup_free_ char *type = str_format("%s-%s", way, types[in->type]);
        const char *const words[][2] = {
                { "Type", type },
                { "Class", classes[in->class] },
                { "Local", in->local },
                { "Remote", in->remote },
                { "Verify", in->verify },
                { "Format", in->format },
                { "ChecksumName", in->checksum_name },
                { "ImageRoot", in->image_root },
        };
        int r = type ? 0 : -ENOMEM;

        for (size_t i = 0; i < ELEMENTSOF(words) && r >= 0; i++)
                if (words[i][1] && words[i][1][0])
                        r = sd_bus_message_append(call, "{sv}", words[i][0], "s", words[i][1]);
        return r;
}

static int append_packing(sd_bus_message *call, const StartWords *in, int checksum_fd) {
        int r = 0;

        if (in->level.set)
                r = sd_bus_message_append(call, "{sv}", "Level", "u", (uint32_t) in->level.value);
        if (in->threads.set && r >= 0)
                r = sd_bus_message_append(call, "{sv}", "Threads", "u",
                                          (uint32_t) in->threads.value);
        if (in->clamp_mtime.set && r >= 0)
                r = sd_bus_message_append(call, "{sv}", "ClampMTime", "t", in->clamp_mtime.value);
        if (checksum_fd >= 0 && r >= 0)
                r = sd_bus_message_append(call, "{sv}", "Checksum", "h", checksum_fd);
        return r;
}

/* @fd, @checksum_fd: -EBADF = there is none */
static int start(VarlinkLink *link, const char *way, const StartWords *in, int fd, int checksum_fd,
                 Error *e) {
        uint64_t flags = (in->force ? TRANSFER_FORCE : 0) |
                         (in->read_only ? TRANSFER_READ_ONLY : 0) |
                         (in->keep_download ? TRANSFER_KEEP_DOWNLOAD : 0);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        ImportClient *c;
        int r = import_client(link, &c, e);

        if (r >= 0)
                r = import_client_call(c, BUS_SKEP_IMPORT_MANAGER1, "StartTransfer",
                                       in->interactive, &call, e);
        if (r < 0)
                return r;
        free(c->remote);
        c->remote = in->remote ? url_redacted(in->remote) : NULL;
        r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = append_words(call, way, in);
        if (r >= 0)
                r = sd_bus_message_append(call, "{sv}", "Flags", "t", flags);
        if (r >= 0)
                r = append_packing(call, in, checksum_fd);
        if (r >= 0 && fd >= 0)
                r = sd_bus_message_append(call, "{sv}", "Descriptor", "h", fd);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return import_client_send(c, call, r, on_started, e);
}

static int pull(VarlinkLink *link, void *parameters, Error *e) {
        const StartWords *in = parameters;

        if (!in->remote)
                return varlink_invalid(link, "remote", "it is not said");
        if (streq(types[in->type], "fs"))
                return varlink_invalid(link, "type", "neither tar nor raw");
        return start(link, "pull", in, -EBADF, -EBADF, e);
}

static int start_with_fd(VarlinkLink *link, const char *way, const StartWords *in, Error *e) {
        _cleanup_fd_ int fd = varlink_take_fd(link, in->fd.value), checksum_fd = -EBADF;

        if (fd < 0)
                return varlink_invalid(link, "fileDescriptor", "no such descriptor came along");
        if (in->checksum_fd.set) {
                checksum_fd = varlink_take_fd(link, in->checksum_fd.value);
                if (checksum_fd < 0)
                        return varlink_invalid(link, "checksumFileDescriptor",
                                               "no such descriptor came along");
        }
        return start(link, way, in, fd, checksum_fd, e);
}

static int import(VarlinkLink *link, void *parameters, Error *e) {
        return start_with_fd(link, "import", parameters, e);
}

static int export(VarlinkLink *link, void *parameters, Error *e) {
        const StartWords *in = parameters;

        if (streq(types[in->type], "fs"))
                return varlink_invalid(link, "type", "neither tar nor raw");
        return start_with_fd(link, "export", in, e);
}

/* About transfers that are there */

typedef struct TransferIn {
        JsonUnsigned id;
        bool interactive;
} TransferIn;

#define ID_ROW                                                                                     \
        {                                                                                          \
                .name = "id", .kind = &json_unsigned_kind, .at = offsetof(TransferIn, id),         \
                .min = 1, .max = UINT32_MAX, .required = true                                      \
        }

static const JsonRow cancel_rows[] = {
        ID_ROW,
        { .name = "allowInteractiveAuthentication",
          .kind = &json_bool_kind,
          .at = offsetof(TransferIn, interactive) },
};
static const JsonShape cancel_shape = { cancel_rows, ELEMENTSOF(cancel_rows), sizeof(TransferIn),
                                        NULL };
static const JsonRow follow_rows[] = { ID_ROW };
static const JsonShape follow_shape = { follow_rows, ELEMENTSOF(follow_rows), sizeof(TransferIn),
                                        NULL };

static int on_cancelled(ImportClient *c, sd_bus_message *reply, int r, Error *e) {
        return reply ? varlink_reply(c->link, NULL) : r;
}

static int cancel(VarlinkLink *link, void *parameters, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        const TransferIn *in = parameters;
        ImportClient *c;
        int r = import_client(link, &c, e);

        if (r >= 0)
                r = import_client_call(c, BUS_IMPORT1_MANAGER, "CancelTransfer", in->interactive,
                                       &call, e);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "u", (uint32_t) in->id.value);
        return import_client_send(c, call, r, on_cancelled, e);
}

/* What is told is what everybody on the bus hears. */
static int follow(VarlinkLink *link, void *parameters, Error *e) {
        const TransferIn *in = parameters;
        uint32_t id = (uint32_t) in->id.value;
        ImportClient *c;
        int r = import_client(link, &c, e);

        if (r < 0)
                return r;
        if (!import_manager_find(varlink_userdata(link), id))
                return varlink_error(link, "org.skep.Import.NoSuchTransfer", NULL);
        return import_client_follow(c, id, e);
}

/* Lists */

typedef struct ListIn {
        int class;
} ListIn;

static const JsonRow list_rows[] = {
        { .name = "class",
          .kind = &json_choice_kind,
          .at = offsetof(ListIn, class),
          .names = classes },
};
static const JsonShape list_shape = { list_rows, ELEMENTSOF(list_rows), sizeof(ListIn), NULL };

static int call_list(VarlinkLink *link, const char *interface, const char *member, const ListIn *in,
                     ImportReply reply, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        ImportClient *c;
        int r = import_client(link, &c, e);

        if (r >= 0)
                r = import_client_call(c, interface, member, false, &call, e);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "st", classes[in->class], UINT64_C(0));
        return import_client_send(c, call, r, reply, e);
}

/* Types of transfers have no dashes in varlink. */
static void put_type(VarlinkObject *o, const char *type) {
        _cleanup_free_ char *text = strdup(type);

        for (char *p = text; p && (p = strchr(p, '-'));)
                *p = '_';
        varlink_put_string(o, "type", text);
}

static int put_transfer(VarlinkObject *o, sd_bus_message *reply) {
        const char *type, *remote, *local, *class, *path;
        char number[16];
        double progress;
        uint32_t id;
        int r = sd_bus_message_read(reply, "(ussssdo)", &id, &type, &remote, &local, &class,
                                    &progress, &path);

        if (r <= 0)
                return r;
        varlink_put_unsigned(o, "id", id);
        put_type(o, type);
        varlink_put_string(o, "remote", remote);
        varlink_put_string(o, "local", local);
        varlink_put_string(o, "class", class);
        if (progress >= 0) {
                (void) snprintf(number, sizeof number, "%.2f", progress * 100);
                varlink_put_text(o, "percent", number);
        }
        return 1;
}

static int put_ended(VarlinkObject *o, sd_bus_message *reply) {
        const char *type, *remote, *local, *class, *result, *error;
        uint64_t flags, started, ended, done;
        uint32_t id;
        int r = sd_bus_message_read(reply, "(usssssstttt)", &id, &type, &remote, &local, &class,
                                    &result, &error, &flags, &started, &ended, &done);

        if (r <= 0)
                return r;
        varlink_put_unsigned(o, "id", id);
        put_type(o, type);
        varlink_put_string(o, "remote", remote);
        varlink_put_string(o, "local", local);
        varlink_put_string(o, "class", class);
        varlink_put_string(o, "result", result);
        varlink_put_string(o, "error", error);
        varlink_put_unsigned(o, "started", started);
        varlink_put_unsigned(o, "ended", ended);
        if (done != UINT64_MAX)
                varlink_put_unsigned(o, "bytes", done);
        return 1;
}

/* One answer for each entry, the last of which ends the call. */
static int reply_list(ImportClient *c, sd_bus_message *reply, const char *contents,
                      int (*put)(VarlinkObject *, sd_bus_message *), Error *e) {
        _cleanup_free_ char *ready = NULL;
        int r = sd_bus_message_enter_container(reply, 'a', contents);

        while (r >= 0) {
                _cleanup_object_ VarlinkObject o = varlink_object_init();
                const char *text;

                r = put(&o, reply);
                if (r <= 0)
                        break;
                r = varlink_object_end(&o, &text);
                if (r >= 0 && ready)
                        r = varlink_continue(c->link, ready);
                if (r >= 0)
                        r = str_replace(&ready, text);
        }
        if (r < 0)
                return error_set(e, r, "cannot list transfers: %m");
        return ready ? varlink_reply(c->link, ready)
                     : varlink_error(c->link, "io.systemd.Import.NoTransfers", NULL);
}

static int on_transfers(ImportClient *c, sd_bus_message *reply, int r, Error *e) {
        return reply ? reply_list(c, reply, "(ussssdo)", put_transfer, e) : r;
}

static int on_history(ImportClient *c, sd_bus_message *reply, int r, Error *e) {
        return reply ? reply_list(c, reply, "(usssssstttt)", put_ended, e) : r;
}

static int list_transfers(VarlinkLink *link, void *parameters, Error *e) {
        return call_list(link, BUS_IMPORT1_MANAGER, "ListTransfersEx", parameters, on_transfers, e);
}

static int list_history(VarlinkLink *link, void *parameters, Error *e) {
        return call_list(link, BUS_SKEP_IMPORT_MANAGER1, "ListHistory", parameters, on_history, e);
}

/* What there is, in the language of varlink. A test compares it with the tables. */

#define TYPES                                                                                      \
        "type ImageClass (machine, portable, sysext, confext)\n"                                   \
        "type TransferType (import_tar, import_raw, import_fs, export_tar, export_raw, pull_tar, " \
        "pull_raw)\n"                                                                              \
        "type LogMessage (message: string, priority: int)\n"

#define STREAM                                                                                     \
        "(\n"                                                                                      \
        "  id: ?int,\n"                                                                            \
        "  progress: ?float,\n"                                                                    \
        "  log: ?LogMessage\n"                                                                     \
        ")\n\n"

static const char description[] =
        "# Transfers of images\n"
        "interface io.systemd.Import\n"
        "\n" TYPES "type RemoteType (raw, tar)\n"
        "\n"
        "# Transfers that run, one answer for each\n"
        "method ListTransfers(class: ?ImageClass) -> (\n"
        "  id: int,\n"
        "  type: TransferType,\n"
        "  remote: ?string,\n"
        "  local: ?string,\n"
        "  class: ImageClass,\n"
        "  percent: ?float\n"
        ")\n"
        "\n"
        "# Downloads an image. The first answer has the number of the transfer; with \"more\", others follow\n"
        "# until it has ended. Without a local name the download alone is kept. It is verified by \"no\",\n"
        "# \"checksum\" or \"signature\", or has the SHA-256 or SHA-512 digest that is given; nothing is \"signature\".\n"
        "method Pull(\n"
        "  remote: string,\n"
        "  local: ?string,\n"
        "  type: RemoteType,\n"
        "  class: ImageClass,\n"
        "  verify: ?string,\n"
        "  force: ?bool,\n"
        "  readOnly: ?bool,\n"
        "  keepDownload: ?bool,\n"
        "  imageRoot: ?string,\n"
        "  allowInteractiveAuthentication: ?bool\n"
        ") -> " STREAM "error AlreadyInProgress (remote: ?string)\n"
        "error TransferCancelled ()\n"
        "error TransferFailed (message: ?string)\n"
        "error NoTransfers ()\n";

static const VarlinkMethod methods[] = {
        { "ListTransfers", &list_shape, list_transfers, true },
        { "Pull", &pull_shape, pull, false },
};
const VarlinkInterface import_interface = { "io.systemd.Import", description, methods,
                                            ELEMENTSOF(methods) };

static const char skep_description[] =
        "# Transfers of images: what io.systemd.Import lacks. Errors of transfers are those of that one.\n"
        "interface org.skep.Import\n"
        "\n" TYPES "type LocalType (raw, tar, fs)\n"
        "\n"
        "# Makes an image of an archive, a disk or a directory, whose descriptor comes with the call: a number\n"
        "# from 0 says which. It may have to have a digest, SHA-256 or SHA-512. With \"more\" answers follow until\n"
        "# it has ended.\n"
        "method Import(\n"
        "  fileDescriptor: int,\n"
        "  local: ?string,\n"
        "  type: LocalType,\n"
        "  class: ?ImageClass,\n"
        "  verify: ?string,\n"
        "  force: ?bool,\n"
        "  readOnly: ?bool,\n"
        "  imageRoot: ?string,\n"
        "  allowInteractiveAuthentication: ?bool\n"
        ") -> " STREAM
        "# Writes an image to a descriptor, uncompressed or as xz, gzip, bzip2, zstd or lz4. Times can be clamped to one\n"
        "# (seconds since 1970). To another descriptor its checksum is written, as of a file of that name.\n"
        "method Export(\n"
        "  local: ?string,\n"
        "  fileDescriptor: int,\n"
        "  type: LocalType,\n"
        "  class: ?ImageClass,\n"
        "  format: ?string,\n"
        "  level: ?int,\n"
        "  threads: ?int,\n"
        "  clampMTime: ?int,\n"
        "  checksumFileDescriptor: ?int,\n"
        "  checksumName: ?string,\n"
        "  imageRoot: ?string,\n"
        "  allowInteractiveAuthentication: ?bool\n"
        ") -> " STREAM "# Ends a transfer\n"
        "method Cancel(\n"
        "  id: int,\n"
        "  allowInteractiveAuthentication: ?bool\n"
        ") -> ()\n"
        "\n"
        "# Tells of a transfer that runs, until it has ended\n"
        "method Follow(id: int) -> " STREAM "# Transfers that have ended, the oldest first\n"
        "method ListHistory(class: ?ImageClass) -> (\n"
        "  id: int,\n"
        "  type: TransferType,\n"
        "  remote: ?string,\n"
        "  local: ?string,\n"
        "  class: ImageClass,\n"
        "  result: string,\n"
        "  error: ?string,\n"
        "  started: int,\n"
        "  ended: int,\n"
        "  bytes: ?int\n"
        ")\n"
        "\n"
        "error NoSuchTransfer ()\n";

static const VarlinkMethod skep_methods[] = {
        { "Import", &import_shape, import, false },
        { "Export", &export_shape, export, false },
        { "Cancel", &cancel_shape, cancel, false },
        { "Follow", &follow_shape, follow, true },
        { "ListHistory", &list_shape, list_history, true },
};
const VarlinkInterface import_skep_interface = { "org.skep.Import", skep_description, skep_methods,
                                                 ELEMENTSOF(skep_methods) };
