/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the machine manager answers when it is asked for the addresses of a machine: two kinds of replies,
 * of two of its sockets. Pure. */
#pragma once

#include "net/ip.h"

/* More than anybody would try one after the other. */
#define HOST_ADDRESSES_MAX 64U

typedef struct HostAddress {
        Ip ip;
        uint32_t scope; /* interface that a link-local address is to be used on; 0 = none */
} HostAddress;

typedef struct HostAddresses {
        HostAddress v[HOST_ADDRESSES_MAX];
        size_t n;
} HostAddresses;

enum {
        ANSWER_NONE = 1, /* positive outcome: whoever answers knows no addresses by that name */
};

/** answer_list() - the reply to io.systemd.Machine.List for one name
 * @reply: the message, without the NUL at its end
 * @ret:   set on 0; at least one address
 * Return: 0; ANSWER_NONE; -EPROTO the call failed over there; -EBADMSG what came makes no sense. */
int answer_list(const char *reply, const char *name, HostAddresses *ret);
/** answer_record() - the reply to io.systemd.Resolve.Hook.ResolveRecord for one name; as answer_list() */
int answer_record(const char *reply, const char *name, HostAddresses *ret);
