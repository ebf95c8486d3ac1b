/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stack of a machine (--mstack=): read once, its parts mounted for every start and put together by the
 * builder. Like those of a disk image, all mounts are detached until the root is attached. */
#pragma once

#include "image/mstack.h"
#include "spawn/disk.h"

typedef struct StackPart {
        const MstackEntry *entry;
        int path_fd;  /* the directory or disk image */
        int mount_fd; /* of this start, detached; -EBADF = none */
        Disk disk;    /* if it is one */
} StackPart;

typedef struct Stack {
        int dir_fd; /* -EBADF = the machine has none */
        Mstack found;
        StackPart *parts; /* parallel to the entries found */
        int usr_fd;       /* of the builder: what is seen at /usr of a root of its own */
} Stack;

/** stack_init() - no stack */
void stack_init(Stack *s);
/** stack_done() - close and free it all */
void stack_done(Stack *s);

/** stack_open() - PHASE_HOST, once: see what the stack is made of
 * Return: 0 or -errno. */
int stack_open(const Spec *spec, Stack *s, Error *e);
/** stack_mount_all() - PHASE_HOST: mount the parts; run->root_fd shows the whole, to be looked at only
 * @notes: gets sentences for the user
 * Return: 0 or -errno. */
int stack_mount_all(const Spec *spec, Stack *s, Run *run, Buf *notes, Error *e);
/** stack_build() - PHASE_BUILD: map the parts and put them together; run->root_fd is the root, detached
 * Return: 0 or -errno. */
int stack_build(const Spec *spec, const IdPlan *ids, Stack *s, Run *run, Error *e);
/** stack_attach() - PHASE_BUILD: show what is not the root itself below run->root_fd
 * Return: 0 or -errno. */
int stack_attach(const Spec *spec, const IdPlan *ids, const Stack *s, Run *run, Error *e);
/** stack_unmount() - let go of the mounts; those that are attached stay where they are */
void stack_unmount(Stack *s);
