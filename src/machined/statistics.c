/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures of machines, see statistics.h. Files of control groups are the kernel's own and never wait for a
 * machine. */
#include "machined/statistics.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>

#include "base/cgroup.h"
#include "base/path.h"
#include "machined/guest-link.h"

#define FILE_MAX      (256 * 1024)
#define NSEC_PER_USEC UINT64_C(1000)

static const char *const names[_STATISTICS_FIELD_MAX] = {
        [STATISTICS_CPU_USAGE] = "CPUUsageNSec",
        [STATISTICS_CPU_USER] = "CPUUserNSec",
        [STATISTICS_CPU_SYSTEM] = "CPUSystemNSec",
        [STATISTICS_MEMORY_CURRENT] = "MemoryCurrent",
        [STATISTICS_MEMORY_PEAK] = "MemoryPeak",
        [STATISTICS_MEMORY_MAX] = "MemoryMax",
        [STATISTICS_SWAP_CURRENT] = "MemorySwapCurrent",
        [STATISTICS_IO_READ_BYTES] = "IOReadBytes",
        [STATISTICS_IO_READ_OPERATIONS] = "IOReadOperations",
        [STATISTICS_IO_WRITTEN_BYTES] = "IOWriteBytes",
        [STATISTICS_IO_WRITE_OPERATIONS] = "IOWriteOperations",
        [STATISTICS_TASKS_CURRENT] = "TasksCurrent",
        [STATISTICS_TASKS_MAX] = "TasksMax",
        [STATISTICS_NETWORK_RECEIVED_BYTES] = "NetworkReceivedBytes",
        [STATISTICS_NETWORK_RECEIVED_PACKETS] = "NetworkReceivedPackets",
        [STATISTICS_NETWORK_SENT_BYTES] = "NetworkSentBytes",
        [STATISTICS_NETWORK_SENT_PACKETS] = "NetworkSentPackets",
        [STATISTICS_TIMESTAMP] = "TimestampMonotonic",
};

const char *statistics_name(StatisticsField f) {
        return names[f];
}

static uint64_t number_at(const char *p) {
        uint64_t n = 0;

        if (*p < '0' || *p > '9')
                return STATISTICS_UNKNOWN;
        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(n, 10, &n) ||
                    __builtin_add_overflow(n, (uint64_t) (*p - '0'), &n))
                        return STATISTICS_UNKNOWN;
        return n;
}

uint64_t statistics_parse_number(const char *text) {
        return number_at(text);
}

uint64_t statistics_parse_flat(const char *text, const char *key) {
        for (const char *line = text; line; line = strchr(line, '\n')) {
                line += *line == '\n';
                const char *p = str_skip_prefix(line, key);
                if (p && *p == ' ')
                        return number_at(p + 1);
        }
        return STATISTICS_UNKNOWN;
}

uint64_t statistics_parse_io(const char *text, const char *key) {
        uint64_t sum = STATISTICS_UNKNOWN;
        size_t n = strlen(key);

        for (const char *p = text; (p = strstr(p, key)); p += n) {
                uint64_t one = p[n] == '=' && p > text && p[-1] == ' ' ? number_at(p + n + 1)
                                                                       : STATISTICS_UNKNOWN;
                if (one != STATISTICS_UNKNOWN)
                        sum = sum == STATISTICS_UNKNOWN ? one : sum + one;
        }
        return sum;
}

/* The group that is this machine's alone. A machine that only has a part of its unit has that part. */
static int own_group(const Machine *machine, char **ret) {
        _cleanup_free_ char *path = NULL, *unit = NULL, *rest = NULL;

        if (machine->class == MACHINE_HOST)
                return (*ret = strdup("/")) ? 0 : -ENOMEM;
        if (!machine->unit || (!machine->owns_unit && !machine->subgroup))
                return 0;
        int r = cgroup_of_pid(machine->leader.pid, &path);
        if (r >= 0)
                r = cgroup_unit_of_path(path, &unit, &rest);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (!streq(unit, machine->unit))
                return 0;
        path[strlen(path) - strlen(rest)] = '\0';
        *ret = machine->subgroup && !machine->owns_unit ? path_join(path, machine->subgroup)
                                                        : TAKE_PTR(path);
        return *ret ? 0 : -ENOMEM;
}

int statistics_source(const Machine *machine, StatisticsSource *ret) {
        *ret = (StatisticsSource){ .pid = machine->leader.pid,
                                   .id = machine->leader.id,
                                   .is_host = machine->class == MACHINE_HOST,
                                   .netifs = machine->netifs,
                                   .n_netifs = machine->n_netifs };
        (void) snprintf(ret->name, sizeof ret->name, "%s", machine->name);
        return own_group(machine, &ret->group);
}

