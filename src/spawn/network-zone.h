/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bridges of zones: made by the first machine of a zone, removed with the last. Each change is made under a lock
 * that the reference takes as well. */
#pragma once

#include "net/link.h"

/** zone_lock() - nobody else makes or removes such a bridge until it is given to zone_unlock()
 * Return: the lock; -ETIMEDOUT; -errno. */
int zone_lock(Error *e);
void zone_unlock(int lock_fd);
/** zone_join() - find or make the bridge, under the lock, and make an interface one of its ports
 *
 * A new one is brought up when it has that port, and not before: an empty bridge has a carrier, loses it to its first
 * port and gets it back from that one's peer; each time the host's networkd chooses another subnet for it.
 *
 * @port: index of the interface
 * Return: 0; -ENODEV or -EINVAL somebody took the bridge away; -errno. */
int zone_join(int sock, const char *bridge, const uint8_t mac[static LINK_MAC_SIZE], int port,
              Error *e);
/** zone_leave() - remove the bridge if it is one of ours without ports; those of machines whose supervisor is dead
 * count for nothing, and go. Takes the lock.
 * @mac: that it was made with: its maker may have died before it could sign */
void zone_leave(const char *bridge, const uint8_t mac[static LINK_MAC_SIZE]);
/** zone_remove_noted() - the same, with "/" before the name, for runtime.c */
void zone_remove_noted(const char *value);
