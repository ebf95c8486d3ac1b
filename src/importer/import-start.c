/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting transfers over the bus: every way to say it becomes one request, which is checked, authorised and
 * started in one place. */
#include <unistd.h>

#include "bus/name.h"
#include "importer/import-bus.h"

/* What a message can carry; strings are the message's. */
typedef struct Arguments {
        int fd;
        const char *type, *local, *remote, *class, *verify, *format, *root;
        int force, read_only, checksum_fd;
        const char *checksum_name;
        uint64_t flags, clamp_mtime;
        uint32_t level, threads;
        TransferSaid said;
} Arguments;

static int read_import(sd_bus_message *msg, bool ex, Arguments *a) {
        return ex ? sd_bus_message_read(msg, "hsst", &a->fd, &a->local, &a->class, &a->flags)
                  : sd_bus_message_read(msg, "hsbb", &a->fd, &a->local, &a->force, &a->read_only);
}

static int read_export(sd_bus_message *msg, bool ex, Arguments *a) {
        return ex ? sd_bus_message_read(msg, "sshst", &a->local, &a->class, &a->fd, &a->format,
                                        &a->flags)
                  : sd_bus_message_read(msg, "shs", &a->local, &a->fd, &a->format);
}

static int read_pull(sd_bus_message *msg, bool ex, Arguments *a) {
        int r = ex ? sd_bus_message_read(msg, "sssst", &a->remote, &a->local, &a->class, &a->verify,
                                         &a->flags)
                   : sd_bus_message_read(msg, "sssb", &a->remote, &a->local, &a->verify, &a->force);

        if (r < 0)
                return r;
        /* The older call always does. */
        if (!ex)
                a->flags |= TRANSFER_KEEP_DOWNLOAD;
        return r;
}

static int make_request(const Arguments *a, TransferKind kind, TransferRequest *ret, Error *e) {
        int class = a->class ? import_bus_parse_class(a->class, e) : IMAGE_CLASS_MACHINE;
        uint64_t flags = a->flags | (a->force ? TRANSFER_FORCE : 0) |
                         (a->read_only ? TRANSFER_READ_ONLY : 0);

        bool pulls = transfer_kind_way(kind) == TRANSFER_WAY_PULL;

        if (class < 0)
                return class;
        if (flags & ~(uint64_t) transfer_kind_flags(kind))
                return error_set(e, EINVAL, "flags 0x%llx mean nothing to %s",
                                 (unsigned long long) (flags &
                                                       ~(uint64_t) transfer_kind_flags(kind)),
                                 transfer_kind_name(kind));
        *ret = (TransferRequest){
                .kind = kind,
                .class = (ImageClass) class,
                .flags = (TransferFlags) flags,
                .local = (char *) (pulls && streq(strempty(a->local), "-") ? ""
                                                                           : strempty(a->local)),
                .remote = (char *) strempty(a->remote),
                .verify = (char *) (pulls && !*strempty(a->verify) ? "signature"
                                                                   : strempty(a->verify)),
                .format = (char *) strempty(a->format),
                .said = a->said,
                .level = a->level,
                .threads = a->threads,
                .clamp_mtime = a->clamp_mtime,
                .checksum_fd = a->checksum_fd,
                .checksum_name = (char *) strempty(a->checksum_name),
                .root = (char *) strempty(a->root)
        };
        return 0;
}

int import_bus_authorize(ImportManager *m, sd_bus_message *msg, const char *action,
                         const TransferRequest *q, Error *e) {
        _cleanup_free_ char *shown = transfer_request_shown_remote(q);
        const char *details[TRANSFER_DETAILS_MAX];

        if (!shown)
                return error_oom(e);
        transfer_request_details(q, shown, details);
        return polkit_check(m->daemon.polkit, msg, action, details, POLKIT_NOBODY, e);
}

static int start_request(ImportManager *m, sd_bus_message *msg, const TransferRequest *q, int fd,
                         sd_bus_error *error) {
        bool wants_fd = transfer_kind_way(q->kind) != TRANSFER_WAY_PULL;
        Transfer *t;
        Error e = {};
        int r = transfer_request_check(q, &e);

        if (r >= 0 && wants_fd)
                r = transfer_request_check_fd(q, fd, &e);
        if (r >= 0) {
                r = import_bus_authorize(m, msg, transfer_kind_action(q->kind), q, &e);
                if (r == 0)
                        return 1;
        }
        if (r >= 0)
                r = import_manager_start(m, q, fd, &t, &e);
        if (r < 0)
                return import_bus_fail(error, r, &e);

        _cleanup_free_ char *path = transfer_path(t->id);
        return path ? sd_bus_reply_method_return(msg, "uo", t->id, path) : -ENOMEM;
}

