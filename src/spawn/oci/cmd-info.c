/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* features: what this runtime can, in the specification's words. */
#include "base/json.h"
#include "spawn/capability.h"
#include "spawn/oci-mount-options.h"
#include "spawn/oci/oci.h"
#include "spawn/seccomp-table.h"

static const char *const hooks[] = {
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
        NULL
};
static const char *const namespaces[] = { "cgroup", "ipc",  "mount", "network", "pid",
                                          "time",   "user", "uts",   NULL };
static const char *const actions[] = { "SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO",
                                       "SCMP_ACT_KILL",        "SCMP_ACT_KILL_PROCESS",
                                       "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
                                       "SCMP_ACT_NOTIFY",      "SCMP_ACT_TRACE",
                                       "SCMP_ACT_TRAP",        NULL };
static const char *const operators[] = { "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
                                         "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
                                         "SCMP_CMP_NE", NULL };

static const char *const filter_flags[] = { "SECCOMP_FILTER_FLAG_LOG",
                                            "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                                            "SECCOMP_FILTER_FLAG_TSYNC",
                                            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL };

static int put_list(Buf *out, const char *name, const char *const *list) {
        int r = buf_printf(out, "\"%s\": [", name);

        for (size_t i = 0; list && list[i] && r >= 0; i++) {
                r = buf_puts(out, i > 0 ? ", " : "");
                if (r >= 0)
                        r = json_puts(out, list[i]);
        }
        return r < 0 ? r : buf_puts(out, "]");
}

static int capability_names(char ***ret) {
        const char *name;

        for (unsigned i = 0; (name = capability_name(i)); i++)
                if (strv_append(ret, name) < 0)
                        return -ENOMEM;
        return 0;
}

static int put_seccomp(Buf *out) {
        const char *arches[SECCOMP_COLUMNS + 1] = {};
        const struct {
                const char *name;
                const char *const *list;
        } lists[] = {
                { "actions", actions },
                { "operators", operators },
                { "archs", arches },
                { "knownFlags", filter_flags },
                { "supportedFlags", filter_flags },
        };
        size_t n = 0;
        int r = buf_puts(out, "    \"seccomp\": {\n      \"enabled\": true");

        for (size_t i = 0; i < SECCOMP_COLUMNS; i++)
                if (*seccomp_columns[i].name)
                        arches[n++] = seccomp_columns[i].name;
        for (size_t i = 0; i < ELEMENTSOF(lists) && r >= 0; i++) {
                r = buf_puts(out, ",\n      ");
                if (r >= 0)
                        r = put_list(out, lists[i].name, lists[i].list);
        }
        return r < 0 ? r : buf_puts(out, "\n    },\n");
}

static int put_linux(Buf *out) {
        _cleanup_strv_ char **capabilities = NULL;
        int r = capability_names(&capabilities);

        if (r >= 0)
                r = buf_puts(out, "  \"linux\": {\n    ");
        if (r >= 0)
                r = put_list(out, "namespaces", namespaces);
        if (r >= 0)
                r = buf_puts(out, ",\n    ");
        if (r >= 0)
                r = put_list(out, "capabilities", (const char *const *) capabilities);
        if (r >= 0)
                r = buf_puts(out,
                             ",\n    \"cgroup\": {\"v1\": false, \"v2\": true, \"systemd\": true,"
                             " \"systemdUser\": false, \"rdma\": true},\n");
        if (r >= 0)
                r = put_seccomp(out);
        return r < 0 ? r
                     : buf_puts(out, "    \"apparmor\": {\"enabled\": true},\n"
                                     "    \"selinux\": {\"enabled\": true},\n"
                                     "    \"intelRdt\": {\"enabled\": false},\n"
                                     "    \"mountExtensions\": {\"idmap\": {\"enabled\": true}}\n"
                                     "  },\n");
}

int oci_features(Oci *oci, char *const *args, Error *e) {
        _cleanup_strv_ char **options = NULL;
        Buf *out = &oci->out;
        int r = oci_mount_options_help(&options);

        if (r >= 0)
                r = buf_puts(out, "{\n  \"ociVersionMin\": \"1.0.0\",\n"
                                  "  \"ociVersionMax\": \"1.2.0\",\n  ");
        if (r >= 0)
                r = put_list(out, "hooks", hooks);
        if (r >= 0)
                r = buf_puts(out, ",\n  ");
        if (r >= 0)
                r = put_list(out, "mountOptions", (const char *const *) options);
        if (r >= 0)
                r = buf_puts(out, ",\n");
        if (r >= 0)
                r = put_linux(out);
        if (r >= 0)
                r = buf_printf(out, "  \"annotations\": {\"org.skep.version\": \"%s\"}\n}\n",
                               SKEP_VERSION);
        return r < 0 ? error_oom(e) : 0;
}
