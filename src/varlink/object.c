/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON objects for replies, see object.h. */
#include "varlink/object.h"

#include <inttypes.h>

#include "base/json.h"

static void put(VarlinkObject *o, int r) {
        if (r < 0 && o->error >= 0)
                o->error = r;
}

/* What stands before a value. */
static void begin(VarlinkObject *o, const char *name) {
        if (o->any)
                put(o, buf_puts(&o->text, ","));
        o->any = true;
        if (!name)
                return;
        put(o, json_puts(&o->text, name));
        put(o, buf_puts(&o->text, ":"));
}

VarlinkObject varlink_object_init(void) {
        VarlinkObject o = {};

        put(&o, buf_puts(&o.text, "{"));
        return o;
}

void varlink_object_done(VarlinkObject *o) {
        buf_done(&o->text);
}

void varlink_put_string(VarlinkObject *o, const char *name, const char *value) {
        if (!value || !*value)
                return;
        begin(o, name);
        put(o, json_puts(&o->text, value));
}

void varlink_put_strings(VarlinkObject *o, const char *name, char *const *values) {
        varlink_open(o, name, '[');
        STRV_FOREACH(s, values) {
                begin(o, NULL);
                put(o, json_puts(&o->text, *s));
        }
        varlink_close(o, ']');
}

void varlink_put_unsigned(VarlinkObject *o, const char *name, uint64_t value) {
        begin(o, name);
        put(o, buf_printf(&o->text, "%" PRIu64, value));
}

void varlink_put_bool(VarlinkObject *o, const char *name, bool value) {
        varlink_put_text(o, name, value ? "true" : "false");
}

void varlink_put_text(VarlinkObject *o, const char *name, const char *json) {
        begin(o, name);
        put(o, buf_puts(&o->text, json));
}

void varlink_open(VarlinkObject *o, const char *name, char bracket) {
        begin(o, name);
        put(o, buf_append(&o->text, &bracket, 1));
        o->any = false;
}

void varlink_close(VarlinkObject *o, char bracket) {
        put(o, buf_append(&o->text, &bracket, 1));
        o->any = true;
}

void varlink_put_entry(VarlinkObject *o, const char *json) {
        varlink_put_text(o, NULL, json);
}

int varlink_object_end(VarlinkObject *o, const char **ret) {
        put(o, buf_puts(&o->text, "}"));
        if (o->error < 0)
                return o->error;
        *ret = o->text.p;
        return 0;
}
