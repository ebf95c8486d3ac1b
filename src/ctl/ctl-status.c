/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status and image-status: everything about one machine or image on one page, for people. Scripts want
 * ctl-show.c. What cannot be found out is left out. */
#include <inttypes.h>
#include <limits.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/format.h"
#include "base/parse.h"
#include "base/proc.h"
#include "ctl/ctl-status-json.h"
#include "ctl/journal.h"
#include "ctl/machine-origin.h"
#include "ctl/machine-ports.h"
#include "ctl/process-tree.h"
#include "ctl/verbs.h"

#define MACHINE_INTERFACE "org.freedesktop.machine1.Machine"
#define IMAGE_INTERFACE   "org.freedesktop.machine1.Image"

/* "   Label: value", labels right-aligned. Foreign text is made harmless. Return: 0 or -ENOMEM. */
static int line(Ctl *c, const char *label, const char *value) {
        _cleanup_free_ char *printable = value ? text_printable(value, false) : NULL;

        if (!value)
                return 0;
        return printable ? buf_printf(&c->out, "\t%8s: %s\n", label, printable) : -ENOMEM;
}

static int time_line(Ctl *c, const char *label, uint64_t usec) {
        char at[FORMAT_MAX], ago[FORMAT_MAX];

        if (usec == 0 || usec == UINT64_MAX)
                return 0;
        return buf_printf(&c->out, "\t%8s: %s; %s\n", label, format_timestamp(usec, at),
                          format_relative(usec, now_realtime_usec(), ago));
}

static int process_line(Ctl *c, const char *label, uint64_t pid) {
        _cleanup_free_ char *comm = NULL, *text = NULL;

        if (pid == 0)
                return 0;
        if (ctl_is_local(c))
                (void) proc_comm((pid_t) pid, &comm);
        text = comm ? str_format("%" PRIu64 " (%s)", pid, comm) : str_format("%" PRIu64, pid);
        return text ? line(c, label, text) : -ENOMEM;
}

static int head_lines(Ctl *c, const Properties *p) {
        const char *id = properties_text(p, "Id"), *name = properties_text(p, "Name");
        const char *service = properties_text(p, "Service"), *class = properties_text(p, "Class");
        bool has_id = id && strspn(id, "0") < strlen(id);
        uint64_t uid = properties_number(p, "UID", 0);
        int r;

        r = buf_printf(&c->out, has_id ? "%s(%s)\n" : "%s\n", strempty(name), id);
        if (r >= 0)
                r = time_line(c, "Since", properties_number(p, "Timestamp", 0));
        if (r >= 0)
                r = process_line(c, "Leader", properties_number(p, "Leader", 0));
        if (r >= 0)
                r = process_line(c, "Superv.", properties_number(p, "Supervisor", 0));
        if (r >= 0 && service && class) {
                _cleanup_free_ char *both = str_format("%s; class %s", service, class);

                r = both ? line(c, "Service", both) : -ENOMEM;
        } else if (r >= 0)
                r = service ? line(c, "Service", service) : line(c, "Class", class);
        if (r >= 0 && uid != 0)
                r = buf_printf(&c->out, "\t%8s: %" PRIu64 "\n", "UID", uid);
        return r < 0 ? r : line(c, "Root", properties_text(p, "RootDirectory"));
}

/* Names of the host's interfaces; the index of the only one goes to *@ret_index. */
static int interface_line(Ctl *c, const Properties *p, int *ret_index) {
        const char *indices = properties_text(p, "NetworkInterfaces");
        _cleanup_strv_ char **numbers = NULL, **names = NULL;
        int r;

        if (!indices)
                return 0;
        r = str_split(indices, " ", &numbers);
        for (size_t i = 0; r >= 0 && numbers && numbers[i]; i++) {
                char name[IF_NAMESIZE];
                uint32_t index = 0;

                (void) parse_u32(numbers[i], &index);
                r = strv_append(&names,
                                ctl_is_local(c) && if_indextoname(index, name) ? name : numbers[i]);
                *ret_index = i == 0 ? (int) index : 0;
        }
        _cleanup_free_ char *all = r >= 0 ? strv_join(names, " ") : NULL;
        return all ? line(c, "Iface", all) : -ENOMEM;
}

