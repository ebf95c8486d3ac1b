/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Translation of machines' addresses to the host's where they leave it: one table of the packet filter,
 * which is always written as a whole, from the records of all machines. */
#pragma once

#include "net/member.h"

#define NAT_TABLE "skep-nat"

/** nat_is_wanted() - whether any machine is translated */
bool nat_is_wanted(const MemberList *l);
/** nat_format() - the commands that put what is wanted in the place of what there is
 * @opened: interfaces that pass packets on for the machines' sake alone; NULL = none. Those of machines
 *          may be among them.
 * Return: 0 or -ENOMEM. */
int nat_format(const MemberList *l, char *const *opened, Buf *out);
/** nat_apply() - have it done
 * @ret_chains: what chains there are besides, for firewall_find(); NULL = that is of no interest
 * Return: 0 or -errno. */
int nat_apply(const MemberList *l, char *const *opened, char **ret_chains, Error *e);
