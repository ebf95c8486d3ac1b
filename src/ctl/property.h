/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of a bus object, whatever they are called, as text for people and as JSON. */
#pragma once

#include <systemd/sd-bus.h>

#include "base/error.h"
#include "base/text.h"

typedef struct Property {
        char *name;
        char type;       /* of the bus; 'y' stands for ay, 'I' for ai, 0 for what we cannot show */
        uint64_t number; /* t, u, b */
        char *text;      /* s, o; ay as hex; ai as numbers with a space between */
} Property;

typedef struct Properties {
        Property *v;
        size_t n;
} Properties;

typedef struct PropertyStyle {
        char *const *names; /* only these; NULL = all */
        bool all;           /* empty ones too */
        bool values;        /* without names */
} PropertyStyle;

/** properties_read() - take over the answer a{sv} of GetAll, in its order. Return: 0 or -errno. */
int properties_read(sd_bus_message *reply, Properties *ret);
void properties_done(Properties *p);
/** properties_find() - Return: NULL if there is none of that name */
const Property *properties_find(const Properties *p, const char *name);
/** properties_text() - value of a property that is text; NULL if it is not there, or empty */
const char *properties_text(const Properties *p, const char *name);
/** properties_number() - value of a property that is a number, or @otherwise */
uint64_t properties_number(const Properties *p, const char *name, uint64_t otherwise);
/** properties_format() - "Name=value" lines. Times are local, unset limits "infinity".
 * Return: 0 or -ENOMEM. */
int properties_format(const Properties *p, const PropertyStyle *style, Buf *out);
/** properties_format_json() - one object, without newline at its end
 * @pretty: one value a line, indented by tabs, for an array whose brackets are not indented
 * Return: 0 or -ENOMEM. */
int properties_format_json(const Properties *p, const PropertyStyle *style, bool pretty, Buf *out);