static int address_lines(Ctl *c, const char *name, int ifindex) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *all = NULL;

        if (client_query(c, &peer_machine1, "GetMachineAddresses", &reply, NULL, "s", name) < 0 ||
            client_addresses(reply, ifindex, "\n\t          ", &all) < 0 || !all)
                return 0;
        return buf_printf(&c->out, "\t%8s: %s\n", "Address", all);
}

static int port_lines(Ctl *c, const char *name) {
        _cleanup_free_ char *all = NULL;
        int r = c->is_machinectl ? 0 : machine_ports(c, name, "\n\t          ", &all);

        return r < 0 || !all ? r : buf_printf(&c->out, "\t%8s: %s\n", "Ports", all);
}

static int os_line(Ctl *c, const char *member, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *pretty = NULL;

        if (client_query(c, &peer_machine1, member, &reply, NULL, "s", name) < 0 ||
            client_os_release(reply, NULL, NULL, &pretty) < 0)
                return 0;
        return line(c, "OS", pretty);
}

static int shift_line(Ctl *c, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t shift;

        if (client_query(c, &peer_machine1, "GetMachineUIDShift", &reply, NULL, "s", name) < 0 ||
            sd_bus_message_read(reply, "u", &shift) < 0 || shift == 0)
                return 0;
        return buf_printf(&c->out, "\t%8s: %" PRIu32 "\n", "ID Shift", shift);
}

static int control_group(Ctl *c, const char *unit, char **ret) {
        const char *dot = strrchr(unit, '.');
        const char *interface = !dot                     ? NULL
                                : streq(dot, ".service") ? "org.freedesktop.systemd1.Service"
                                : streq(dot, ".scope")   ? "org.freedesktop.systemd1.Scope"
                                : streq(dot, ".slice")   ? "org.freedesktop.systemd1.Slice"
                                                         : NULL;
        _cleanup_free_ char *path = NULL;

        if (!interface || sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) < 0)
                return -EINVAL;
        return client_string_property(c, BUS_SYSTEMD1_NAME, path, interface, "ControlGroup", ret,
                                      NULL);
}

static int process_lines(Ctl *c, const char *unit) {
        static const char prefix[] = "\t\t  "; /* 18 columns */
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(process_tree_freep) ProcessTree *tree = NULL;
        _cleanup_free_ char *root = NULL;
        const char *cgroup, *command;
        struct winsize ws;
        unsigned width = 0;
        uint32_t pid;
        int r;

        if (control_group(c, unit, &root) < 0 ||
            client_query(c, &peer_systemd1, "GetUnitProcesses", &reply, NULL, "s", unit) < 0)
                return 0;
        r = process_tree_new(root, &tree);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sus)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sus)", &cgroup, &pid, &command)) > 0)
                r = process_tree_add(tree, cgroup, pid, command);
        if (r < 0)
                return r;

        if (c->out_is_tty && !c->o.full && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) >= 0 &&
            ws.ws_col > 40)
                width = ws.ws_col - 18U;
        return process_tree_format(tree, prefix, width, c->ascii, &c->out);
}

static int journal_lines(Ctl *c, const char *unit, uint64_t since, Error *e) {
        _cleanup_(buf_done) Buf lines = {};
        int r;

        if (!ctl_is_local(c))
                return 0;
        r = journal_tail(unit, c->o.output, c->o.lines == UINT_MAX ? 10 : c->o.lines, since, &lines,
                         e);
        if (r <= 0)
                return r;
        return buf_printf(&c->out, "\n%s", lines.p) < 0 ? error_oom(e) : 0;
}

static int read_properties(Ctl *c, const char *get, const char *interface, const char *name,
                           Properties *ret, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        int r = client_get(c, get, name, &path, e);

        if (r >= 0)
                r = client_properties(c, BUS_MACHINE1_NAME, path, interface, &reply, e);
        if (r < 0)
                return r;
        r = properties_read(reply, ret);
        return r < 0 ? error_set(e, r, "cannot read the properties of '%s': %m", name) : 0;
}

