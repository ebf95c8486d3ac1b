/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing a JSON object member by member. What fails first is kept until the end, so that nothing has to be
 * looked at in between. */
#pragma once

#include "base/text.h"

typedef struct VarlinkObject {
        Buf text;
        int error; /* -ENOMEM sooner or later */
        bool any;  /* a member has been written on this level */
} VarlinkObject;

/** varlink_object_init() - begin. Return: an object that varlink_object_done() frees. */
VarlinkObject varlink_object_init(void);
void varlink_object_done(VarlinkObject *o);
#define _cleanup_object_ _cleanup_(varlink_object_done)

/** varlink_put_string() - add a member; nothing if @value is NULL or "" */
void varlink_put_string(VarlinkObject *o, const char *name, const char *value);
/** varlink_put_strings() - add a member that is a list of strings; an empty one too */
void varlink_put_strings(VarlinkObject *o, const char *name, char *const *values);
/** varlink_put_unsigned(), varlink_put_bool() - add a member */
void varlink_put_unsigned(VarlinkObject *o, const char *name, uint64_t value);
void varlink_put_bool(VarlinkObject *o, const char *name, bool value);
/** varlink_put_text() - add a member whose value is JSON text already */
void varlink_put_text(VarlinkObject *o, const char *name, const char *json);

/** varlink_open() - begin a member that is an object ("{") or a list ("["), or, with @name NULL, an entry of a
 * list; varlink_close() ends it */
void varlink_open(VarlinkObject *o, const char *name, char bracket);
void varlink_close(VarlinkObject *o, char bracket);
/** varlink_put_entry() - add an entry to a list, as JSON text */
void varlink_put_entry(VarlinkObject *o, const char *json);

/** varlink_object_end() - complete the text
 * Return: 0 and the text, which belongs to @o; -ENOMEM. */
int varlink_object_end(VarlinkObject *o, const char **ret);