int import_bus_start(ImportManager *m, sd_bus_message *msg, TransferKind kind, bool ex,
                     sd_bus_error *error) {
        static int (*const read[_TRANSFER_WAY_MAX])(sd_bus_message *, bool, Arguments *) = {
                [TRANSFER_WAY_IMPORT] = read_import,
                [TRANSFER_WAY_EXPORT] = read_export,
                [TRANSFER_WAY_PULL] = read_pull,
        };
        Arguments a = { .fd = -EBADF };
        TransferRequest request;
        Error e = {};
        int r = read[transfer_kind_way(kind)](msg, ex, &a);

        if (r < 0)
                return r;
        r = make_request(&a, kind, &request, &e);
        return r < 0 ? import_bus_fail(error, r, &e) : start_request(m, msg, &request, a.fd, error);
}

/* Everything by name */

static int read_variant(sd_bus_message *msg, const char *name, const char *type, void *at,
                        Error *e) {
        int r = sd_bus_message_read(msg, "v", type, at);

        return r < 0 ? error_set(e, EINVAL, "%s has to be of type %s", name, type) : r;
}

static int read_property(sd_bus_message *msg, const char *name, Arguments *a, Error *e) {
        const struct {
                const char *name, *type;
                void *at;
                TransferSaid said;
        } rows[] = {
                { "Type", "s", &a->type, 0 },
                { "Class", "s", &a->class, 0 },
                { "Local", "s", &a->local, 0 },
                { "Remote", "s", &a->remote, 0 },
                { "Verify", "s", &a->verify, 0 },
                { "Format", "s", &a->format, 0 },
                { "Level", "u", &a->level, TRANSFER_SAID_LEVEL },
                { "Threads", "u", &a->threads, TRANSFER_SAID_THREADS },
                { "ClampMTime", "t", &a->clamp_mtime, TRANSFER_SAID_CLAMP },
                { "Checksum", "h", &a->checksum_fd, TRANSFER_SAID_CHECKSUM },
                { "ChecksumName", "s", &a->checksum_name, 0 },
                { "Flags", "t", &a->flags, 0 },
                { "Descriptor", "h", &a->fd, 0 },
                { "ImageRoot", "s", &a->root, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (streq(rows[i].name, name)) {
                        a->said |= rows[i].said;
                        return read_variant(msg, name, rows[i].type, rows[i].at, e);
                }
        return error_set(e, EINVAL, "'%.64s' is nothing that a transfer has", name);
}

static int read_properties(sd_bus_message *msg, Arguments *a, Error *e) {
        int r = sd_bus_message_enter_container(msg, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(msg, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read(msg, "s", &name);
                if (r >= 0)
                        r = read_property(msg, name, a, e);
                if (r >= 0)
                        r = sd_bus_message_exit_container(msg);
        }
        return r < 0 ? r : sd_bus_message_exit_container(msg);
}

/* Who may import an image may not therefore put trees anywhere on the host.
 * Return: 1; 0 the bus is being asked who it is; -errno. */
static int check_root(ImportManager *m, sd_bus_message *msg, const char *root, Error *e) {
        uid_t uid;

        if (!root || !*root)
                return 1;
        int r = polkit_find_caller(m->daemon.polkit, msg, &uid, NULL, e);
        if (r <= 0)
                return r;
        return uid == 0 || uid == getuid()
                       ? 1
                       : error_set(e, EACCES, "only root may say which directory images are in");
}

int import_bus_start_transfer(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        Arguments a = { .fd = -EBADF };
        TransferRequest request;
        Error e = {};
        int r = read_properties(msg, &a, &e);

        if (r >= 0) {
                TransferKind kind = transfer_kind_parse(strempty(a.type));
                r = kind < 0 ? error_set(&e, EINVAL, "'%.64s' is not a type of transfer",
                                         strempty(a.type))
                             : make_request(&a, kind, &request, &e);
        }
        if (r >= 0) {
                r = check_root(userdata, msg, a.root, &e);
                if (r == 0)
                        return 1;
        }
        return r < 0 ? import_bus_fail(error, r, &e)
                     : start_request(userdata, msg, &request, a.fd, error);
}
