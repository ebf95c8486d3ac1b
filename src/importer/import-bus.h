/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's objects on a bus: org.freedesktop.import1, and beside it what that cannot say. Each piece
 * decodes, authorises, acts and replies. */
#pragma once

#include <systemd/sd-bus.h>

#include "importer/import-manager.h"

/** import_bus_add() - put the objects on a bus. Return: 0 or -errno. */
int import_bus_add(ImportManager *m, sd_bus *bus, Error *e);

/* Pieces that are not all in one file. */

extern const sd_bus_vtable import_transfer_vtable[];      /* userdata: Watched */
extern const sd_bus_vtable import_transfer_skep_vtable[]; /* likewise */

/** import_bus_fail() - answer a call with a failure. Return: a negative errno, for sd-bus. */
int import_bus_fail(sd_bus_error *error, int r, const Error *e);
/** import_bus_authorize() - whether the caller may do this with a transfer, with all that polkit is told of it
 * Return: as polkit_check(). */
int import_bus_authorize(ImportManager *m, sd_bus_message *msg, const char *action,
                         const TransferRequest *q, Error *e);
/** import_bus_start() - answer a call that starts a transfer
 * @ex: it is the longer form, with class and flags */
int import_bus_start(ImportManager *m, sd_bus_message *msg, TransferKind kind, bool ex,
                     sd_bus_error *error);
/** import_bus_cancel() - answer a call to cancel */
int import_bus_cancel(ImportManager *m, sd_bus_message *msg, uint32_t id, sd_bus_error *error);
/** import_bus_read_filter() - read "st", what the Ex calls of lists take
 * @ret_class: -1 = all. Return: 0; negative, with @error set. */
int import_bus_read_filter(sd_bus_message *msg, int *ret_class, sd_bus_error *error);
/** import_bus_parse_class() - Return: an ImageClass or -EINVAL. */
int import_bus_parse_class(const char *class, Error *e);
/** import_bus_progress() - a progress as the interface has it: -DBL_MAX = not known */
double import_bus_progress(const Transfer *t);

/** import_bus_check_reveal() - whether the caller may look into images. Return: as polkit_check(). */
int import_bus_check_reveal(ImportManager *m, sd_bus_message *msg);

/* Methods of the Manager */
int import_bus_start_transfer(sd_bus_message *msg, void *userdata, sd_bus_error *error);
int import_bus_list_transfers(sd_bus_message *msg, void *userdata, sd_bus_error *error);
int import_bus_list_transfers_ex(sd_bus_message *msg, void *userdata, sd_bus_error *error);
int import_bus_list_history(sd_bus_message *msg, void *userdata, sd_bus_error *error);
int import_bus_list_images(sd_bus_message *msg, void *userdata, sd_bus_error *error);

#define _cleanup_bus_message_ _cleanup_(sd_bus_message_unrefp)
