/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of the host that a machine is given: --device=. A node in the machine's /dev, its owner, and
 * leave by the device policy are one thing here. */
#pragma once

#include <sys/types.h>

#include "base/setting.h"
#include "spawn/id-ranges.h"

typedef enum DeviceAccess {
        DEVICE_READ = 1 << 0,
        DEVICE_WRITE = 1 << 1,
        DEVICE_MKNOD = 1 << 2, /* make nodes of it */
} DeviceAccess;

/* One --device=, as given. */
typedef struct Device {
        char *source;    /* on the host: a node, a folder of nodes, or a pattern in the last part */
        char *target;    /* below /dev */
        unsigned access; /* DeviceAccess */
} Device;

typedef struct DeviceList {
        Device *v;
        size_t n;
} DeviceList;

/* What that comes to on this host. */
typedef struct DeviceNode {
        char *source;
        char *path;  /* relative to the machine's /dev */
        mode_t mode; /* with the S_IFMT part */
        dev_t number;
        gid_t gid; /* inside */
        unsigned access;
        unsigned policy; /* access that the device policy has to allow */
} DeviceNode;

typedef struct DeviceNodes {
        DeviceNode *v;
        size_t n;
} DeviceNodes;

#define DEVICE_NODES_MAX 1024U

/** device_setting() - settings reader for PATH[:TARGET][:ACCESS]; field is a DeviceList */
int device_setting(const Setting *row, const char *value, void *at, Error *e);
/** device_list_done() - free it */
void device_list_done(DeviceList *l);

/** device_find() - look at the host for what was asked for
 * A node belongs to the machine's root, and to the group of the image that is called what its group on the
 * host is, if there is one.
 * @root_fd: of the image
 * Return: 0 or -errno. */
int device_find(const DeviceList *list, int root_fd, DeviceNodes *ret, Error *e);
/** device_add_bound() - add a node that is shown by a bind mount, if it is one: that has no need to be made
 * Return: 0 or -ENOMEM. */
int device_add_bound(DeviceNodes *d, const char *source, unsigned access);
/** device_nodes_done() - free it */
void device_nodes_done(DeviceNodes *d);
/** device_format() - one node a line, for --dry-run. Return: 0 or -ENOMEM. */
int device_format(const DeviceNodes *d, Buf *out);
/** device_properties() - add "DeviceAllow=…" of each for the scope. Return: 0 or -ENOMEM. */
int device_properties(const DeviceNodes *d, char ***words);

/** device_apply() - PHASE_BUILD: make the nodes
 * @dev_fd:  the machine's /dev
 * @ids:     of the machine; empty = it has those of the host
 * umask must be 0. Return: 0 or -errno. */
int device_apply(const DeviceNodes *d, int dev_fd, const IdRanges *ids, Error *e);
/** device_check() - PHASE_INNER: whether the machine may use them as was asked for, and not otherwise
 * @unit:  that the machine is in and did not make; NULL = it has a scope, or nothing
 * Return: 0; -EPERM, -EACCES with the way out in @e. */
int device_check(const DeviceNodes *d, int dev_fd, const char *unit, Error *e);
