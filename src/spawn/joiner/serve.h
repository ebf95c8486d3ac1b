/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request to run a command in a machine, from the socket to the command's end. */
#pragma once

/** serve() - in a process of its own: read a request, run it, stay till it ends
 * @sock: handshake socket to a peer that may ask, ours
 * Return: exit status for main(). */
int serve(int sock);
