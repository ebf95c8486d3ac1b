/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of the host's packet filter stands in the way of packets that are forwarded to or from machines. A
 * verdict of ours to accept them would not hold: each of the host's chains has to let them pass as well. */
#pragma once

#include "base/text.h"

/** firewall_find() - look for who drops what is forwarded unless it is told otherwise
 * @listing: what "list chains" prints, see nft_run()
 * @ret:     who that is, for a sentence ("the chain 'FORWARD' of 'ip filter'"), appended
 * Return: 1 there is somebody; 0 nobody; -ENOMEM. */
int firewall_find(const char *listing, Buf *ret);
/** firewall_forwards() - whether the host forwards packets of a family at all */
bool firewall_forwards(int family);
