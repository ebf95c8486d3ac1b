/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status and image-status for programs: what ctl-status.c shows to people, as one array of objects with the
 * same keys in each. What is not known is null. */
#include "ctl/ctl-status-json.h"

#include <limits.h>
#include <net/if.h>

#include "app/json-write.h"
#include "base/format.h"
#include "base/parse.h"
#include "base/proc.h"
#include "ctl/machine-origin.h"
#include "ctl/machine-ports.h"

/* µs since 1970, or null. */
static void put_time(JsonWrite *w, const char *key, uint64_t usec) {
        json_write_member_number(w, key, usec == 0 ? UINT64_MAX : usec);
}

static void put_process(const Ctl *c, JsonWrite *w, const char *key, uint64_t pid) {
        _cleanup_free_ char *comm = NULL;

        json_write_key(w, key);
        if (pid == 0) {
                json_write_null(w);
                return;
        }
        if (ctl_is_local(c))
                (void) proc_comm((pid_t) pid, &comm);
        json_write_open(w, '{');
        json_write_member_number(w, "pid", pid);
        json_write_member_text(w, "comm", comm);
        json_write_close(w, '}');
}

/* An array of the lines of @text. */
static int put_lines(JsonWrite *w, const char *key, const char *text) {
        _cleanup_strv_ char **lines = NULL;
        int r = text ? str_split(text, "\n", &lines) : 0;

        json_write_key(w, key);
        json_write_open(w, '[');
        STRV_FOREACH(l, lines)
                json_write_text(w, *l);
        json_write_close(w, ']');
        return r;
}

static int put_interfaces(const Ctl *c, const Properties *p, JsonWrite *w) {
        const char *indices = properties_text(p, "NetworkInterfaces");
        _cleanup_strv_ char **numbers = NULL;
        int r = indices ? str_split(indices, " ", &numbers) : 0;

        json_write_key(w, "interfaces");
        json_write_open(w, '[');
        STRV_FOREACH(n, numbers) {
                char name[IF_NAMESIZE];
                uint32_t index = 0;

                if (parse_u32(*n, &index) < 0)
                        continue;
                json_write_open(w, '{');
                json_write_member_number(w, "ifindex", index);
                json_write_member_text(w, "name",
                                       ctl_is_local(c) && if_indextoname(index, name) ? name
                                                                                      : NULL);
                json_write_close(w, '}');
        }
        json_write_close(w, ']');
        return r;
}

/* What holds on one link only has its number behind it, as far as it is known: if there is but one. */
static int put_addresses(Ctl *c, const char *name, const Properties *p, JsonWrite *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *indices = properties_text(p, "NetworkInterfaces");
        _cleanup_strv_ char **lines = NULL;
        _cleanup_free_ char *all = NULL;
        uint32_t only = 0;
        int r = 0;

        if (indices && !strchr(indices, ' '))
                (void) parse_u32(indices, &only);
        if (client_query(c, &peer_machine1, "GetMachineAddresses", &reply, NULL, "s", name) >= 0)
                (void) client_addresses(reply, 0, "\n", &all);
        if (all)
                r = str_split(all, "\n", &lines);
        json_write_key(w, "addresses");
        json_write_open(w, '[');
        STRV_FOREACH(line, lines) {
                _cleanup_free_ char *scoped = only > 0 && str_skip_prefix(*line, "fe80:")
                                                      ? str_format("%s%%%u", *line, only)
                                                      : NULL;
                json_write_text(w, scoped ? scoped : *line);
        }
        json_write_close(w, ']');
        return r;
}

/* ID, version and full name; an object in any case, so that programs need not look twice. */
static void put_os(Ctl *c, const char *member, const char *name, JsonWrite *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *id = NULL, *version = NULL, *pretty = NULL;

        if (client_query(c, &peer_machine1, member, &reply, NULL, "s", name) >= 0)
                (void) client_os_release(reply, &id, &version, &pretty);
        json_write_key(w, "os");
        json_write_open(w, '{');
        json_write_member_text(w, "id", id);
        json_write_member_text(w, "version", version);
        json_write_member_text(w, "name", pretty);
        json_write_close(w, '}');
}

