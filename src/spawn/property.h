/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of the machine's scope: "MemoryMax=1G" as an administrator writes it, turned into the name
 * and the type that the service manager takes over D-Bus. Pure: no bus here. */
#pragma once

#include "base/text.h"

typedef enum PropertyType {
        PROPERTY_BOOL,    /* b:     number */
        PROPERTY_U32,     /* u:     number */
        PROPERTY_U64,     /* t:     number */
        PROPERTY_I32,     /* i:     number */
        PROPERTY_STRING,  /* s:     text */
        PROPERTY_STRINGS, /* as:    words */
        PROPERTY_BYTES,   /* ay:    bytes, n_bytes */
        PROPERTY_PAIR,    /* a(ss): text and second; none if both are empty */
        PROPERTY_DEVICE,  /* a(st): text and number; none if text is empty */
        _PROPERTY_TYPE_MAX,
} PropertyType;

typedef struct Property {
        const char *name; /* as on the bus; static */
        PropertyType type;
        uint64_t number;
        char *text, *second;
        char **words;
        uint8_t *bytes;
        size_t n_bytes;
} Property;

void property_done(Property *p);
/** property_parse() - read KEY=VALUE in the syntax of `systemctl set-property`
 * Return: 0; -EINVAL, -ERANGE or -EOPNOTSUPP (not a property we know) with @e set; -ENOMEM. */
int property_parse(const char *assignment, Property *ret, Error *e);
/** property_check() - whether property_parse() takes it. Return: 0 or as there. */
int property_check(const char *assignment, Error *e);
