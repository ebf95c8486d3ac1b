/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the words of linux.seccomp to rules and flags, see oci-seccomp.h. What rules mean is in
 * seccomp-rules.h. */
#include "spawn/oci-seccomp.h"

#include <linux/seccomp.h>

#include "spawn/seccomp-rules.h"

#define ERRNO_MAX 4094U /* the kernel makes less of anything beyond, libseccomp refuses it */

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static int verdict_of(int action, const JsonUnsigned *number, uint32_t *ret, Error *e) {
        static const uint32_t verdicts[_OCI_SECCOMP_MAX] = {
                [OCI_SECCOMP_KILL] = SECCOMP_RET_KILL_THREAD,
                [OCI_SECCOMP_KILL_PROCESS] = SECCOMP_RET_KILL_PROCESS,
                [OCI_SECCOMP_KILL_THREAD] = SECCOMP_RET_KILL_THREAD,
                [OCI_SECCOMP_TRAP] = SECCOMP_RET_TRAP,
                [OCI_SECCOMP_ERRNO] = SECCOMP_RET_ERRNO,
                [OCI_SECCOMP_TRACE] = SECCOMP_RET_TRACE,
                [OCI_SECCOMP_ALLOW] = SECCOMP_RET_ALLOW,
                [OCI_SECCOMP_LOG] = SECCOMP_RET_LOG,
                [OCI_SECCOMP_NOTIFY] = SECCOMP_RET_USER_NOTIF,
        };
        bool takes_number = action == OCI_SECCOMP_ERRNO || action == OCI_SECCOMP_TRACE;
        uint64_t value = number->set ? number->value : EPERM;

        /* Some engines write a zero beside actions that take none. */
        if (number->set && value != 0 && !takes_number)
                return error_set(e, EINVAL, "errnoRet goes with SCMP_ACT_ERRNO and SCMP_ACT_TRACE");
        if (takes_number && value > (action == OCI_SECCOMP_ERRNO ? ERRNO_MAX : UINT16_MAX))
                return error_set(e, EINVAL, "errnoRet %ju is too large", (uintmax_t) value);
        *ret = verdicts[action] | (takes_number ? (uint32_t) value : 0);
        return 0;
}

static int fill_conditions(const OciSeccompRule *from, SeccompRule *to) {
        static const SeccompCompare compares[_OCI_SECCOMP_OP_MAX] = {
                [OCI_SECCOMP_OP_NE] = SECCOMP_NE,
                [OCI_SECCOMP_OP_LT] = SECCOMP_LT,
                [OCI_SECCOMP_OP_LE] = SECCOMP_LE,
                [OCI_SECCOMP_OP_EQ] = SECCOMP_EQ,
                [OCI_SECCOMP_OP_GE] = SECCOMP_GE,
                [OCI_SECCOMP_OP_GT] = SECCOMP_GT,
                [OCI_SECCOMP_OP_MASKED_EQ] = SECCOMP_MASKED_EQ,
        };

        if (from->args.n == 0)
                return 0;
        to->conditions = calloc(from->args.n, sizeof *to->conditions);
        if (!to->conditions)
                return -ENOMEM;
        for (size_t i = 0; i < from->args.n; i++) {
                const OciSeccompArgument *a = from->args.v + i;
                to->conditions[to->n++] = (SeccompCondition){
                        .argument = (unsigned) a->index.value,
                        .compare = compares[a->op],
                        .value = a->value.value,
                        .second = a->value_two.value,
                };
        }
        return 0;
}

static int fill_rules(const OciSeccomp *s, SeccompRules *ret, Error *e) {
        if (s->rules.n == 0)
                return 0;
        ret->v = calloc(s->rules.n, sizeof *ret->v);
        if (!ret->v)
                return error_oom(e);
        for (size_t i = 0; i < s->rules.n; i++) {
                const OciSeccompRule *from = s->rules.v + i;
                SeccompRule *to = ret->v + ret->n++;
                int r = verdict_of(from->action, &from->errno_return, &to->verdict, e);

                if (r < 0)
                        return error_wrap(e, r, "syscalls[%zu]", i);
                to->calls = from->names;
                if (fill_conditions(from, to) < 0)
                        return error_oom(e);
        }
        return 0;
}

static int read_flags(const OciSeccomp *s, unsigned *ret, Error *e) {
        static const struct {
                const char *name;
                unsigned flag;
        } flags[] = {
                { "TSYNC", 0 }, /* whoever loads the filter has no other threads */
                { "LOG", SECCOMP_FILTER_FLAG_LOG },
                { "SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
                { "WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
        };

        *ret = 0;
        STRV_FOREACH(f, s->flags) {
                const char *name = str_skip_prefix(*f, "SECCOMP_FILTER_FLAG_");
                size_t i = 0;

                while (i < ELEMENTSOF(flags) && !(name && streq(name, flags[i].name)))
                        i++;
                if (i >= ELEMENTSOF(flags))
                        return error_set(e, EINVAL, "flags: '%.60s' is not known", *f);
                *ret |= flags[i].flag;
        }
        return 0;
}

/* Somebody has to answer what the kernel asks; a flag on how it asks needs somebody as well. */
static int add_listener(const OciSeccomp *s, unsigned *flags, Error *e) {
        bool notifies = false;

        if (s->default_action == OCI_SECCOMP_NOTIFY)
                return error_set(e, EINVAL,
                                 "defaultAction: SCMP_ACT_NOTIFY stops the container "
                                 "before anybody can answer");
        for (size_t i = 0; i < s->rules.n; i++)
                notifies = notifies || s->rules.v[i].action == OCI_SECCOMP_NOTIFY;
        if (notifies && (!s->listener_path || s->listener_path[0] != '/'))
                return error_set(e, EINVAL, "SCMP_ACT_NOTIFY needs an absolute listenerPath");
        if (notifies)
                *flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
        else
                *flags &= ~(unsigned) SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
        return 0;
}

/* Lists for older kernels than this one mean no harm to calls they do not know: programs that are told that these
 * do not exist use others. Who is asked about each call, or is to see all of them, is. */
static bool wants_enosys(const OciSeccomp *s) {
        return s->default_action != OCI_SECCOMP_ALLOW && s->default_action != OCI_SECCOMP_TRACE &&
               s->default_action != OCI_SECCOMP_LOG;
}

int oci_seccomp_plan(const OciSeccomp *s, SeccompProgram *ret, Error *e) {
        _cleanup_(seccomp_rules_done) SeccompRules rules = {};
        SeccompProgram program = {};
        unsigned flags = 0;
        int r;

        *ret = (SeccompProgram){};
        if (!s)
                return 0;
        rules.arches = s->architectures;
        rules.fresh_is_enosys = wants_enosys(s);
        r = verdict_of(s->default_action, &s->default_errno, &rules.verdict, e);
        if (r < 0)
                return error_wrap(e, r, "linux.seccomp: defaultAction");
        r = read_flags(s, &flags, e);
        if (r >= 0)
                r = add_listener(s, &flags, e);
        if (r >= 0)
                r = fill_rules(s, &rules, e);
        if (r >= 0)
                r = seccomp_rules_assemble(&rules, &program, e);
        if (r < 0)
                return error_wrap(e, r, "linux.seccomp");
        *ret = program;
        ret->flags = flags;
        return 0;
}
