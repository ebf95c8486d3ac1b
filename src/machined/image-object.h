/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images as objects on the bus: looked up when asked for, kept until the loop has nothing else to do, so
 * that reading ten properties looks at the disk once. */
#pragma once

#include "image/pool.h"
#include "machined/manager.h"

typedef struct ImageObject {
        Manager *manager;
        Image *image; /* NULL = there is none; never for those that image_object_get() returns */
        char *name;
        Error error; /* why there is none */
} ImageObject;

/** image_object_watch() - have images looked for by workers before a call that is about one is handled
 * An image may lie where nothing answers any more. Return: 0 or -errno. */
int image_object_watch(Manager *m, sd_bus *bus, Error *e);
/** image_object_stop() - forget the calls that wait for that, unanswered */
void image_object_stop(Manager *m);

/** image_object_get() - Return: 0 and an object that lives till the next turn of the loop;
 * -ERR_NO_SUCH_IMAGE; -errno. */
int image_object_get(Manager *m, const char *name, ImageObject **ret, Error *e);
/** image_object_forget() - forget all of them, because one has changed or the loop is idle */
void image_object_forget(Manager *m);
/** image_object_pool() - what the pool takes and may take, in a call that asks for that
 * Return: 0; -ENODATA nobody could find out. */
int image_object_pool(Manager *m, PoolUsage *ret);