int status_machine_properties(Ctl *c, const char *name, Properties *ret, Error *e) {
        return read_properties(c, "GetMachine", MACHINE_INTERFACE, name, ret, e);
}

int status_image_properties(Ctl *c, const char *name, Properties *ret, Error *e) {
        return read_properties(c, "GetImage", IMAGE_INTERFACE, name, ret, e);
}

/* What it was made of, where that is more than its root directory says. */
static int origin_lines(Ctl *c, const char *name, const char *root) {
        _cleanup_(machine_origin_done) MachineOrigin o = {};
        _cleanup_free_ char *image = NULL;
        int r = c->is_machinectl ? 0 : machine_origin_read(c, name, &o);

        if (r >= 0 && o.image && (o.is_ephemeral || !streq_ptr(o.image, root))) {
                image = str_format("%s%s", o.image, o.is_ephemeral ? " (a throw-away view)" : "");
                r = image ? line(c, "Image", image) : -ENOMEM;
        }
        for (size_t i = 0; o.settings && o.settings[i] && r >= 0; i++)
                r = line(c, i == 0 ? "Settings" : "", o.settings[i]);
        return r;
}

static int machine_status(Ctl *c, const char *name, Error *e) {
        _cleanup_(properties_done) Properties p = {};
        const char *unit;
        int ifindex = 0, r = status_machine_properties(c, name, &p, e);

        if (r < 0)
                return r;
        if (c->out.n > 0)
                r = buf_puts(&c->out, "\n");
        if (r >= 0)
                r = head_lines(c, &p);
        if (r >= 0)
                r = origin_lines(c, name, properties_text(&p, "RootDirectory"));
        if (r >= 0)
                r = interface_line(c, &p, &ifindex);
        if (r >= 0)
                r = address_lines(c, name, ifindex);
        if (r >= 0)
                r = port_lines(c, name);
        if (r >= 0)
                r = os_line(c, "GetMachineOSRelease", name);
        if (r >= 0)
                r = shift_line(c, name);
        unit = properties_text(&p, "Unit");
        if (r >= 0)
                r = line(c, "Unit", unit);
        if (r >= 0)
                r = line(c, "Subgroup", properties_text(&p, "Subgroup"));
        if (r >= 0 && unit)
                r = process_lines(c, unit);
        if (r < 0)
                return error_oom(e);
        if (!unit)
                return 0;
        return journal_lines(c, unit, properties_number(&p, "TimestampMonotonic", 0), e);
}

/* The JSON that --output alone asks for is the journal's. */
static bool wants_json(const Ctl *c) {
        return ctl_is_json(c) && !c->o.journal_json;
}

int verb_status(char *const *args, void *context, Error *e) {
        Ctl *c = context;

        c->wants_pager = true;
        if (wants_json(c))
                return status_json(c, args, true, e);
        return ctl_each(c, args, machine_status);
}

/* What is written in an image; of one that is in use the daemon may refuse to say. */
static int inner_lines(Ctl *c, const char *name) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *host = NULL, *id = NULL, *info = NULL;
        const char *hostname, *key, *value;
        const uint8_t *bytes;
        char text[33];
        size_t n;
        int r = 0;

        if (client_query(c, &peer_machine1, "GetImageHostname", &host, NULL, "s", name) >= 0 &&
            sd_bus_message_read(host, "s", &hostname) >= 0 && *hostname)
                r = line(c, "Hostname", hostname);
        if (r >= 0 &&
            client_query(c, &peer_machine1, "GetImageMachineID", &id, NULL, "s", name) >= 0 &&
            sd_bus_message_read_array(id, 'y', (const void **) &bytes, &n) >= 0 && n == 16) {
                for (size_t i = 0; i < n; i++)
                        (void) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
                r = buf_printf(&c->out, "      %10s: %s\n", "Machine ID", text);
        }
        if (r >= 0 &&
            client_query(c, &peer_machine1, "GetImageMachineInfo", &info, NULL, "s", name) >= 0 &&
            sd_bus_message_enter_container(info, 'a', "{ss}") >= 0)
                while (r >= 0 && sd_bus_message_read(info, "{ss}", &key, &value) > 0)
                        if (streq(key, "DEPLOYMENT") && *value) {
                                _cleanup_free_ char *printable = text_printable(value, false);

                                r = printable ? buf_printf(&c->out, "      %10s: %s\n",
                                                           "Deployment", printable)
                                              : -ENOMEM;
                        }
        return r < 0 ? r : os_line(c, "GetImageOSRelease", name);
}

