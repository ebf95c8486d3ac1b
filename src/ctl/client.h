/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls over the bus, with errors that say what to do. */
#pragma once

#include "ctl/ctl.h"

typedef struct Peer {
        const char *name, *path, *interface;
} Peer;

extern const Peer peer_machine1, peer_skep, peer_import1, peer_systemd1;

/** client_connect() - be connected: to this system, or where -M or -H say. Return: 0 or -errno. */
int client_connect(Ctl *c, Error *e);
/** client_query() - ask for something; the answer comes within seconds or not at all
 * @types, ...: as of sd_bus_message_append()
 * Return: 0 and a reply, or the peer's error with a hint where there is one. */
int client_query(Ctl *c, const Peer *peer, const char *member, sd_bus_message **ret, Error *e,
                 const char *types, ...);
/** client_act() - as client_query(), for what changes something: may ask for a password, takes as long
 * as it takes. @ret may be NULL. */
int client_act(Ctl *c, const Peer *peer, const char *member, sd_bus_message **ret, Error *e,
               const char *types, ...);
/** client_send() - as client_act() for a message that the caller made */
int client_send(Ctl *c, sd_bus_message *m, bool acts, sd_bus_message **ret, Error *e);
/** client_act_watched() - as client_act() for a message that the caller made, with a look at it in between
 *
 * An interrupt (SIGINT) meanwhile has the daemon end the work; a second one ends us at once.
 * @look: called about five times a second until the answer is there; may make calls; may be NULL */
int client_act_watched(Ctl *c, sd_bus_message *m, void (*look)(Ctl *c, void *userdata),
                       void *userdata, Error *e);
/** client_get() - path of the object that a Get… method of machine1 names. Return: 0 or -errno. */
int client_get(Ctl *c, const char *member, const char *name, char **ret, Error *e);
/** client_properties() - all properties of an object: the reply, opened at the array of a{sv} */
int client_properties(Ctl *c, const char *name, const char *path, const char *interface,
                      sd_bus_message **ret, Error *e);
/** client_string_property() - one property of type s, o or g. Return: 0 or -errno. */
int client_string_property(Ctl *c, const char *name, const char *path, const char *interface,
                           const char *property, char **ret, Error *e);
/** client_os_release() - the answer a{ss} of GetMachineOSRelease or GetImageOSRelease
 * @ret_id, @ret_version, @ret_pretty: ID, VERSION_ID, PRETTY_NAME; NULL where unset; each may be NULL
 * Return: 0 or -errno. */
int client_os_release(sd_bus_message *reply, char **ret_id, char **ret_version, char **ret_pretty);
/** client_addresses() - the answer a(iay) of GetMachineAddresses as text
 * @ifindex:   put after IPv6 addresses as "%N"; 0 = not
 * @separator: between addresses
 * @ret:       NULL if there is none
 * Return: 0 or -errno. */
int client_addresses(sd_bus_message *reply, int ifindex, const char *separator, char **ret);
/** client_is_unknown_method() - whether an error says that the peer has no such method at all */
bool client_is_unknown_method(int r);
/** client_wait() - handle what comes in until @done says so (it may be called early)
 * Return: 0 or -errno. */
int client_wait(Ctl *c, bool (*done)(void *), void *userdata, Error *e);
