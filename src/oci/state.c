/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of containers as JSON, see state.h. */
#include "oci/state.h"

#include <limits.h>
#include <time.h>

#include "base/json.h"

static const char *check_id(const char *text) {
        return oci_id_is_valid(text) ? NULL : "is no name of a container";
}

static const char *check_group(const char *text) {
        return text[0] == '/' && text[1] && !strstr(text, "/../") && !str_has_suffix(text, "/..")
                       ? NULL
                       : "is no path of a control group";
}

static const JsonRow state_rows[] = {
        { "ociVersion", &json_string_kind, offsetof(OciState, version), .required = true },
        { "id", &json_string_kind, offsetof(OciState, id), .check = check_id, .required = true },
        { "bundle", &json_string_kind, offsetof(OciState, bundle), .required = true },
        { "rootfs", &json_string_kind, offsetof(OciState, rootfs) },
        { "created", &json_string_kind, offsetof(OciState, created) },
        { "owner", &json_string_kind, offsetof(OciState, owner) },
        { "annotations", &json_pairs_kind, offsetof(OciState, annotations) },
        { "pid", &json_unsigned_kind, offsetof(OciState, pid), .min = 1, .max = INT_MAX },
        { "startTime", &json_unsigned_kind, offsetof(OciState, start_time) },
        { "made", &json_bool_kind, offsetof(OciState, is_made) },
        { "bootId", &json_string_kind, offsetof(OciState, boot_id) },
        { "cgroup", &json_string_kind, offsetof(OciState, cgroup), .check = check_group },
        { "scope", &json_string_kind, offsetof(OciState, scope) },
        { "sharesPids", &json_bool_kind, offsetof(OciState, shares_pids) },
};
static const JsonShape state_shape = { state_rows, ELEMENTSOF(state_rows), sizeof(OciState), NULL };

int oci_state_parse(const char *text, OciState *ret, Error *e) {
        return json_shape_parse(&state_shape, text, ret, e);
}

int oci_state_write(const OciState *s, Buf *out) {
        return json_shape_write(&state_shape, s, out);
}

void oci_state_done(OciState *s) {
        json_shape_done(&state_shape, s);
}

const char *oci_status_name(OciStatus status) {
        static const char *const names[_OCI_STATUS_MAX] = {
                [OCI_STATUS_CREATING] = "creating", [OCI_STATUS_CREATED] = "created",
                [OCI_STATUS_RUNNING] = "running",   [OCI_STATUS_PAUSED] = "paused",
                [OCI_STATUS_STOPPED] = "stopped",
        };

        return names[status];
}

bool oci_id_is_valid(const char *id) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_+-.";
        size_t n = strlen(id);

        return n > 0 && n <= NAME_MAX && strspn(id, letters) == n && !streq(id, ".") &&
               !streq(id, "..");
}

const char *oci_time_format(uint64_t usec, char buffer[static OCI_TIME_MAX]) {
        time_t seconds = (time_t) (usec / 1000000);
        struct tm tm = {};

        (void) gmtime_r(&seconds, &tm);
        size_t n = strftime(buffer, OCI_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        (void) snprintf(buffer + n, OCI_TIME_MAX - n, ".%06u000Z", (unsigned) (usec % 1000000));
        return buffer;
}

typedef struct Writer {
        Buf *out;
        const char *newline, *colon; /* between members, after a name */
        bool any;
} Writer;

static int put_name(Writer *w, const char *name) {
        int r = buf_printf(w->out, "%s%s", w->any ? "," : "", w->newline);

        w->any = true;
        if (r >= 0)
                r = json_puts(w->out, name);
        return r < 0 ? r : buf_puts(w->out, w->colon);
}

static int put(Writer *w, const char *name, const char *value) {
        int r = put_name(w, name);

        return r < 0 ? r : json_puts(w->out, strempty(value));
}

static int put_annotations(Writer *w, const JsonPairs *pairs) {
        int r;

        if (pairs->n == 0)
                return 0;
        r = put_name(w, "annotations");
        if (r >= 0)
                r = buf_puts(w->out, "{");
        for (size_t i = 0; i < pairs->n && r >= 0; i++) {
                r = buf_puts(w->out, i > 0 ? "," : "");
                if (r >= 0)
                        r = json_puts(w->out, pairs->v[i].name);
                if (r >= 0)
                        r = buf_puts(w->out, w->colon);
                if (r >= 0)
                        r = json_puts(w->out, pairs->v[i].value);
        }
        return r < 0 ? r : buf_puts(w->out, "}");
}

/* What the specification has. A container that has stopped has no PID, which readers know as 0. */
static int put_common(Writer *w, const OciState *s, OciStatus status) {
        int r = buf_puts(w->out, "{");

        if (r >= 0)
                r = put(w, "ociVersion", s->version);
        if (r >= 0)
                r = put(w, "id", s->id);
        if (r >= 0)
                r = put_name(w, "pid");
        if (r >= 0)
                r = buf_printf(w->out, "%llu",
                               status == OCI_STATUS_STOPPED ? 0ULL
                                                            : (unsigned long long) s->pid.value);
        if (r >= 0)
                r = put(w, "status", oci_status_name(status));
        return r < 0 ? r : put(w, "bundle", s->bundle);
}

static int put_end(Writer *w, const OciState *s) {
        int r = put_annotations(w, &s->annotations);

        return r < 0 ? r : buf_puts(w->out, *w->newline ? "\n}" : "}");
}

int oci_state_format(const OciState *s, OciStatus status, bool pretty, Buf *out) {
        Writer w = { .out = out, .newline = pretty ? "\n  " : "", .colon = pretty ? ": " : ":" };
        int r = put_common(&w, s, status);

        if (r >= 0)
                r = put(&w, "rootfs", s->rootfs);
        if (r >= 0)
                r = put(&w, "created", s->created);
        if (r >= 0)
                r = put(&w, "owner", s->owner);
        return r < 0 ? r : put_end(&w, s);
}

int oci_state_for_hooks(const OciState *s, OciStatus status, Buf *out) {
        Writer w = { .out = out, .newline = "", .colon = ":" };
        int r = put_common(&w, s, status);

        return r < 0 ? r : put_end(&w, s);
}
