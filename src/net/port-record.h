/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /run/skep/ports/MACHINE: which ports of the host lead into a machine that runs, and where they go at the
 * moment. Written by its supervisor; read by other starts, to say who has a port and to take away what a dead
 * supervisor left, and by whoever lists machines. Everybody may read it. */
#pragma once

#include <net/if.h>

#include "net/port-rules.h"

#define PORT_RECORD_DIR "/run/skep/ports"

typedef struct PortRecord {
        uint64_t netns; /* inode of the host's network namespace */
        char link[IFNAMSIZ];
        bool link_is_shared; /* with other machines, or with the host */
        Ip inside[2];        /* as in PortTargets */
        Ip former[2]; /* what may still be in the table, if somebody died while it was exchanged */
        PortList ports;
} PortRecord;

void port_record_done(PortRecord *p);
/** port_record_format() - its text. Return: 0 or -ENOMEM. */
int port_record_format(const PortRecord *p, Buf *out);
/** port_record_parse() - read it. Return: 0; -EBADMSG it is none; -ENOMEM. */
int port_record_parse(const char *text, PortRecord *ret);

/** port_record_open() - the folder; made if it is missing. Return: descriptor; -errno. */
int port_record_open(void);
/** port_record_lock() - the same, locked against everybody else who changes records or the table; closing it
 * unlocks
 * Return: descriptor; -errno. */
int port_record_lock(Error *e);
/** port_record_read() - Return: 0; -ENOENT; -EBADMSG; -errno. */
int port_record_read(int dir_fd, const char *machine, PortRecord *ret);
/** port_record_write() - in place of what there was. Return: 0 or -errno. */
int port_record_write(int dir_fd, const char *machine, const PortRecord *p, Error *e);

/** port_record_remove() - the record of a machine, and what somebody who was killed did not finish writing; the
 * folder is locked */
void port_record_remove(int lock_fd, const char *machine);

/* Of port_record_each(). Return: 0 to go on; what ends it otherwise. */
typedef int (*PortRecordEach)(const char *machine, const PortRecord *p, void *data);
/** port_record_each() - go through all; what is no record is passed over. Return: 0; what @each returned;
 * -errno. */
int port_record_each(int dir_fd, PortRecordEach each, void *data);
/** port_record_netns() - inode of the network namespace that we are in; 0 = it cannot be told */
uint64_t port_record_netns(void);
