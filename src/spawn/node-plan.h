/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is put into a fresh tmpfs: directories, device nodes, links, small files. As a plan: which
 * nodes /dev and /run of a machine start with. */
#pragma once

#include <sys/stat.h>

#include "spawn/spec.h"

typedef struct Node {
        char path[40];  /* relative to the root of the tmpfs, parents come first */
        mode_t mode;    /* with the S_IFMT part */
        unsigned major; /* of device nodes */
        unsigned minor;
        char content[64]; /* of a file; target of a symlink */
} Node;

#define NODE_PLAN_MAX 48

/* A plain value. */
typedef struct NodePlan {
        size_t n;
        Node nodes[NODE_PLAN_MAX];
} NodePlan;

/* What the plan of /dev depends on but the Spec does not say. */
typedef struct DeviceFacts {
        bool has_fuse; /* the supervisor may open it, so may the payload */
        bool has_tun;
        bool has_kcore;
} DeviceFacts;

/** device_plan() - nodes of /dev */
void device_plan(const Spec *spec, const DeviceFacts *facts, NodePlan *ret);
/** node_plan_add_device() - a character device that all may use */
void node_plan_add_device(NodePlan *p, const char *path, unsigned major, unsigned minor);
/** node_plan_add_link() - a symlink */
void node_plan_add_link(NodePlan *p, const char *path, const char *target);
/** run_plan() - nodes of /run
 * @uuid:     as the payload sees it
 * @boot_id:  what its /proc/sys/kernel/random/boot_id will say */
void run_plan(const Spec *spec, const Id128 *uuid, const Id128 *boot_id, NodePlan *ret);
/** run_plan_renew() - another boot ID, for when the payload starts again */
void run_plan_renew(NodePlan *p, const Id128 *boot_id);
/** node_plan_format() - one node a line, for --dry-run and tests. Return: 0 or -ENOMEM. */
int node_plan_format(const NodePlan *p, Buf *out);

/** node_plan_apply() - make the nodes
 * @dir_fd:  root of the tmpfs, where nobody else can be yet
 * @uid:     who owns them; 0 = leave them as they come
 * umask must be 0. Return: how many device nodes may not be made here, so that empty files stand in for
 * them; -errno. */
int node_plan_apply(const NodePlan *p, int dir_fd, uid_t uid, Error *e);
/** node_plan_bind() - bind the nodes of the host's /dev onto what stands in for them
 * @dir_fd:  root of the tmpfs, attached by now
 * Return: 0 or -errno. */
int node_plan_bind(const NodePlan *p, int dir_fd, Error *e);
