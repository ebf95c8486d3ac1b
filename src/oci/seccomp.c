/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of linux.seccomp: a filter of system calls as a document says it. What the names in it mean to
 * this kernel is not known here. */
#include "oci/config-shapes.h"

static const char *const actions[] = {
        "",
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_TRAP",
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_TRACE",
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_LOG",
        "SCMP_ACT_NOTIFY",
        NULL,
};

static const char *const operators[] = {
        "",
        "SCMP_CMP_NE",
        "SCMP_CMP_LT",
        "SCMP_CMP_LE",
        "SCMP_CMP_EQ",
        "SCMP_CMP_GE",
        "SCMP_CMP_GT",
        "SCMP_CMP_MASKED_EQ",
        NULL,
};

static const JsonRow argument_rows[] = {
        OCI_ROW(OciSeccompArgument, index, "index", unsigned, .required = true, .max = 5),
        OCI_ROW(OciSeccompArgument, value, "value", unsigned, .required = true),
        OCI_ROW(OciSeccompArgument, value_two, "valueTwo", unsigned),
        OCI_ROW(OciSeccompArgument, op, "op", choice, .names = operators, .required = true),
};

static const char *check_argument(const void *at) {
        const OciSeccompArgument *a = at;

        return a->op == OCI_SECCOMP_OP_UNSET ? "op: empty" : NULL;
}
static OCI_SHAPE(argument_shape, OciSeccompArgument, argument_rows, .check = check_argument);

static const JsonRow rule_rows[] = {
        OCI_ROW(OciSeccompRule, names, "names", strings, .required = true,
                .check = oci_check_not_empty),
        OCI_ROW(OciSeccompRule, action, "action", choice, .names = actions, .required = true),
        OCI_ROW(OciSeccompRule, errno_return, "errnoRet", unsigned, .max = UINT32_MAX),
        OCI_ROW(OciSeccompRule, args, "args", objects, .shape = &argument_shape),
};

static const char *check_rule(const void *at) {
        const OciSeccompRule *r = at;

        return !r->names ? "names: empty" : r->action == OCI_SECCOMP_UNSET ? "action: empty" : NULL;
}
static OCI_SHAPE(rule_shape, OciSeccompRule, rule_rows, .check = check_rule);

static const JsonRow seccomp_rows[] = {
        OCI_ROW(OciSeccomp, default_action, "defaultAction", choice, .names = actions,
                .required = true),
        OCI_ROW(OciSeccomp, default_errno, "defaultErrnoRet", unsigned, .max = UINT32_MAX),
        OCI_ROW(OciSeccomp, architectures, "architectures", strings),
        OCI_ROW(OciSeccomp, flags, "flags", strings),
        OCI_ROW(OciSeccomp, listener_path, "listenerPath", string),
        OCI_ROW(OciSeccomp, listener_metadata, "listenerMetadata", string),
        OCI_ROW(OciSeccomp, rules, "syscalls", objects, .shape = &rule_shape),
};

static const char *check_seccomp(const void *at) {
        const OciSeccomp *s = at;

        return s->default_action == OCI_SECCOMP_UNSET ? "defaultAction: empty" : NULL;
}

OCI_SHAPE(oci_seccomp_shape, OciSeccomp, seccomp_rows, .check = check_seccomp);
