/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names on the bus: services, objects, interfaces. */
#pragma once

#define BUS_MACHINE1_NAME    "org.freedesktop.machine1"
#define BUS_MACHINE1_PATH    "/org/freedesktop/machine1"
#define BUS_MACHINE1_MACHINE "/org/freedesktop/machine1/machine" /* + label */
#define BUS_MACHINE1_IMAGE   "/org/freedesktop/machine1/image"   /* + label */
#define BUS_MACHINE1_MANAGER "org.freedesktop.machine1.Manager"
/* What the common interfaces cannot say, on the same objects */
#define BUS_SKEP_MANAGER1 "org.skep.Manager1"
#define BUS_SKEP_MACHINE1 "org.skep.Machine1"

#define BUS_IMPORT1_NAME               "org.freedesktop.import1"
#define BUS_IMPORT1_PATH               "/org/freedesktop/import1"
#define BUS_IMPORT1_TRANSFER           "/org/freedesktop/import1/transfer" /* + "/_" number */
#define BUS_IMPORT1_MANAGER            "org.freedesktop.import1.Manager"
#define BUS_IMPORT1_TRANSFER_INTERFACE "org.freedesktop.import1.Transfer"
/* What that cannot say, on the same objects */
#define BUS_SKEP_IMPORT_MANAGER1 "org.skep.ImportManager1"
#define BUS_SKEP_TRANSFER1       "org.skep.Transfer1"

#define BUS_SYSTEMD1_NAME    "org.freedesktop.systemd1"
#define BUS_SYSTEMD1_PATH    "/org/freedesktop/systemd1"
#define BUS_SYSTEMD1_MANAGER "org.freedesktop.systemd1.Manager"
#define BUS_SYSTEMD1_UNIT    "org.freedesktop.systemd1.Unit"
#define BUS_SYSTEMD1_SERVICE "org.freedesktop.systemd1.Service"

#define BUS_DBUS_NAME  "org.freedesktop.DBus" /* and its interface */
#define BUS_DBUS_PATH  "/org/freedesktop/DBus"
#define BUS_PROPERTIES "org.freedesktop.DBus.Properties"
