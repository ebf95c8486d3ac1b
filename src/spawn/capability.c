/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of capabilities, see capability.h. Which of them a machine gets is decided elsewhere. */
#include "spawn/capability.h"

#include <linux/capability.h>
#include <strings.h>
#include <sys/prctl.h>

#define PREFIX "CAP_"
#define ROW(x) [CAP_##x] = PREFIX #x

static const char *const names[] = {
        ROW(CHOWN),
        ROW(DAC_OVERRIDE),
        ROW(DAC_READ_SEARCH),
        ROW(FOWNER),
        ROW(FSETID),
        ROW(KILL),
        ROW(SETGID),
        ROW(SETUID),
        ROW(SETPCAP),
        ROW(LINUX_IMMUTABLE),
        ROW(NET_BIND_SERVICE),
        ROW(NET_BROADCAST),
        ROW(NET_ADMIN),
        ROW(NET_RAW),
        ROW(IPC_LOCK),
        ROW(IPC_OWNER),
        ROW(SYS_MODULE),
        ROW(SYS_RAWIO),
        ROW(SYS_CHROOT),
        ROW(SYS_PTRACE),
        ROW(SYS_PACCT),
        ROW(SYS_ADMIN),
        ROW(SYS_BOOT),
        ROW(SYS_NICE),
        ROW(SYS_RESOURCE),
        ROW(SYS_TIME),
        ROW(SYS_TTY_CONFIG),
        ROW(MKNOD),
        ROW(LEASE),
        ROW(AUDIT_WRITE),
        ROW(AUDIT_CONTROL),
        ROW(SETFCAP),
        ROW(MAC_OVERRIDE),
        ROW(MAC_ADMIN),
        ROW(SYSLOG),
        ROW(WAKE_ALARM),
        ROW(BLOCK_SUSPEND),
        ROW(AUDIT_READ),
        ROW(PERFMON),
        ROW(BPF),
        ROW(CHECKPOINT_RESTORE),
};

const char *capability_name(unsigned number) {
        return number < ELEMENTSOF(names) ? names[number] : NULL;
}

int capability_parse(const char *s) {
        size_t skip = strncasecmp(s, PREFIX, strlen(PREFIX)) == 0 ? strlen(PREFIX) : 0;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i] && strcasecmp(s + skip, names[i] + strlen(PREFIX)) == 0)
                        return (int) i;
        return -EINVAL;
}

int capability_mask_parse(const char *s, uint64_t *ret, Error *e) {
        _cleanup_strv_ char **words = NULL;
        uint64_t mask = 0;

        if (str_split(s, ", \t\n", &words) < 0)
                return error_oom(e);
        STRV_FOREACH(word, words) {
                int number = capability_parse(*word);
                if (number < 0)
                        return error_set(e, EINVAL, "'%.60s' is not a capability", *word);
                mask |= UINT64_C(1) << number;
        }
        *ret = mask;
        return 0;
}

uint64_t capability_missing(uint64_t mask) {
        uint64_t missing = 0;

        for (unsigned i = 0; i < 64; i++)
                if (mask & UINT64_C(1) << i && prctl(PR_CAPBSET_READ, i, 0, 0, 0) <= 0)
                        missing |= UINT64_C(1) << i;
        return missing;
}

int capability_mask_format(uint64_t mask, Buf *out) {
        for (unsigned i = 0; i < 64; i++) {
                if (!(mask & UINT64_C(1) << i))
                        continue;
                int r = capability_name(i) ? buf_printf(out, "%s%s", out->n ? " " : "", names[i])
                                           : buf_printf(out, "%s%u", out->n ? " " : "", i);
                if (r < 0)
                        return r;
        }
        return 0;
}
