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
        bool too_long;
} NetlinkRequest;

/** netlink_open() - a socket for requests in the caller's network namespace. Return: fd or -errno. */
int netlink_open(void);
/** netlink_request_init() - begin a request about a link
 * @type:   RTM_NEWLINK, RTM_DELLINK, …
 * @flags:  NLM_F_* besides REQUEST and ACK
 * @index:  of the link; 0 = by the attributes that follow */
void netlink_request_init(NetlinkRequest *q, uint16_t type, uint16_t flags, int index);
/** netlink_link() - the ifinfomsg of the request, to set flags in */
struct ifinfomsg *netlink_link(NetlinkRequest *q);
/** netlink_put() - add an attribute */
void netlink_put(NetlinkRequest *q, uint16_t type, const void *data, size_t n);
/** netlink_put_string() - add a string with its NUL */
void netlink_put_string(NetlinkRequest *q, uint16_t type, const char *s);
/** netlink_nest() - begin an attribute that holds others. Return: what netlink_unnest() wants. */
size_t netlink_nest(NetlinkRequest *q, uint16_t type);
void netlink_unnest(NetlinkRequest *q, size_t at);
/** netlink_put_zero() - add @n zero bytes that are no attribute (a header inside a nest) */
void netlink_put_zero(NetlinkRequest *q, size_t n);
/** netlink_call() - send, and wait until the kernel has done it
 * Return: 0; the kernel's -errno, with its own words in @e where it has some. */
int netlink_call(int sock, NetlinkRequest *q, Error *e);
/** netlink_get_link() - send an RTM_GETLINK and take the one answer
 * @answer, @n:  the RTM_NEWLINK message, at most @n bytes
 * Return: 0; -ENODEV = no such link; -errno. */
int netlink_get_link(int sock, NetlinkRequest *q, void *answer, size_t n);
/** netlink_find() - look for a top-level attribute in the answer. Return: NULL = it has none. */
const struct rtattr *netlink_find(const void *answer, uint16_t type);
