/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.freedesktop.import1 on the bus: decodes, authorises, acts, replies. What a transfer is and does is
 * in import-manager.c. Methods of the interface that skep does not have yet are there and say so. */
#include <fcntl.h>
#include <float.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/parse.h"
#include "bus/error.h"
#include "bus/name.h"
#include "image/pool.h"
#include "importer/import-manager.h"

#define ACTION_IMPORT "org.freedesktop.import1.import"
#define ACTION_CANCEL "org.freedesktop.import1.cancel"

#define _cleanup_bus_message_ _cleanup_(sd_bus_message_unrefp)

static int fail(sd_bus_error *error, int r, const Error *e) {
        return bus_error_set(error, r, e);
}

static int check_source(int fd, Error *e) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_set(e, errno, "cannot look at the descriptor: %m");
        if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
                return error_set(e, EINVAL,
                                 "the descriptor is neither a file nor a pipe nor a socket");
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
                return error_set(e, EINVAL, "the descriptor is not open for reading");
        return 0;
}

static int check_local(const char *local, Error *e) {
        if (!image_name_is_valid(local) || streq(local, IMAGE_HOST_NAME))
                return error_set(e, EINVAL, "'%.100s' is not a name for an image", local);
        return 0;
}

static int start_import(ImportManager *m, sd_bus_message *msg, int fd, const char *local,
                        ImageClass class, TransferFlags flags, sd_bus_error *error) {
        const char *const details[] = { "local", local,        "class", image_class_name(class),
                                        "type",  "import-tar", NULL };
        Transfer *t;
        Error e = {};
        int r;

        r = check_source(fd, &e);
        if (r >= 0)
                r = check_local(local, &e);
        if (r < 0)
                return fail(error, r, &e);
        r = polkit_check(m->daemon.polkit, msg, ACTION_IMPORT, details, POLKIT_NOBODY, &e);
        if (r == 0)
                return 1;
        if (r > 0)
                r = import_manager_start(m, class, local, flags, fd, &t, &e);
        if (r < 0)
                return fail(error, r, &e);

        _cleanup_free_ char *path = transfer_path(t->id);
        return path ? sd_bus_reply_method_return(msg, "uo", t->id, path) : -ENOMEM;
}

static int method_import_tar(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        int fd, force, read_only;
        const char *local;
        int r = sd_bus_message_read(msg, "hsbb", &fd, &local, &force, &read_only);

        if (r < 0)
                return r;
        return start_import(userdata, msg, fd, local, IMAGE_CLASS_MACHINE,
                            (force ? TRANSFER_FORCE : 0) | (read_only ? TRANSFER_READ_ONLY : 0),
                            error);
}

static int parse_class(const char *class, Error *e) {
        int c = image_class_parse(class);

        return c < 0 ? error_set(e, EINVAL, "'%.64s' is not a class of images", class) : c;
}

static int method_import_tar_ex(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        const char *local, *class;
        uint64_t flags;
        Error e = {};
        int fd;
        int r = sd_bus_message_read(msg, "hsst", &fd, &local, &class, &flags);

        if (r < 0)
                return r;
        int c = parse_class(class, &e);
        if (c < 0)
                return fail(error, c, &e);
        if (flags & ~(uint64_t) _TRANSFER_FLAGS_ALL) {
                r = error_set(&e, EINVAL, "flags 0x%llx are not known here",
                              (unsigned long long) flags);
                return fail(error, r, &e);
        }
        return start_import(userdata, msg, fd, local, (ImageClass) c, (TransferFlags) flags, error);
}

static int method_unsupported(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_NOT_SUPPORTED, "%s is not supported yet",
                                 sd_bus_message_get_member(msg));
}

static double shown_progress(const Transfer *t) {
        return t->progress < 0 ? -DBL_MAX : t->progress;
}

