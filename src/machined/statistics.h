/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What machines use, out of their control groups and network namespaces. What a host does not count is
 * unknown, which is no error. */
#pragma once

#include "base/name.h"
#include "base/text.h"
#include "machined/machine.h"

#define STATISTICS_UNKNOWN UINT64_MAX

typedef enum StatisticsField {
        STATISTICS_CPU_USAGE, /* ns, as the other two */
        STATISTICS_CPU_USER,
        STATISTICS_CPU_SYSTEM,
        STATISTICS_MEMORY_CURRENT, /* bytes; so are the others of memory */
        STATISTICS_MEMORY_PEAK,
        STATISTICS_MEMORY_MAX, /* unknown = there is no limit either */
        STATISTICS_SWAP_CURRENT,
        STATISTICS_IO_READ_BYTES,
        STATISTICS_IO_READ_OPERATIONS,
        STATISTICS_IO_WRITTEN_BYTES,
        STATISTICS_IO_WRITE_OPERATIONS,
        STATISTICS_TASKS_CURRENT,
        STATISTICS_TASKS_MAX,
        STATISTICS_NETWORK_RECEIVED_BYTES,
        STATISTICS_NETWORK_RECEIVED_PACKETS,
        STATISTICS_NETWORK_SENT_BYTES,
        STATISTICS_NETWORK_SENT_PACKETS,
        STATISTICS_TIMESTAMP, /* µs of CLOCK_MONOTONIC: when it was read */
        _STATISTICS_FIELD_MAX,
} StatisticsField;

typedef struct Statistics {
        uint64_t v[_STATISTICS_FIELD_MAX];
} Statistics;

/* A machine as whoever reads its figures needs it. */
typedef struct StatisticsSource {
        char name[HOST_NAME_LENGTH_MAX + 1];
        pid_t pid;   /* the leader, */
        uint64_t id; /* and the number that it is known by again */
        bool is_host;
        char *group; /* below the mount of the control groups; NULL = it has none of its own */
        const int *netifs;
        size_t n_netifs;
} StatisticsSource;

/** statistics_name() - how a field is called on the bus */
const char *statistics_name(StatisticsField f);
/** statistics_source() - what has to be known of a machine; free @ret->group. Return: 0 or -errno. */
int statistics_source(const Machine *machine, StatisticsSource *ret);
/** statistics_read() - the figures of a machine, as they are now
 * In a worker: it goes into the machine's network namespace, and stays there.
 * @host_net: descriptor of the namespace that netifs are of. Return: 0; -ESRCH it has ended. */
int statistics_read(const StatisticsSource *s, int host_net, Statistics *ret);

/** statistics_parse_flat() - the number behind a key, of lines "key number". Return: or unknown. */
uint64_t statistics_parse_flat(const char *text, const char *key);
/** statistics_parse_io() - the sum over all devices of "8:0 rbytes=1 wbytes=2 …". Return: or unknown. */
uint64_t statistics_parse_io(const char *text, const char *key);
/** statistics_parse_number() - a number alone; "max" and all else is unknown */
uint64_t statistics_parse_number(const char *text);