static int size_line(Ctl *c, const char *label, uint64_t bytes, uint64_t exclusive) {
        char text[FORMAT_MAX], own[FORMAT_MAX];

        if (bytes == UINT64_MAX)
                return 0;
        if (exclusive != UINT64_MAX && exclusive != bytes)
                return buf_printf(&c->out, "\t%8s: %s (exclusive: %s)\n", label,
                                  format_bytes(bytes, text), format_bytes(exclusive, own));
        return buf_printf(&c->out, "\t%8s: %s\n", label, format_bytes(bytes, text));
}

/* How much of a limit is used up, which the original leaves to the reader. */
static int limit_line(Ctl *c, uint64_t usage, uint64_t limit, uint64_t exclusive) {
        const unsigned percent = format_percent(usage, limit);

        if (c->is_machinectl || percent == UINT_MAX)
                return size_line(c, "Limit", limit, exclusive);
        char text[FORMAT_MAX];
        return buf_printf(&c->out, "\t%8s: %s (%u%% used)\n", "Limit", format_bytes(limit, text),
                          percent);
}

static int image_lines(Ctl *c, const char *name, const Properties *p) {
        int r = buf_printf(&c->out, "%s%s\n", c->out.n > 0 ? "\n" : "", name);

        if (r >= 0)
                r = line(c, "Type", properties_text(p, "Type"));
        if (r >= 0)
                r = line(c, "Path", properties_text(p, "Path"));
        if (r >= 0)
                r = inner_lines(c, name);
        if (r >= 0)
                r = line(c, "RO",
                         properties_number(p, "ReadOnly", false) ? "read-only" : "writable");
        if (r >= 0)
                r = time_line(c, "Created", properties_number(p, "CreationTimestamp", 0));
        if (r >= 0)
                r = time_line(c, "Modified", properties_number(p, "ModificationTimestamp", 0));
        if (r >= 0)
                r = size_line(c, "Usage", properties_number(p, "Usage", UINT64_MAX),
                              properties_number(p, "UsageExclusive", UINT64_MAX));
        return r < 0 ? r
                     : limit_line(c, properties_number(p, "Usage", UINT64_MAX),
                                  properties_number(p, "Limit", UINT64_MAX),
                                  properties_number(p, "LimitExclusive", UINT64_MAX));
}

static int image_status(Ctl *c, const char *name, Error *e) {
        _cleanup_(properties_done) Properties p = {};
        int r = status_image_properties(c, name, &p, e);

        if (r < 0)
                return r;
        return image_lines(c, name, &p) < 0 ? error_oom(e) : 0;
}

static int pool_status(Ctl *c, Error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(properties_done) Properties p = {};
        int r = client_properties(c, BUS_MACHINE1_NAME, BUS_MACHINE1_PATH, BUS_MACHINE1_MANAGER,
                                  &reply, e);

        if (r < 0)
                return r;
        r = properties_read(reply, &p);
        if (r < 0)
                return error_set(e, r, "cannot read the properties of the pool: %m");
        if (wants_json(c))
                return status_json_pool(c, &p, e);
        r = line(c, "Path", properties_text(&p, "PoolPath"));
        if (r >= 0)
                r = size_line(c, "Usage", properties_number(&p, "PoolUsage", UINT64_MAX),
                              UINT64_MAX);
        if (r >= 0)
                r = limit_line(c, properties_number(&p, "PoolUsage", UINT64_MAX),
                               properties_number(&p, "PoolLimit", UINT64_MAX), UINT64_MAX);
        return r < 0 ? error_oom(e) : 0;
}

int verb_image_status(char *const *args, void *context, Error *e) {
        Ctl *c = context;

        if (!args[0])
                return pool_status(c, e);
        c->wants_pager = true;
        if (wants_json(c))
                return status_json(c, args, false, e);
        return ctl_each(c, args, image_status);
}
