/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where host and machine meet while it runs, as the machine managers of both know it:
 *
 *   /run/systemd/nspawn/propagate/NAME    what is mounted below it on the host appears in the machine's
 *                                         /run/host/incoming
 *   /run/systemd/nspawn/unix-export/NAME  sockets that the machine made in its /run/host/unix-export
 *
 * Made for machines that are registered: nobody looks for others. Nothing is mounted on the host: the second
 * is a link to a file system that the keeper holds open, and leads nowhere when that has ended. */
#pragma once

#include "spawn/run.h"

/** exchange_may_want() - whether the machine's /run needs the mount points; by the Spec alone */
bool exchange_may_want(const Spec *spec);
/** exchange_wants() - whether the machine gets them */
bool exchange_wants(const Spec *spec);
/** exchange_prepare() - PHASE_HOST: make the host's side; what was left there before is replaced
 * @uid_base: host's ID of root inside
 * Return: 0 or -errno. */
int exchange_prepare(const Spec *spec, uid_t uid_base, Run *run, Error *e);
/** exchange_apply() - PHASE_BUILD, after the mounts: show both inside, if there are any */
int exchange_apply(const Run *run, Error *e);
/** exchange_settle() - PHASE_INNER, when the mounts inside have become shared: what arrives can only be moved
 * to where it belongs from a mount that is not */
int exchange_settle(const Run *run, Error *e);
/** exchange_link() - PHASE_ATTACH: let the host find what the machine exports
 * That it cannot is no reason not to start. */
void exchange_link(const Spec *spec, Run *run);
/** exchange_revert() - take the host's side away */
void exchange_revert(const Spec *spec, Run *run);
/** exchange_remove() - remove what there is of a machine that does not run, ours or left by others
 * @path: "…/NAME"; only its last component counts */
void exchange_remove(const char *path);
