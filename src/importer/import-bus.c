/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The Manager on the bus: tables of what can be called, and how to cancel. How transfers are started is in
 * import-start.c, what is listed in import-list.c and import-images.c. */
#include "importer/import-bus.h"

#include "base/parse.h"
#include "bus/error.h"
#include "bus/name.h"

#define ACTION_CANCEL "org.freedesktop.import1.cancel"

int import_bus_fail(sd_bus_error *error, int r, const Error *e) {
        return bus_error_set(error, r, e);
}

int import_bus_parse_class(const char *class, Error *e) {
        int c = image_class_parse(class);

        return c < 0 ? error_set(e, EINVAL, "'%.64s' is not a class of images", class) : c;
}

int import_bus_read_filter(sd_bus_message *msg, int *ret_class, sd_bus_error *error) {
        const char *class;
        uint64_t flags;
        Error e = {};
        int r = sd_bus_message_read(msg, "st", &class, &flags);

        if (r < 0)
                return r;
        if (flags != 0) {
                r = error_set(&e, EINVAL, "flags 0x%llx are not known here",
                              (unsigned long long) flags);
                return import_bus_fail(error, r, &e);
        }
        *ret_class = -1;
        if (class[0]) {
                *ret_class = import_bus_parse_class(class, &e);
                if (*ret_class < 0)
                        return import_bus_fail(error, *ret_class, &e);
        }
        return 0;
}

/* Starting */

#define STARTER(name, kind)                                                                        \
        static int method_##name(sd_bus_message *msg, void *userdata, sd_bus_error *error) {       \
                return import_bus_start(userdata, msg, kind, false, error);                        \
        }                                                                                          \
        static int method_##name##_ex(sd_bus_message *msg, void *userdata, sd_bus_error *error) {  \
                return import_bus_start(userdata, msg, kind, true, error);                         \
        }

STARTER(import_tar, TRANSFER_IMPORT_TAR)
STARTER(import_raw, TRANSFER_IMPORT_RAW)
STARTER(import_fs, TRANSFER_IMPORT_FS)
STARTER(export_tar, TRANSFER_EXPORT_TAR)
STARTER(export_raw, TRANSFER_EXPORT_RAW)
STARTER(pull_tar, TRANSFER_PULL_TAR)
STARTER(pull_raw, TRANSFER_PULL_RAW)

static int method_pull_oci(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        return sd_bus_error_setf(error, SD_BUS_ERROR_NOT_SUPPORTED,
                                 "images of registries cannot be pulled yet");
}

/* Cancelling */

int import_bus_cancel(ImportManager *m, sd_bus_message *msg, uint32_t id, sd_bus_error *error) {
        Watched *w = import_manager_find(m, id);
        Error e = {};
        int r = w ? import_bus_authorize(m, msg, ACTION_CANCEL, &w->transfer->request, &e)
                  : error_set(&e, ERR_NO_SUCH_TRANSFER, "No transfer %u known", id);

        if (r == 0)
                return 1;
        if (r > 0)
                r = import_manager_cancel(m, w, &e);
        return r < 0 ? import_bus_fail(error, r, &e) : sd_bus_reply_method_return(msg, NULL);
}

static int method_cancel_transfer(sd_bus_message *msg, void *userdata, sd_bus_error *error) {
        uint32_t id;
        int r = sd_bus_message_read(msg, "u", &id);

        if (r < 0)
                return r;
        if (id == 0) {
                Error e = {};
                return import_bus_fail(error, error_set(&e, EINVAL, "0 is no number of a transfer"),
                                       &e);
        }
        return import_bus_cancel(userdata, msg, id, error);
}

/* Tables */

#define P(x) SD_BUS_PARAM(x)
#define METHOD(name, in, in_names, out, out_names, handler)                                        \
        SD_BUS_METHOD_WITH_NAMES(name, in, in_names, out, out_names, handler,                      \
                                 SD_BUS_VTABLE_UNPRIVILEGED)
#define START(name, in, in_names, handler)                                                         \
        METHOD(name, in, in_names, "uo", P(transfer_id) P(transfer_path), handler)
