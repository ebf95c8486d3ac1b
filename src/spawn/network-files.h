/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files by which a machine learns what its addresses are: /etc/hosts, /etc/resolv.conf, and with an init of
 * its own what systemd-networkd reads, so that it leaves the link as it finds it. The first two are ours,
 * mounted over those of the image. */
#pragma once

#include "net/member.h"
#include "spawn/run.h"

/** network_files_apply() - PHASE_BUILD: make and mount them
 * @run: member is set
 * What cannot be had is a note. */
void network_files_apply(const Spec *spec, const Run *run);
/** network_files_remove() - what lies on the host for a machine. Return: 0, also if nothing does; -errno. */
int network_files_remove(const char *name);

/** network_files_resolv_conf() - the text of a resolv.conf
 * @wanted: of --network-address=
 * @host:   the host's, of which servers that only the host reaches are left out; "" = it has none
 * Return: 1; 0 there is no server to name, or none is wanted; -ENOMEM. */
int network_files_resolv_conf(const AddressList *wanted, const char *host, Buf *out);
/** network_files_networkd() - the text of a .network file for one link
 * @link: inside; "" = that of the addresses that name none
 * Return: 0 or -ENOMEM. */
int network_files_networkd(const char *link, const Member *m, const char *host_link,
                           char *const *dns, Buf *out);