static void put_shift(Ctl *c, const char *name, JsonWrite *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t shift;

        json_write_key(w, "uid_shift");
        if (client_query(c, &peer_machine1, "GetMachineUIDShift", &reply, NULL, "s", name) < 0 ||
            sd_bus_message_read(reply, "u", &shift) < 0)
                json_write_null(w);
        else
                json_write_number(w, shift);
}

static int put_processes(Ctl *c, const char *unit, JsonWrite *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *cgroup, *command;
        uint32_t pid;
        int r = 0;

        json_write_key(w, "processes");
        json_write_open(w, '[');
        if (unit &&
            client_query(c, &peer_systemd1, "GetUnitProcesses", &reply, NULL, "s", unit) >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sus)");
        while (reply && r >= 0 &&
               (r = sd_bus_message_read(reply, "(sus)", &cgroup, &pid, &command)) > 0) {
                json_write_open(w, '{');
                json_write_member_text(w, "cgroup", cgroup);
                json_write_member_number(w, "pid", pid);
                json_write_member_text(w, "command", command);
                json_write_close(w, '}');
        }
        json_write_close(w, ']');
        return r;
}

static int put_origin(Ctl *c, const char *name, JsonWrite *w) {
        _cleanup_(machine_origin_done) MachineOrigin o = {};
        int r = machine_origin_read(c, name, &o);

        json_write_member_text(w, "image", o.image);
        json_write_member_bool(w, "ephemeral", o.is_ephemeral);
        json_write_key(w, "settings");
        json_write_open(w, '[');
        STRV_FOREACH(file, o.settings)
                json_write_text(w, *file);
        json_write_close(w, ']');
        json_write_member_text(w, "template", o.template);
        return r;
}

static int machine_object(Ctl *c, const char *name, const Properties *p, JsonWrite *w) {
        const char *unit = properties_text(p, "Unit"), *id = properties_text(p, "Id");
        _cleanup_free_ char *ports = NULL;
        int r;

        json_write_open(w, '{');
        json_write_member_text(w, "machine", properties_text(p, "Name"));
        json_write_member_text(w, "state", properties_text(p, "State"));
        json_write_member_text(w, "id", id && strspn(id, "0") < strlen(id) ? id : NULL);
        put_time(w, "since", properties_number(p, "Timestamp", 0));
        put_process(c, w, "leader", properties_number(p, "Leader", 0));
        put_process(c, w, "supervisor", properties_number(p, "Supervisor", 0));
        json_write_member_text(w, "service", properties_text(p, "Service"));
        json_write_member_text(w, "class", properties_text(p, "Class"));
        json_write_member_number(w, "uid", properties_number(p, "UID", UINT64_MAX));
        json_write_member_text(w, "root", properties_text(p, "RootDirectory"));
        r = put_origin(c, name, w);
        if (r >= 0)
                r = put_interfaces(c, p, w);
        if (r >= 0)
                r = put_addresses(c, name, p, w);
        if (r >= 0)
                r = machine_ports(c, name, "\n", &ports);
        if (r >= 0)
                r = put_lines(w, "ports", ports);
        put_os(c, "GetMachineOSRelease", name, w);
        put_shift(c, name, w);
        json_write_member_text(w, "unit", unit);
        json_write_member_text(w, "subgroup", properties_text(p, "Subgroup"));
        if (r >= 0)
                r = put_processes(c, unit, w);
        json_write_close(w, '}');
        return r;
}