static int append_transfer(sd_bus_message *reply, const Transfer *t, bool with_class) {
        _cleanup_free_ char *path = transfer_path(t->id);
        int r = path ? sd_bus_message_open_container(reply, 'r', with_class ? "ussssdo" : "usssdo")
                     : -ENOMEM;

        if (r >= 0)
                r = sd_bus_message_append(reply, "usss", t->id, "import-tar", "", t->local);
        if (r >= 0 && with_class)
                r = sd_bus_message_append(reply, "s", image_class_name(t->class));
        if (r >= 0)
                r = sd_bus_message_append(reply, "do", shown_progress(t), path);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* @class: negative = all */
static int list_transfers(ImportManager *m, sd_bus_message *msg, int class, bool with_class) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        int r = sd_bus_message_new_method_return(msg, &reply);

        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a',
                                                  with_class ? "(ussssdo)" : "(usssdo)");
        for (size_t i = 0; i < m->n_watched && r >= 0; i++) {
                const Transfer *t = m->watched[i]->transfer;
                if (class < 0 || (int) t->class == class)
                        r = append_transfer(reply, t, with_class);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_list_transfers(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        return list_transfers(userdata, msg, -1, false);
}

/* Reads the "st" that the Ex methods of lists take. Return: class; -1 = all; other negatives failed, with
 * @error set. */
static int read_list_arguments(sd_bus_message *msg, int *ret_class, sd_bus_error *error) {
        const char *class;
        uint64_t flags;
        Error e = {};
        int r = sd_bus_message_read(msg, "st", &class, &flags);

        if (r < 0)
                return r;
        if (flags != 0) {
                r = error_set(&e, EINVAL, "flags 0x%llx are not known here",
                              (unsigned long long) flags);
                return fail(error, r, &e);
        }
        *ret_class = -1;
        if (class[0]) {
                *ret_class = parse_class(class, &e);
                if (*ret_class < 0)
                        return fail(error, *ret_class, &e);
        }
        return 0;
}

static int method_list_transfers_ex(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        int class = -1, r = read_list_arguments(msg, &class, error);

        return r < 0 ? r : list_transfers(userdata, msg, class, true);
}

static int cancel(ImportManager *m, sd_bus_message *msg, uint32_t id, sd_bus_error *error) {
        Error e = {};
        int r = 0;

        if (!import_manager_find(m, id))
                r = error_set(&e, ERR_NO_SUCH_TRANSFER, "No transfer %u known", id);
        if (r >= 0) {
                r = polkit_check(m->daemon.polkit, msg, ACTION_CANCEL, NULL, POLKIT_NOBODY, &e);
                if (r == 0)
                        return 1;
        }
        if (r >= 0)
                r = transfer_cancel(m->state_fd, import_manager_find(m, id)->transfer, &e);
        /* Over already, which is what was wanted. */
        if (r < 0 && r != -ESRCH)
                return fail(error, r, &e);
        return sd_bus_reply_method_return(msg, NULL);
}

static int method_cancel_transfer(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        uint32_t id;
        int r = sd_bus_message_read(msg, "u", &id);

        if (r < 0)
                return r;
        if (id == 0) {
                Error e = {};
                return fail(error, error_set(&e, EINVAL, "0 is no number of a transfer"), &e);
        }
        return cancel(userdata, msg, id, error);
}

static int append_image(sd_bus_message *reply, const char *class, const Image *i) {
        return sd_bus_message_append(reply, "(ssssbtttttt)", class, i->name,
                                     image_type_name(i->type), i->path, (int) i->read_only,
                                     i->crtime_usec ? i->crtime_usec : UINT64_MAX,
                                     i->mtime_usec ? i->mtime_usec : UINT64_MAX, i->usage,
                                     i->usage_exclusive, i->limit, i->limit_exclusive);
}

static int append_machines(sd_bus_message *reply) {
        _cleanup_(image_list_done) ImageList list = {};
        int r = pool_list(&list, NULL);

        for (size_t i = 0; i < list.n && r >= 0; i++)
                if (!image_is_hidden(list.items[i]) && !image_is_host(list.items[i]))
                        r = append_image(reply, image_class_name(IMAGE_CLASS_MACHINE),
                                         list.items[i]);
        return r;
}

static int append_directory(sd_bus_message *reply, ImageClass class) {
        _cleanup_free_ char *path = NULL;
        int r = image_class_directory(class, &path, NULL);
        _cleanup_dir_ DIR *d = r < 0 ? NULL : opendir(path);

        for (struct dirent *de; d && r >= 0 && (de = readdir(d));) {
                _cleanup_image_ Image *image = NULL;
                if (de->d_name[0] != '.' && image_probe(path, de->d_name, &image, NULL) > 0)
                        r = append_image(reply, image_class_name(class), image);
        }
        return r;
}

static int method_list_images(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        _cleanup_bus_message_ sd_bus_message *reply = NULL;
        int class = -1, r = read_list_arguments(msg, &class, error);

        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(msg, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssbtttttt)");
        for (int c = 0; c < _IMAGE_CLASS_MAX && r >= 0; c++)
                if (class < 0 || class == c)
                        r = c == IMAGE_CLASS_MACHINE ? append_machines(reply)
                                                     : append_directory(reply, (ImageClass) c);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

#define P(x) SD_BUS_PARAM(x)
#define UNSUPPORTED(name, in, in_names)                                                            \
        SD_BUS_METHOD_WITH_NAMES(name, in, in_names, "uo", P(transfer_id) P(transfer_path),        \
                                 method_unsupported, SD_BUS_VTABLE_UNPRIVILEGED)
#define METHOD(name, in, in_names, out, out_names, handler)                                        \
        SD_BUS_METHOD_WITH_NAMES(name, in, in_names, out, out_names, handler,                      \
                                 SD_BUS_VTABLE_UNPRIVILEGED)
#define IN_IMPORT    P(fd) P(local_name) P(force) P(read_only)
#define IN_IMPORT_EX P(fd) P(local_name) P(class) P(flags)

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD("ImportTar", "hsbb", IN_IMPORT, "uo", P(transfer_id) P(transfer_path),
               method_import_tar),
        METHOD("ImportTarEx", "hsst", IN_IMPORT_EX, "uo", P(transfer_id) P(transfer_path),
               method_import_tar_ex),
        UNSUPPORTED("ImportRaw", "hsbb", IN_IMPORT),
        UNSUPPORTED("ImportRawEx", "hsst", IN_IMPORT_EX),
        UNSUPPORTED("ImportFileSystem", "hsbb", IN_IMPORT),
        UNSUPPORTED("ImportFileSystemEx", "hsst", IN_IMPORT_EX),
        UNSUPPORTED("ExportTar", "shs", P(local_name) P(fd) P(format)),
        UNSUPPORTED("ExportTarEx", "sshst", P(local_name) P(class) P(fd) P(format) P(flags)),
        UNSUPPORTED("ExportRaw", "shs", P(local_name) P(fd) P(format)),
        UNSUPPORTED("ExportRawEx", "sshst", P(local_name) P(class) P(fd) P(format) P(flags)),
        UNSUPPORTED("PullTar", "sssb", P(url) P(local_name) P(verify_mode) P(force)),
        UNSUPPORTED("PullTarEx", "sssst", P(url) P(local_name) P(class) P(verify_mode) P(flags)),
        UNSUPPORTED("PullRaw", "sssb", P(url) P(local_name) P(verify_mode) P(force)),
        UNSUPPORTED("PullRawEx", "sssst", P(url) P(local_name) P(class) P(verify_mode) P(flags)),
        UNSUPPORTED("PullOci", "ssst", P(ref) P(local_name) P(class) P(flags)),
        METHOD("ListTransfers", "", , "a(usssdo)", P(transfers), method_list_transfers),
        METHOD("ListTransfersEx", "st", P(class) P(flags), "a(ussssdo)", P(transfers),
               method_list_transfers_ex),
        METHOD("CancelTransfer", "u", P(transfer_id), "", , method_cancel_transfer),
        METHOD("ListImages", "st", P(class) P(flags), "a(ssssbtttttt)", P(images),
               method_list_images),
        SD_BUS_SIGNAL_WITH_NAMES("TransferNew", "uo", P(transfer_id) P(transfer_path), 0),
        SD_BUS_SIGNAL_WITH_NAMES("TransferRemoved", "uos",
                                 P(transfer_id) P(transfer_path) P(result), 0),
        SD_BUS_VTABLE_END,
};

/* Transfer objects: what find_transfer() found comes as userdata. */

static const Transfer *as_transfer(void *userdata) {
        return ((const Watched *) userdata)->transfer;
}

static int get_id(sd_bus *bus, const char *path, const char *interface, const char *property,
                  sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", as_transfer(userdata)->id);
}

static int get_local(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", as_transfer(userdata)->local);
}

/* Imports come from no place that has a name, and verify nothing. */
static int get_empty(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "");
}