static void read_file(int group_fd, const char *name, char **ret) {
        if (file_read(group_fd, name, FILE_MAX, ret, NULL) < 0)
                *ret = NULL;
}

static uint64_t scaled(uint64_t usec) {
        return usec == STATISTICS_UNKNOWN ? usec : usec * NSEC_PER_USEC;
}

static void read_flat_files(int group_fd, Statistics *s) {
        _cleanup_free_ char *cpu = NULL, *io = NULL;

        read_file(group_fd, "cpu.stat", &cpu);
        read_file(group_fd, "io.stat", &io);
        if (cpu) {
                s->v[STATISTICS_CPU_USAGE] = scaled(statistics_parse_flat(cpu, "usage_usec"));
                s->v[STATISTICS_CPU_USER] = scaled(statistics_parse_flat(cpu, "user_usec"));
                s->v[STATISTICS_CPU_SYSTEM] = scaled(statistics_parse_flat(cpu, "system_usec"));
        }
        if (io) {
                /* A group that is counted and has done nothing has an empty file. */
                static const struct {
                        StatisticsField field;
                        const char *key;
                } keys[] = { { STATISTICS_IO_READ_BYTES, "rbytes" },
                             { STATISTICS_IO_READ_OPERATIONS, "rios" },
                             { STATISTICS_IO_WRITTEN_BYTES, "wbytes" },
                             { STATISTICS_IO_WRITE_OPERATIONS, "wios" } };

                for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                        uint64_t n = statistics_parse_io(io, keys[i].key);
                        s->v[keys[i].field] = n == STATISTICS_UNKNOWN ? 0 : n;
                }
        }
}

static void read_group(const char *group, Statistics *s) {
        static const struct {
                StatisticsField field;
                const char *file;
        } files[] = {
                { STATISTICS_MEMORY_CURRENT, "memory.current" },
                { STATISTICS_MEMORY_PEAK, "memory.peak" },
                { STATISTICS_MEMORY_MAX, "memory.max" },
                { STATISTICS_SWAP_CURRENT, "memory.swap.current" },
                { STATISTICS_TASKS_CURRENT, "pids.current" },
                { STATISTICS_TASKS_MAX, "pids.max" },
        };
        _cleanup_free_ char *mount = NULL, *path = NULL;

        if (cgroup_mount(&mount) < 0 || !(path = path_join(mount, group)))
                return;
        _cleanup_fd_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        read_flat_files(fd, s);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *text = NULL;

                read_file(fd, files[i].file, &text);
                if (text)
                        s->v[files[i].field] = statistics_parse_number(text);
        }
}

static void read_network(const StatisticsSource *source, int host_net, int process_fd,
                         Statistics *s) {
        _cleanup_(guest_links_done) GuestLinks links = {};
        _cleanup_free_ int *pairs = calloc(source->n_netifs + 1, sizeof *pairs);
        uint64_t theirs, ours;

        if (!pairs || proc_ns_id(source->pid, "net", &theirs) < 0 ||
            proc_ns_id(1, "net", &ours) < 0 || theirs == ours)
                return;
        if (setns(host_net, CLONE_NEWNET) < 0)
                return;
        guest_link_pairs(source->netifs, source->n_netifs, pairs);
        if (setns(process_fd, CLONE_NEWNET) < 0 || guest_links_read(&links) < 0)
                return;
        guest_links_mark(&links, pairs, source->netifs, source->n_netifs);

        for (StatisticsField f = STATISTICS_NETWORK_RECEIVED_BYTES;
             f <= STATISTICS_NETWORK_SENT_PACKETS; f++)
                s->v[f] = 0;
        for (size_t i = 0; i < links.n; i++) {
                const GuestLink *l = links.v + i;

                if (!l->is_uplink)
                        continue;
                s->v[STATISTICS_NETWORK_RECEIVED_BYTES] += l->received_bytes;
                s->v[STATISTICS_NETWORK_RECEIVED_PACKETS] += l->received_packets;
                s->v[STATISTICS_NETWORK_SENT_BYTES] += l->sent_bytes;
                s->v[STATISTICS_NETWORK_SENT_PACKETS] += l->sent_packets;
        }
}

int statistics_read(const StatisticsSource *source, int host_net, Statistics *ret) {
        MachineProcess p = MACHINE_PROCESS_NONE;
        Statistics s;

        for (StatisticsField f = 0; f < _STATISTICS_FIELD_MAX; f++)
                s.v[f] = STATISTICS_UNKNOWN;
        if (!source->is_host) {
                int r = machine_process_pin(source->pid, source->id, &p);
                if (r < 0)
                        return r;
        }
        s.v[STATISTICS_TIMESTAMP] = now_usec();
        if (source->group)
                read_group(source->group, &s);
        if (!source->is_host)
                read_network(source, host_net, p.fd, &s);
        machine_process_done(&p);
        *ret = s;
        return 0;
}