/* Of an image that is in use the daemon may refuse to say what is in it. */
static void put_inside(Ctl *c, const char *name, JsonWrite *w) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *host = NULL, *id = NULL;
        const char *hostname = NULL;
        const uint8_t *bytes;
        char text[33] = "";
        size_t n;

        if (client_query(c, &peer_machine1, "GetImageHostname", &host, NULL, "s", name) < 0 ||
            sd_bus_message_read(host, "s", &hostname) < 0 || !*hostname)
                hostname = NULL;
        if (client_query(c, &peer_machine1, "GetImageMachineID", &id, NULL, "s", name) >= 0 &&
            sd_bus_message_read_array(id, 'y', (const void **) &bytes, &n) >= 0 && n == 16)
                for (size_t i = 0; i < n; i++)
                        (void) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
        json_write_member_text(w, "hostname", hostname);
        json_write_member_text(w, "machine_id", *text ? text : NULL);
        put_os(c, "GetImageOSRelease", name, w);
}

static void put_percent(JsonWrite *w, uint64_t usage, uint64_t limit) {
        unsigned percent = format_percent(usage, limit);

        json_write_member_number(w, "limit_used_percent",
                                 percent == UINT_MAX ? UINT64_MAX : percent);
}

static int image_object(Ctl *c, const char *name, const Properties *p, JsonWrite *w) {
        static const struct {
                const char *key, *property;
        } sizes[] = {
                { "usage", "Usage" },
                { "usage_exclusive", "UsageExclusive" },
                { "limit", "Limit" },
                { "limit_exclusive", "LimitExclusive" },
        };

        json_write_open(w, '{');
        json_write_member_text(w, "name", name);
        json_write_member_text(w, "type", properties_text(p, "Type"));
        json_write_member_text(w, "path", properties_text(p, "Path"));
        json_write_member_bool(w, "read_only", properties_number(p, "ReadOnly", false));
        put_inside(c, name, w);
        put_time(w, "created", properties_number(p, "CreationTimestamp", 0));
        put_time(w, "modified", properties_number(p, "ModificationTimestamp", 0));
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                json_write_member_number(w, sizes[i].key,
                                         properties_number(p, sizes[i].property, UINT64_MAX));
        put_percent(w, properties_number(p, "Usage", UINT64_MAX),
                    properties_number(p, "Limit", UINT64_MAX));
        json_write_close(w, '}');
        return 0;
}

static int one(Ctl *c, const char *name, bool is_machine, JsonWrite *w, Error *e) {
        _cleanup_(properties_done) Properties p = {};
        int r = is_machine ? status_machine_properties(c, name, &p, e)
                           : status_image_properties(c, name, &p, e);

        if (r < 0)
                return r;
        r = is_machine ? machine_object(c, name, &p, w) : image_object(c, name, &p, w);
        return r < 0 ? error_set(e, r, "cannot make out what is said of '%s': %m", name) : 0;
}

int status_json(Ctl *c, char *const *names, bool is_machine, Error *e) {
        _cleanup_(buf_done) Buf out = {};
        int status = EXIT_SUCCESS;
        JsonWrite w;

        json_write_init(&w, ctl_table_form(c), &out);
        json_write_open(&w, '[');
        STRV_FOREACH(name, names) {
                Error error = {};

                if (one(c, *name, is_machine, &w, &error) < 0)
                        status = ctl_report(c, &error);
        }
        json_write_close(&w, ']');
        if (json_write_finish(&w) < 0 || buf_append(&c->out, out.p, out.n) < 0)
                return error_oom(e);
        return status;
}

int status_json_pool(Ctl *c, const Properties *p, Error *e) {
        JsonWrite w;

        json_write_init(&w, ctl_table_form(c), &c->out);
        json_write_open(&w, '{');
        json_write_member_text(&w, "path", properties_text(p, "PoolPath"));
        json_write_member_number(&w, "usage", properties_number(p, "PoolUsage", UINT64_MAX));
        json_write_member_number(&w, "limit", properties_number(p, "PoolLimit", UINT64_MAX));
        put_percent(&w, properties_number(p, "PoolUsage", UINT64_MAX),
                    properties_number(p, "PoolLimit", UINT64_MAX));
        json_write_close(&w, '}');
        return json_write_finish(&w) < 0 ? error_oom(e) : 0;
}
