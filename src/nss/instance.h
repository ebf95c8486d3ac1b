/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine managers that a process can ask, and what they have written down for all to read. */
#pragma once

#include <sys/types.h>

#include "base/text.h"

#define INSTANCE_LINKS_MAX 16U

/* One machine manager. */
typedef struct Instance {
        char directory[256]; /* below which its files and sockets are */
        bool is_user;        /* the calling user's own */
} Instance;

/** instance_get() - which there are: the user's own first, then the system's
 * Return: true and @ret; false = no more. */
bool instance_get(unsigned index, Instance *ret);
/** instance_path() - a path below the directory of an instance; NULL = out of memory */
char *instance_path(const Instance *i, const char *below, const char *name);

/* What is known of a machine without asking anybody. */
typedef struct InstanceMachine {
        uint32_t links[INSTANCE_LINKS_MAX]; /* interfaces of the host's that lead to it */
        size_t n_links;
} InstanceMachine;

/** instance_machine() - look for a machine by name
 * One that another user has registered is not seen: its name would be in the place of any other's.
 * Return: 1; 0 there is none; -errno. */
int instance_machine(const Instance *i, const char *name, InstanceMachine *ret);
/** instance_parse() - the same from the text of its file. Return: 1 or 0. */
int instance_parse(const Instance *i, const char *text, InstanceMachine *ret);