static int get_type(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", "import-tar");
}

static int get_progress(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "d", shown_progress(as_transfer(userdata)));
}

static int method_cancel(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        return cancel(((Watched *) userdata)->manager, msg, as_transfer(userdata)->id, error);
}

static const sd_bus_vtable transfer_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Id", "u", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Local", "s", get_local, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Remote", "s", get_empty, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Type", "s", get_type, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Verify", "s", get_empty, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Progress", "d", get_progress, 0, 0),
        SD_BUS_METHOD("Cancel", NULL, NULL, method_cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_NAMES("LogMessage", "us", P(priority) P(line), 0),
        SD_BUS_SIGNAL_WITH_NAMES("ProgressUpdate", "d", P(progress), 0),
        SD_BUS_VTABLE_END,
};

static int find_transfer(sd_bus *bus, const char *path, const char *interface, void *userdata,
                         void **ret, sd_bus_error *error) {
        const char *number = str_skip_prefix(path, BUS_IMPORT1_TRANSFER "/_");
        uint32_t id;

        if (!number || parse_u32(number, &id) < 0)
                return 0;
        *ret = import_manager_find(userdata, id);
        return *ret != NULL;
}

static int enumerate_transfers(sd_bus *bus, const char *prefix, void *userdata, char ***ret,
                               sd_bus_error *error) {
        const ImportManager *m = userdata;
        _cleanup_strv_ char **paths = NULL;

        for (size_t i = 0; i < m->n_watched; i++)
                if (strv_consume(&paths, transfer_path(m->watched[i]->transfer->id)) < 0)
                        return -ENOMEM;
        *ret = TAKE_PTR(paths);
        return 0;
}

int import_bus_add(ImportManager *m, Error *e) {
        sd_bus *bus = m->daemon.bus;
        int r = sd_bus_add_object_vtable(bus, NULL, BUS_IMPORT1_PATH, BUS_IMPORT1_MANAGER,
                                         manager_vtable, m);

        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_IMPORT1_TRANSFER,
                                               BUS_IMPORT1_TRANSFER_INTERFACE, transfer_vtable,
                                               find_transfer, m);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(bus, NULL, BUS_IMPORT1_TRANSFER, enumerate_transfers,
                                               m);
        return r < 0 ? error_set(e, r, "cannot put objects on the bus: %m") : 0;
}