#define IN_IMPORT    P(fd) P(local_name) P(force) P(read_only)
#define IN_IMPORT_EX P(fd) P(local_name) P(class) P(flags)
#define IN_EXPORT    P(local_name) P(fd) P(format)
#define IN_EXPORT_EX P(local_name) P(class) P(fd) P(format) P(flags)
#define IN_PULL      P(url) P(local_name) P(verify_mode) P(force)
#define IN_PULL_EX   P(url) P(local_name) P(class) P(verify_mode) P(flags)

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        START("ImportTar", "hsbb", IN_IMPORT, method_import_tar),
        START("ImportTarEx", "hsst", IN_IMPORT_EX, method_import_tar_ex),
        START("ImportRaw", "hsbb", IN_IMPORT, method_import_raw),
        START("ImportRawEx", "hsst", IN_IMPORT_EX, method_import_raw_ex),
        START("ImportFileSystem", "hsbb", IN_IMPORT, method_import_fs),
        START("ImportFileSystemEx", "hsst", IN_IMPORT_EX, method_import_fs_ex),
        START("ExportTar", "shs", IN_EXPORT, method_export_tar),
        START("ExportTarEx", "sshst", IN_EXPORT_EX, method_export_tar_ex),
        START("ExportRaw", "shs", IN_EXPORT, method_export_raw),
        START("ExportRawEx", "sshst", IN_EXPORT_EX, method_export_raw_ex),
        START("PullTar", "sssb", IN_PULL, method_pull_tar),
        START("PullTarEx", "sssst", IN_PULL_EX, method_pull_tar_ex),
        START("PullRaw", "sssb", IN_PULL, method_pull_raw),
        START("PullRawEx", "sssst", IN_PULL_EX, method_pull_raw_ex),
        START("PullOci", "ssst", P(ref) P(local_name) P(class) P(flags), method_pull_oci),
        METHOD("ListTransfers", "", , "a(usssdo)", P(transfers), import_bus_list_transfers),
        METHOD("ListTransfersEx", "st", P(class) P(flags), "a(ussssdo)", P(transfers),
               import_bus_list_transfers_ex),
        METHOD("CancelTransfer", "u", P(transfer_id), "", , method_cancel_transfer),
        METHOD("ListImages", "st", P(class) P(flags), "a(ssssbtttttt)", P(images),
               import_bus_list_images),
        SD_BUS_SIGNAL_WITH_NAMES("TransferNew", "uo", P(transfer_id) P(transfer_path), 0),
        SD_BUS_SIGNAL_WITH_NAMES("TransferRemoved", "uos",
                                 P(transfer_id) P(transfer_path) P(result), 0),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable manager_skep_vtable[] = {
        SD_BUS_VTABLE_START(0),
        START("StartTransfer", "a{sv}", P(what), import_bus_start_transfer),
        /* id, type, remote, local, class, result, error, flags, started, ended, bytes done */
        METHOD("ListHistory", "st", P(class) P(flags), "a(usssssstttt)", P(transfers),
               import_bus_list_history),
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

int import_bus_add(ImportManager *m, sd_bus *bus, Error *e) {
        int r = sd_bus_add_object_vtable(bus, NULL, BUS_IMPORT1_PATH, BUS_IMPORT1_MANAGER,
                                         manager_vtable, m);

        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, BUS_IMPORT1_PATH, BUS_SKEP_IMPORT_MANAGER1,
                                             manager_skep_vtable, m);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_IMPORT1_TRANSFER,
                                               BUS_IMPORT1_TRANSFER_INTERFACE,
                                               import_transfer_vtable, find_transfer, m);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus, NULL, BUS_IMPORT1_TRANSFER, BUS_SKEP_TRANSFER1,
                                               import_transfer_skep_vtable, find_transfer, m);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(bus, NULL, BUS_IMPORT1_TRANSFER, enumerate_transfers,
                                               m);
        return r < 0 ? error_set(e, r, "cannot put objects on the bus: %m") : 0;
}
