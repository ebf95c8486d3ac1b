/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The disk image of a machine (--image=): opened and looked at once, mounted for every start. Until the root
 * is attached all of its mounts are detached ones: no other process sees them, and they go with ours. */
#pragma once

#include "spawn/disk-plan.h"
#include "spawn/id-plan.h"
#include "spawn/run.h"

typedef struct Disk {
        int fd;        /* the image; -EBADF = the machine has none */
        bool writable; /* open for writing */
        bool is_device;
        int upper_fd; /* of the builder: what is written over the partitions goes there; -EBADF = nowhere */
        Dissection found;
        Verity verity;
        DiskPlan plan;
        int device_fds
                [DISK_MOUNTS_MAX]; /* parallel to the plan: devices over protected partitions, kept over
                                          * reboots of the payload; -EBADF = none */
        int mount_fds[DISK_MOUNTS_MAX]; /* parallel to the plan; -EBADF = not mounted */
} Disk;

/** disk_init() - no image */
void disk_init(Disk *d);
/** disk_done() - close and free it all */
void disk_done(Disk *d);

/** disk_open() - PHASE_HOST, once: open the image, find its partitions, choose among them
 * Return: 0 or -errno. */
int disk_open(const Spec *spec, Disk *d, Error *e);
/** disk_mount_all() - PHASE_HOST: mount what was chosen, detached; run->root_fd is the root
 * @notes:  gets a sentence for what is left out
 * Return: 0 or -errno. */
int disk_mount_all(const Spec *spec, Disk *d, Run *run, Buf *notes, Error *e);
/** disk_change_owners() - PHASE_HOST: give the files of all but the root to the range from @base on
 * Return: 0 or -errno. */
int disk_change_owners(const Disk *d, uid_t base, Error *e);
/** disk_attach_lower() - PHASE_BUILD: before the view of the root is made: what that has to know
 * Return: 0 or -errno. */
int disk_attach_lower(const Spec *spec, Disk *d, Run *run, Error *e);
/** disk_attach() - PHASE_BUILD: attach all but the root below run->root_fd, dressed and covered as that is
 * Return: 0 or -errno. */
int disk_attach(const Spec *spec, const IdPlan *ids, const Disk *d, Run *run, Error *e);
/** disk_unmount() - let go of the mounts; those that are attached stay where they are */
void disk_unmount(Disk *d);
/** disk_usr() - the mount of a /usr of its own, -EBADF = there is none */
int disk_usr(const Disk *d);
