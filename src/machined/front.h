/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The varlink sockets of the registry: where they are, what is served on which, and who hears of machines that
 * come and go. */
#pragma once

#include "machined/bridge.h"
#include "machined/manager.h"
#include "varlink/object.h"
#include "varlink/server.h"

/* What a connection waits for beyond its reply. */
typedef enum FrontInterest {
        FRONT_NOTHING,
        FRONT_FILTER, /* the names that the resolver may ask for */
        FRONT_LIFE,   /* machines coming and going */
} FrontInterest;

/* What is kept of a connection once it has called something that needs it. */
typedef struct FrontClient {
        struct FrontClient *next, *previous;
        VarlinkLink *link;
        Bridge *bridge;
        FrontInterest interest;
        void *work; /* of a call that takes several steps */
        void (*work_free)(void *work);
} FrontClient;

/** front_init() - serve varlink: on the sockets that systemd gave us, on others that we make
 * Return: 0 or -errno with @e set; front_done() is right in either case. */
int front_init(Manager *m, Error *e);
/** front_done() - close all */
void front_done(Manager *m);
/** front_life() - tell those who want to know that a machine has come, or goes */
void front_life(Manager *m, const Machine *machine, bool comes);

/** front_client() - what is kept of a connection. Return: 0 or -ENOMEM. */
int front_client(VarlinkLink *link, FrontClient **ret, Error *e);
/** front_set_work() - keep what a call needs in its later steps; what was there before is freed */
void front_set_work(FrontClient *client, void *work, void (*work_free)(void *work));
/** front_fail() - answer a call with a failure, by its name in varlink */
void front_fail(VarlinkLink *link, int r, const Error *e);
/** front_reply() - answer with an object. Return: 0 or -errno. */
int front_reply(VarlinkLink *link, VarlinkObject *o);
/** front_error() - answer with an error of the interface that was called
 * @name: without the interface. Return: 0 or -errno. */
int front_error(VarlinkLink *link, const char *name);

/** front_life_text() - what is told of a machine that comes or goes
 * @event: "present", "new" or "removed" */
void front_life_text(VarlinkObject *o, const char *event, const Machine *machine);
/** hook_filter_text() - the names that the resolver may ask for */
void hook_filter_text(VarlinkObject *o, const Manager *m);

extern const VarlinkInterface machine_interface;
extern const VarlinkInterface image_interface;
extern const VarlinkInterface life_interface;
extern const VarlinkInterface user_interface;
extern const VarlinkInterface hook_interface;
