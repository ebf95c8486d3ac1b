/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables of process: what is run, as whom, with which rights. */
#include "oci/config-shapes.h"

static const JsonRow console_size_rows[] = {
        OCI_ROW(OciConsoleSize, height, "height", unsigned, .max = UINT16_MAX),
        OCI_ROW(OciConsoleSize, width, "width", unsigned, .max = UINT16_MAX),
};
static OCI_SHAPE(console_size_shape, OciConsoleSize, console_size_rows);

static const JsonRow user_rows[] = {
        OCI_ROW(OciUser, uid, "uid", unsigned, .max = OCI_ID_MAX),
        OCI_ROW(OciUser, gid, "gid", unsigned, .max = OCI_ID_MAX),
        OCI_ROW(OciUser, umask, "umask", unsigned, .max = 0777),
        OCI_ROW(OciUser, additional_gids, "additionalGids", numbers, .max = OCI_ID_MAX),
};
static OCI_SHAPE(user_shape, OciUser, user_rows);

static const JsonRow capabilities_rows[] = {
        OCI_ROW(OciCapabilities, bounding, "bounding", strings),
        OCI_ROW(OciCapabilities, effective, "effective", strings),
        OCI_ROW(OciCapabilities, inheritable, "inheritable", strings),
        OCI_ROW(OciCapabilities, permitted, "permitted", strings),
        OCI_ROW(OciCapabilities, ambient, "ambient", strings),
};
static OCI_SHAPE(capabilities_shape, OciCapabilities, capabilities_rows);

static const JsonRow rlimit_rows[] = {
        OCI_ROW(OciRlimit, type, "type", string, .required = true, .check = oci_check_not_empty),
        OCI_ROW(OciRlimit, soft, "soft", unsigned, .required = true),
        OCI_ROW(OciRlimit, hard, "hard", unsigned, .required = true),
};

static const char *check_rlimit(const void *at) {
        const OciRlimit *l = at;

        return l->soft.value > l->hard.value ? "soft: above hard" : NULL;
}
static OCI_SHAPE(rlimit_shape, OciRlimit, rlimit_rows, .check = check_rlimit);

static const char *const io_classes[] = { "", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
                                          "IOPRIO_CLASS_IDLE", NULL };
static const JsonRow io_priority_rows[] = {
        OCI_ROW(OciIoPriority, class, "class", choice, .names = io_classes, .required = true),
        OCI_ROW(OciIoPriority, priority, "priority", integer, .max = 7),
};
static OCI_SHAPE(io_priority_shape, OciIoPriority, io_priority_rows);

static const char *const policies[] = { "",           "SCHED_OTHER",    "SCHED_FIFO",
                                        "SCHED_RR",   "SCHED_BATCH",    "SCHED_ISO",
                                        "SCHED_IDLE", "SCHED_DEADLINE", NULL };
static const char *const scheduler_flags[] = {
        "",
        "SCHED_FLAG_RESET_ON_FORK",
        "SCHED_FLAG_RECLAIM",
        "SCHED_FLAG_DL_OVERRUN",
        "SCHED_FLAG_KEEP_POLICY",
        "SCHED_FLAG_KEEP_PARAMS",
        "SCHED_FLAG_UTIL_CLAMP_MIN",
        "SCHED_FLAG_UTIL_CLAMP_MAX",
        NULL,
};
static const JsonRow scheduler_rows[] = {
        OCI_ROW(OciScheduler, policy, "policy", choice, .names = policies, .required = true),
        OCI_ROW(OciScheduler, flags, "flags", choices, .names = scheduler_flags),
        OCI_ROW(OciScheduler, nice, "nice", integer, .min = -20, .max = 19),
        OCI_ROW(OciScheduler, priority, "priority", integer, .max = 99),
        OCI_ROW(OciScheduler, runtime, "runtime", unsigned),
        OCI_ROW(OciScheduler, deadline, "deadline", unsigned),
        OCI_ROW(OciScheduler, period, "period", unsigned),
};
static OCI_SHAPE(scheduler_shape, OciScheduler, scheduler_rows);

static const JsonRow affinity_rows[] = {
        OCI_ROW(OciExecAffinity, initial, "initial", string),
        OCI_ROW(OciExecAffinity, final, "final", string),
};
static OCI_SHAPE(affinity_shape, OciExecAffinity, affinity_rows);

static const JsonRow process_rows[] = {
        OCI_ROW(OciProcess, terminal, "terminal", bool),
        OCI_ROW(OciProcess, console_size, "consoleSize", object, .shape = &console_size_shape),
        OCI_ROW(OciProcess, user, "user", object, .shape = &user_shape),
        OCI_ROW(OciProcess, args, "args", strings),
        OCI_ROW(OciProcess, env, "env", strings),
        OCI_ROW(OciProcess, cwd, "cwd", string, .required = true, .check = oci_check_absolute),
        OCI_ROW(OciProcess, capabilities, "capabilities", maybe_object,
                .shape = &capabilities_shape),
        OCI_ROW(OciProcess, rlimits, "rlimits", objects, .shape = &rlimit_shape),
        OCI_ROW(OciProcess, no_new_privileges, "noNewPrivileges", bool),
        OCI_ROW(OciProcess, oom_score_adj, "oomScoreAdj", integer, .min = -1000, .max = 1000),
        OCI_ROW(OciProcess, apparmor_profile, "apparmorProfile", string),
        OCI_ROW(OciProcess, selinux_label, "selinuxLabel", string),
        OCI_ROW(OciProcess, io_priority, "ioPriority", maybe_object, .shape = &io_priority_shape),
        OCI_ROW(OciProcess, scheduler, "scheduler", maybe_object, .shape = &scheduler_shape),
        OCI_ROW(OciProcess, exec_affinity, "execCPUAffinity", object, .shape = &affinity_shape),
};

static const char *check_process(const void *at) {
        const OciProcess *p = at;

        for (size_t i = 1; i < p->rlimits.n; i++)
                for (size_t j = 0; j < i; j++)
                        if (streq(p->rlimits.v[i].type, p->rlimits.v[j].type))
                                return "rlimits: one of them is given twice";
        return NULL;
}

OCI_SHAPE(oci_process_shape, OciProcess, process_rows, .check = check_process);
