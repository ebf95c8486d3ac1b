/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Long answers, written down by ourselves. The library checks each text and keeps count of each container
 * while a message is put together: in a list of a thousand machines that takes most of the time. What is
 * written here was checked when it came in. */
#pragma once

#include <systemd/sd-bus.h>

#include "base/macro.h"

/* Arguments of a message as they are on the wire, in our own byte order. All zero is none. */
typedef struct Wire {
        char *p;
        size_t n, size;
        bool failed; /* out of memory; nothing is added any more */
} Wire;

/** wire_done() - free it; it is empty again */
void wire_done(Wire *w);
/** wire_clear() - make it empty, and keep the memory */
void wire_clear(Wire *w);
/** wire_open_array() - begin an array
 * @alignment: of what is in it; 8 for structures
 * Return: what wire_close_array() wants. */
size_t wire_open_array(Wire *w, size_t alignment);
/** wire_close_array() - write down how long the array has become */
void wire_close_array(Wire *w, size_t opened, size_t alignment);
/** wire_struct() - begin a structure; it ends by itself */
void wire_struct(Wire *w);
/** wire_number() - add an argument of type 'u' */
void wire_number(Wire *w, uint32_t v);
/** wire_text() - add one of type 's' or 'o'
 * @s: valid as such, which nobody checks; NULL is "" */
void wire_text(Wire *w, const char *s);

/** wire_reply() - answer a call, past the library
 * Nothing is sent where the library has something to send first, or where the socket has no room for
 * all of it at once.
 * @types: signature of what @w holds
 * Return: 1 sent, or nobody wants an answer; 0 the library has to answer; -errno. */
int wire_reply(sd_bus_message *call, const char *types, const Wire *w);
