/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request to the kernel's routing netlink at a time: built in a fixed buffer, sent, answered. */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/error.h"

#define NETLINK_REQUEST_MAX 1024

/* A request under construction. Attributes that do not fit set too_long, which the sending reports. */
typedef struct NetlinkRequest {
        union {
                struct nlmsghdr header;
                char bytes[NETLINK_REQUEST_MAX];
        };
        size_t n; /* bytes */
        bool too_long;
} NetlinkRequest;

/** netlink_open() - a socket for requests in the caller's network namespace. Return: fd or -errno. */
int netlink_open(void);
/** netlink_request_init() - begin a request
 * @type:    RTM_NEWLINK, RTM_GETADDR, …
 * @flags:   NLM_F_* besides REQUEST and ACK
 * @header:  what comes before the attributes: a struct ifinfomsg, ifaddrmsg, rtmsg, …
 * @n:       its size */
void netlink_request_init(NetlinkRequest *q, uint16_t type, uint16_t flags, const void *header,
                          size_t n);
/** netlink_put() - add an attribute */
void netlink_put(NetlinkRequest *q, uint16_t type, const void *data, size_t n);
/** netlink_put_u32() - add a number */
void netlink_put_u32(NetlinkRequest *q, uint16_t type, uint32_t value);
/** netlink_put_string() - add a string with its NUL */
void netlink_put_string(NetlinkRequest *q, uint16_t type, const char *s);
/** netlink_nest() - begin an attribute that holds others. Return: what netlink_unnest() wants. */
size_t netlink_nest(NetlinkRequest *q, uint16_t type);
void netlink_unnest(NetlinkRequest *q, size_t at);
/** netlink_put_header() - add @n bytes that are no attribute (a header inside a nest); NULL = zeros */
void netlink_put_header(NetlinkRequest *q, const void *header, size_t n);

/** netlink_call() - send, and wait until the kernel has done it
 * Return: 0; the kernel's -errno, with its own words in @e where it has some; -ETIMEDOUT: no answer came. */
int netlink_call(int sock, NetlinkRequest *q, Error *e);
/** netlink_ask() - send a request that asks for one thing, and take the one answer
 * @answer, @n:  the message, at most @n bytes, aligned as a struct nlmsghdr
 * @header:      size of what comes before its attributes, which are then all there
 * Return: 0; the kernel's -errno (-ENODEV, -ENOENT: no such thing); -ETIMEDOUT: no answer came. */
int netlink_ask(int sock, NetlinkRequest *q, void *answer, size_t n, size_t header);
/* Of netlink_dump(): takes one message. Return: 0; what ends the going through otherwise. */
typedef int (*NetlinkEach)(const struct nlmsghdr *message, void *data);
/** netlink_dump() - send a request that asks for all of a kind, and go through the answers
 * @header:  as with netlink_ask(); shorter messages are passed over
 * Return: 0; what @each returned if that was not 0; -errno. */
int netlink_dump(int sock, NetlinkRequest *q, size_t header, NetlinkEach each, void *data);

/** netlink_find() - look for a top-level attribute in a message. Return: NULL = it has none. */
const struct rtattr *netlink_find(const struct nlmsghdr *message, size_t header, uint16_t type);
/** netlink_string() - the same, for one that is a string. Return: NULL = it is none. */
const char *netlink_string(const struct nlmsghdr *message, size_t header, uint16_t type);
/** netlink_u32() - the same, for one that is a number; 0 = it has none. */
uint32_t netlink_u32(const struct nlmsghdr *message, size_t header, uint16_t type);
