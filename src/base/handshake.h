/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two processes that set something up together talk over one SOCK_SEQPACKET pair: phases reached,
 * descriptors, numbers, and at most one Error. Every message is one packet of fixed form; the end of
 * the stream means that the peer died. */
#pragma once

#include "base/error.h"

typedef enum HandshakeType {
        HANDSHAKE_PHASE, /* number = the phase that the sender has completed */
        HANDSHAKE_FD,    /* fd attached; number = which one, as the two sides agree */
        HANDSHAKE_ID,    /* number = which one, value = the ID */
        HANDSHAKE_ERROR, /* error = why the sender gives up */
        HANDSHAKE_NOTE,  /* error = what the user should know; the sender goes on */
        _HANDSHAKE_TYPE_MAX,
} HandshakeType;

typedef struct HandshakeMessage {
        HandshakeType type;
        uint32_t number;
        uint64_t value;
        int fd; /* owned by the receiver; -EBADF = none */
        Error error;
} HandshakeMessage;

/* How a packet begins; only HANDSHAKE_ERROR and _NOTE have more, the Error. For who has no library to send with. */
typedef struct HandshakeHead {
        uint32_t type;
        uint32_t number;
        uint64_t value;
} HandshakeHead;

/** handshake_pair() - a connected pair, both close-on-exec. Return: 0 or -errno. */
int handshake_pair(int ret[static 2]);
/** handshake_send_phase() - tell that phase @phase is done. Return: 0 or -errno. */
int handshake_send_phase(int sock, uint32_t phase);
/** handshake_send_fd() - pass a descriptor (the sender keeps its own). Return: 0 or -errno. */
int handshake_send_fd(int sock, uint32_t which, int fd);
/** handshake_send_id() - pass a number. Return: 0 or -errno. */
int handshake_send_id(int sock, uint32_t which, uint64_t value);
/** handshake_send_error() - pass an Error; the sender exits after it. Return: 0 or -errno. */
int handshake_send_error(int sock, const Error *error);
/** handshake_send_note() - pass an Error that is none to the sender. Return: 0 or -errno. */
int handshake_send_note(int sock, const Error *note);
/** handshake_receive() - wait for the next message
 * Return: 1 and *@ret filled; 0 the peer closed its end; -EPROTO it sent nonsense; -errno. */
int handshake_receive(int sock, HandshakeMessage *ret);
/** handshake_expect() - wait for one certain message
 * @type, @number: what must come; for HANDSHAKE_FD and _ID the caller takes *@ret_fd or *@ret_value
 * Return: 0; the peer's error code with @e as the peer filled it; -EPIPE the peer died; -EPROTO
 * something else came; -errno. */
int handshake_expect(int sock, HandshakeType type, uint32_t number, int *ret_fd,
                     uint64_t *ret_value, Error *e);
