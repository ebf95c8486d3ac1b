/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* update: other limits for a container that runs. What options say is made a document of, so that there is one
 * way to read them. */
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/parse.h"
#include "spawn/oci-resources.h"
#include "spawn/oci/group.h"
#include "spawn/oci/oci.h"
#include "spawn/register.h"

/* Options by the part of the document that they are for. */
static const struct {
        const char *flag, *part, *member;
        bool is_text;
} members[] = {
        { "blkio-weight", "blockIO", "weight", false },
        { "cpu-period", "cpu", "period", false },
        { "cpu-quota", "cpu", "quota", false },
        { "cpu-burst", "cpu", "burst", false },
        { "cpu-share", "cpu", "shares", false },
        { "cpu-idle", "cpu", "idle", false },
        { "cpu-rt-period", "cpu", "realtimePeriod", false },
        { "cpu-rt-runtime", "cpu", "realtimeRuntime", false },
        { "cpuset-cpus", "cpu", "cpus", true },
        { "cpuset-mems", "cpu", "mems", true },
        { "memory", "memory", "limit", false },
        { "memory-reservation", "memory", "reservation", false },
        { "memory-swap", "memory", "swap", false },
        { "pids-limit", "pids", "limit", false },
};

/* The last one given wins, as it does with options. */
static const char *find(char *const *limits, const char *flag) {
        const char *found = NULL;

        STRV_FOREACH(l, limits) {
                const char *value = str_skip_prefix(*l, flag);
                if (value && *value == '=')
                        found = value + 1;
        }
        return found;
}

static int put_value(const char *flag, const char *value, bool is_text, Buf *out, Error *e) {
        uint64_t n;

        if (is_text)
                return json_puts(out, value) < 0 ? error_oom(e) : 0;
        if (parse_u64(value + (*value == '-'), 0, INT64_MAX, &n) < 0)
                return error_set(e, EINVAL, "--%s: '%.60s' is no number", flag, value);
        return buf_printf(out, "%s%llu", *value == '-' ? "-" : "", (unsigned long long) n) < 0
                       ? error_oom(e)
                       : 0;
}

static int put_part(char *const *limits, const char *part, Buf *out, Error *e) {
        bool any = false;
        int r = buf_printf(out, "%s\"%s\":{", out->n > 1 ? "," : "", part) < 0 ? error_oom(e) : 0;

        for (size_t i = 0; i < ELEMENTSOF(members) && r >= 0; i++) {
                const char *value = find(limits, members[i].flag);

                if (!value || !streq(members[i].part, part))
                        continue;
                r = buf_printf(out, "%s\"%s\":", any ? "," : "", members[i].member);
                r = r < 0 ? error_oom(e)
                          : put_value(members[i].flag, value, members[i].is_text, out, e);
                any = true;
        }
        return r < 0 ? r : buf_puts(out, "}") < 0 ? error_oom(e) : 0;
}

static int options_as_text(const OciOptions *o, char **ret, Error *e) {
        static const char *const parts[] = { "memory", "cpu", "pids", "blockIO" };
        _cleanup_(buf_done) Buf out = {};
        int r = buf_puts(&out, "{") < 0 ? error_oom(e) : 0;

        for (size_t i = 0; i < ELEMENTSOF(parts) && r >= 0; i++)
                r = put_part(o->limits, parts[i], &out, e);
        if (r >= 0 && buf_puts(&out, "}") < 0)
                r = error_oom(e);
        if (r < 0)
                return r;
        *ret = buf_take(&out);
        return *ret ? 0 : error_oom(e);
}

static int read_text(const char *path, char **ret, Error *e) {
        int r = streq(path, "-") ? fd_read_all(STDIN_FILENO, OCI_DOCUMENT_MAX, ret, NULL)
                                 : file_read(AT_FDCWD, path, OCI_DOCUMENT_MAX, ret, NULL);

        return r < 0 ? error_set(e, r, "cannot read '%s': %m", path) : 0;
}

int oci_update(Oci *oci, char *const *args, Error *e) {
        _cleanup_(container_done) Container c = CONTAINER_NULL;
        _cleanup_(oci_resources_freep) OciResources *resources = NULL;
        _cleanup_(buf_done) Buf notes = {};
        _cleanup_free_ char *text = NULL;
        _cleanup_strv_ char **properties = NULL;
        _cleanup_fd_ int group = -EBADF;
        OciStatus status;
        int r = oci->o.resources ? read_text(oci->o.resources, &text, e)
                                 : options_as_text(&oci->o, &text, e);

        if (r >= 0)
                r = oci_resources_parse(text, &resources, e);
        if (r >= 0)
                r = container_open_locked(oci->o.root, args[0], &c, e);
        if (r >= 0)
                r = container_status(&c, &status, e);
        if (r < 0)
                return r;
        if (status == OCI_STATUS_STOPPED)
                return error_set(e, ESRCH, "container not running");
        group = group_open(&c, e);
        if (group < 0)
                return group;
        /* The manager would write its own into the files, sooner or later. */
        if (c.state.scope)
                r = oci_resources_properties(resources, &properties, e);
        if (r >= 0 && c.state.scope)
                r = register_scope_limit(c.state.scope, properties, e);
        if (r >= 0)
                r = oci_resources_write(resources, group, &notes, e);
        return r < 0 ? r : (log_lines(&oci->log, &notes), 0);
}
