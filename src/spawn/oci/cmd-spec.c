/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* spec: a document to begin with. checkpoint, restore: what we have not. */
#include <fcntl.h>
#include <unistd.h>

#include "base/path.h"
#include "spawn/oci/oci.h"

#define DEVICE_OPTIONS "\"nosuid\", \"noexec\""
#define CAPABILITIES   "[\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]"

static const char process_part
        [] = "{\n"
             "  \"ociVersion\": \"1.2.0\",\n"
             "  \"process\": {\n"
             "    \"terminal\": true,\n"
             "    \"user\": {\"uid\": 0, \"gid\": 0},\n"
             "    \"args\": [\"sh\"],\n"
             "    \"env\": [\n"
             "      \"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\n"
             "      \"TERM=xterm\"\n"
             "    ],\n"
             "    \"cwd\": \"/\",\n"
             "    \"capabilities\": {\n"
             "      \"bounding\": " CAPABILITIES ",\n"
             "      \"effective\": " CAPABILITIES ",\n"
             "      \"permitted\": " CAPABILITIES "\n"
             "    },\n"
             "    \"rlimits\": [{\"type\": \"RLIMIT_NOFILE\", \"hard\": 1024, \"soft\": 1024}],\n"
             "    \"noNewPrivileges\": true\n"
             "  },\n"
             "  \"root\": {\"path\": \"rootfs\", \"readonly\": true},\n"
             "  \"hostname\": \"skep\",\n";

static const char mounts_part[] =
        "  \"mounts\": [\n"
        "    {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},\n"
        "    {\"destination\": \"/dev\", \"type\": \"tmpfs\", \"source\": \"tmpfs\",\n"
        "     \"options\": [\"nosuid\", \"strictatime\", \"mode=755\", \"size=65536k\"]},\n"
        "    {\"destination\": \"/dev/pts\", \"type\": \"devpts\", \"source\": \"devpts\",\n"
        "     \"options\": [" DEVICE_OPTIONS
        ", \"newinstance\", \"ptmxmode=0666\", \"mode=0620\"%s]},\n"
        "    {\"destination\": \"/dev/shm\", \"type\": \"tmpfs\", \"source\": \"shm\",\n"
        "     \"options\": [" DEVICE_OPTIONS ", \"nodev\", \"mode=1777\", \"size=65536k\"]},\n"
        "    {\"destination\": \"/dev/mqueue\", \"type\": \"mqueue\", \"source\": \"mqueue\",\n"
        "     \"options\": [" DEVICE_OPTIONS ", \"nodev\"]},\n"
        "    {\"destination\": \"/sys\", \"type\": \"%s\", \"source\": \"%s\",\n"
        "     \"options\": [%s" DEVICE_OPTIONS ", \"nodev\", \"ro\"]},\n"
        "    {\"destination\": \"/sys/fs/cgroup\", \"type\": \"cgroup\", \"source\": \"cgroup\",\n"
        "     \"options\": [" DEVICE_OPTIONS ", \"nodev\", \"relatime\", \"ro\"]}\n"
        "  ],\n"
        "  \"linux\": {\n";

static const char device_part
        [] = "    \"resources\": {\"devices\": [{\"allow\": false, \"access\": \"rwm\"}]},\n";

static const char end_part[] =
        "    \"maskedPaths\": [\n"
        "      \"/proc/acpi\", \"/proc/asound\", \"/proc/kcore\", \"/proc/keys\",\n"
        "      \"/proc/latency_stats\", \"/proc/timer_list\", \"/proc/timer_stats\",\n"
        "      \"/proc/sched_debug\", \"/proc/scsi\", \"/sys/firmware\"\n"
        "    ],\n"
        "    \"readonlyPaths\": [\n"
        "      \"/proc/bus\", \"/proc/fs\", \"/proc/irq\", \"/proc/sys\", \"/proc/sysrq-trigger\"\n"
        "    ]\n"
        "  }\n"
        "}\n";

static int format(bool rootless, Buf *out) {
        int r = buf_puts(out, process_part);

        if (r >= 0)
                r = buf_printf(out, mounts_part, rootless ? "" : ", \"gid=5\"",
                               rootless ? "none" : "sysfs", rootless ? "/sys" : "sysfs",
                               rootless ? "\"rbind\", " : "");
        if (r >= 0 && rootless)
                r = buf_printf(
                        out,
                        "    \"uidMappings\": [{\"containerID\": 0, \"hostID\": %u, \"size\": 1}],\n"
                        "    \"gidMappings\": [{\"containerID\": 0, \"hostID\": %u, \"size\": 1}],\n",
                        getuid(), getgid());
        if (r >= 0 && !rootless)
                r = buf_puts(out, device_part);
        if (r >= 0)
                r = buf_printf(
                        out,
                        "    \"namespaces\": [%s\n"
                        "      {\"type\": \"pid\"}, {\"type\": \"ipc\"}, {\"type\": \"uts\"},"
                        " {\"type\": \"mount\"}, {\"type\": \"cgroup\"}%s\n"
                        "    ],\n",
                        rootless ? "" : "\n      {\"type\": \"network\"},",
                        rootless ? ", {\"type\": \"user\"}" : "");
        return r < 0 ? r : buf_puts(out, end_part);
}

int oci_spec(Oci *oci, char *const *args, Error *e) {
        _cleanup_(buf_done) Buf text = {};
        const char *where = oci->o.bundle ? oci->o.bundle : ".";
        _cleanup_fd_ int dir = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (dir < 0)
                return error_set(e, errno, "cannot open '%s': %m", where);
        if (format(oci->o.rootless_spec, &text) < 0)
                return error_oom(e);
        int r = file_write(dir, "config.json", text.p, O_CREAT | O_EXCL, 0666);
        if (r == -EEXIST)
                return error_set(e, r, "File config.json exists. Remove it first");
        return r < 0 ? error_set(e, r, "cannot write config.json: %m") : 0;
}

int oci_checkpoint(Oci *oci, char *const *args, Error *e) {
        return error_set(e, EOPNOTSUPP, "checkpoint and restore are not supported by this runtime");
}
