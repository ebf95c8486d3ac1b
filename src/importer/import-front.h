/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Varlink to the importer: its socket, its connections, and who of them follows which transfer. What is called
 * becomes a call on the bus, by a bus of two that each connection has for itself (bus/pair.h): there is one
 * way to decode, authorise and answer it. */
#pragma once

#include "bus/pair.h"
#include "importer/import-manager.h"
#include "varlink/object.h"
#include "varlink/server.h"

typedef struct ImportClient ImportClient;

/* @reply is NULL when the call failed, with @r and @e as it said.
 * Return: >= 0 the call of varlink is answered, or will be; else what to answer it with, and @e. */
typedef int (*ImportReply)(ImportClient *c, sd_bus_message *reply, int r, Error *e);

/* What is kept of a connection. */
struct ImportClient {
        ImportClient *next, *previous;
        VarlinkLink *link;
        BusPair pair;
        sd_bus_slot *slot; /* the call that is under way */
        ImportReply reply;
        char *remote;    /* of a pull, as it may be shown */
        uint32_t follow; /* the transfer that it is told about; 0 = none */
};

/** import_front_init() - serve varlink, on the socket that systemd gave us or on one that we make
 * Return: 0 or -errno with @e set; import_front_done() is right in either case. */
int import_front_init(ImportManager *m, Error *e);
/** import_front_close() - take in no more connections */
void import_front_close(const ImportManager *m);
/** import_front_done() - close all */
void import_front_done(ImportManager *m);
/** import_front_is_idle() - whether nobody is connected */
bool import_front_is_idle(const ImportManager *m);

/** import_front_log() - tell a line to those who follow a transfer */
void import_front_log(const Watched *w, int level, const char *text);
/** import_front_progress() - tell how far it is */
void import_front_progress(const Watched *w);
/** import_front_end() - tell that it has ended; what became of it is in its transfer */
void import_front_end(const Watched *w);

/** import_client() - what is kept of a connection. Return: 0 or -ENOMEM. */
int import_client(VarlinkLink *link, ImportClient **ret, Error *e);
/** import_client_call() - begin to call a method of the Manager
 * @interactive: whether polkit may ask somebody
 * @ret:         the message, to be filled; the caller's
 * Return: 0 or -errno. */
int import_client_call(ImportClient *c, const char *interface, const char *member, bool interactive,
                       sd_bus_message **ret, Error *e);
/** import_client_send() - send it if it could be built. One at a time.
 * @r: what the last sd_bus_message_append() returned. Return: 0 or -errno. */
int import_client_send(ImportClient *c, sd_bus_message *call, int r, ImportReply reply, Error *e);
/** import_client_follow() - answer with the number of a transfer, and go on until it ends, if the caller takes
 * more than one answer. Return: 0 or -errno. */
int import_client_follow(ImportClient *c, uint32_t id, Error *e);

extern const VarlinkInterface import_interface;      /* io.systemd.Import */
extern const VarlinkInterface import_skep_interface; /* org.skep.Import */
