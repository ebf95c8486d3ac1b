/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One call of varlink as it came in: checked JSON text, taken apart. */
#pragma once

#include "base/json-shape.h"

/* Pieces of the text that it was read from are copied; varlink_message_done() frees them. */
typedef struct VarlinkMessage {
        char *interface;  /* "io.systemd.Machine" */
        char *method;     /* "List" */
        char *parameters; /* text of an object; "{}" if the call has none */
        bool more;        /* the caller takes several replies */
        bool oneway;      /* the caller takes none */
        bool upgrade;     /* the caller wants another protocol afterwards */
} VarlinkMessage;

/** varlink_message_parse() - read a call
 * @text: without the NUL that ended it on the wire
 * @ret:  all zero before
 * Return: 0; -EINVAL with the cause in @e; -ENOMEM. */
int varlink_message_parse(const char *text, VarlinkMessage *ret, Error *e);
/** varlink_message_done() - free what it holds; it is all zero again */
void varlink_message_done(VarlinkMessage *m);

/** varlink_parameters_parse() - json_shape_parse() for parameters: a name that no row has is an error too
 * @ret_wrong: name of the parameter that is wrong, when that is known; NULL otherwise
 * Return: 0; -EINVAL; -ENOMEM. */
int varlink_parameters_parse(const JsonShape *shape, const char *text, void *at, char **ret_wrong,
                             Error *e);
